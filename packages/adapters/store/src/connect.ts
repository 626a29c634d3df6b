import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import * as schema from "./schema.ts";

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

/**
 * Opens a pool. int8 arrives as bigint (money only), float8 as number (instants), text as it is. Statements that run
 * longer than `statementTimeoutMs` fail, so that a lost connection cannot hang a loop. An array parameter of booleans or bigints
 * is taken by the driver for a single value: pass it as text and cast it (`${flags.map(String)}::text[]::boolean[]`).
 */
export function openStore(url: string, options: { max?: number; statementTimeoutMs?: number; name?: string } = {}): Store {
  const sql = postgres(url, {
    max: options.max ?? 6,
    types: { bigint: postgres.BigInt },
    onnotice: () => undefined,
    connect_timeout: 10,
    idle_timeout: 60,
    connection: { application_name: options.name ?? "slowboat", statement_timeout: options.statementTimeoutMs ?? 60_000 },
  });
  return {
    sql,
    url,
    begin: async (work) => (await sql.begin((tx) => work(withOptions(tx as unknown as Sql, sql)))) as Awaited<ReturnType<typeof work>>,
    close: () => sql.end({ timeout: 5 }),
  };
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
