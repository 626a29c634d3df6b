import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { table as schema } from "./tables.ts";

/** Tagged-template SQL, on the pool or inside a transaction: what every verb takes first. */
export type Sql = postgres.Sql<{ bigint: bigint }>;

/** The query builder over the same connection. */
export type Orm = PostgresJsDatabase<typeof schema>;

/** One process's door to Postgres. */
export interface Store {
  readonly sql: Sql;
  readonly url: string;
  /** Runs `work` in one transaction; anything it throws rolls back. */
  begin<T>(work: (tx: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** How a pool is opened; everything has a default. */
export interface StoreOptions {
  readonly max?: number;
  readonly statementTimeoutMs?: number;
  /** What one step of a statement holds in memory before it writes files, where it is more than the server's own bound. */
  readonly workMemMb?: number;
  /** How the server lists our connections. */
  readonly name?: string;
  /**
   * Told once, before anything else runs, that a connection was lost which nobody closed. From then on the driver cannot be trusted: it may
   * never send what is asked next, answer it with an empty result, or run the rest of a transaction outside of it. A process that
   * writes must end; a reader may open a new store.
   */
  readonly onLost?: (error: Error) => void;
}

/**
 * Opens a pool; `url` may name a socket file (`?host=/folder`). int8 arrives as bigint (money only), float8 as number (instants),
 * text as it is. Statements that run longer than `statementTimeoutMs` fail, so that a lost connection cannot hang a loop. An array parameter of booleans or bigints
 * is taken by the driver for a single value: pass it as text and cast it (`${flags.map(String)}::text[]::boolean[]`).
 */
export function openStore(url: string, options: StoreOptions = {}): Store {
  let told = options.onLost === undefined;
  const at = addressOf(url);
  const sql = postgres(at.url, {
    ...(at.path === null ? {} : { path: at.path }),
    max: options.max ?? 6,
    types: { bigint: postgres.BigInt },
    onnotice: () => undefined,
    connect_timeout: 10,
    // Only then does a closed connection mean a lost one.
    idle_timeout: 0,
    max_lifetime: null,
    onclose: () => {
      if (told) return;
      told = true;
      options.onLost?.(new Error("a connection to Postgres was lost"));
    },
    connection: {
      application_name: options.name ?? "slowboat",
      statement_timeout: options.statementTimeoutMs ?? 60_000,
      ...(options.workMemMb === undefined ? {} : { work_mem: `${options.workMemMb}MB` }),
      // A plan made while its tables are small is kept while they grow: where there is an index, it must be used from the first row. A plan
      // that does not look at the parameters takes a partial index only where the statement names its condition in so many words. A
      // bitmap scan reads an index's dead entries for ever and clears none away.
      enable_seqscan: "off",
      enable_bitmapscan: "off",
      plan_cache_mode: "force_generic_plan",
    },
  });
  return {
    sql,
    url,
    begin: async (work) => (await sql.begin((tx) => work(withOptions(tx as unknown as Sql, sql)))) as Awaited<ReturnType<typeof work>>,
    close: () => {
      told = true;
      return sql.end({ timeout: 5 });
    },
  };
}

/** A `host` in the URL's query that is a folder speaks of the socket file in it, as libpq has it; the driver wants its path apart. */
function addressOf(url: string): { readonly url: string; readonly path: string | null } {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const folder = parsed?.searchParams.get("host");
  if (parsed === null || !folder?.startsWith("/")) return { url, path: null };
  parsed.searchParams.delete("host");
  return { url: parsed.href, path: `${folder}/.s.PGSQL.${parsed.port || "5432"}` };
}

// drizzle sets parsers on `client.options`, which postgres.js leaves off the transaction's handle.
const withOptions = (tx: Sql, root: Sql): Sql => Object.assign(tx, { options: root.options });

const ORMS = new WeakMap<object, Orm>();

/** The query builder on this connection or transaction. */
export function orm(tx: Sql): Orm {
  let made = ORMS.get(tx);
  if (!made) {
    made = drizzle(tx, { schema });
    ORMS.set(tx, made);
  }
  return made;
}
