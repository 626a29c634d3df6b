import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { openStore, type Store } from "@slowboat/store";
import postgres from "postgres";
import { inject } from "vitest";
import type {} from "./provided.ts";

/** A database of one's own. */
export interface TestDatabase {
  readonly url: string;
  readonly store: Store;
  /** Closes the store and forgets the database; throws when somebody else left a connection open. */
  drop(): Promise<void>;
}

/** The database that every test's own is cloned from. */
export const TEMPLATE = "slowboat_template";
const LEAK_MS = 3000;

/** Clones the migrated template, in about 20 ms and two connections. Works in `*.db.test.ts` and other files of a project that has the server. */
export async function testDatabase(options: { readonly max?: number } = {}): Promise<TestDatabase> {
  const base = inject("postgresUrl");
  const name = `test_${randomBytes(6).toString("hex")}`;
  await asAdmin(base, async (sql) => {
    await sql`create database ${sql(name)} template ${sql(TEMPLATE)}`;
  });
  const url = new URL(base);
  url.pathname = `/${name}`;
  const store = openStore(url.href, { max: options.max ?? 4, name: "test-store" });
  return {
    url: url.href,
    store,
    drop: async () => {
      await store.close();
      await asAdmin(base, async (sql) => {
        const left = await connectionsLeft(sql, name);
        await sql`drop database if exists ${sql(name)} with (force)`;
        if (left.length > 0) throw new Error(`connections left open on the test's database: ${left.join(", ")}`);
      });
    },
  };
}

async function asAdmin(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** A closed connection's server side ends a moment later, so this looks again until none is left or the time is up. */
async function connectionsLeft(sql: postgres.Sql, name: string): Promise<string[]> {
  const until = performance.now() + LEAK_MS;
  for (;;) {
    const rows = await sql<{ who: string }[]>`
      select application_name || ' (' || coalesce(left(query, 60), '') || ')' as who
      from pg_stat_activity where datname = ${name} and backend_type = 'client backend'`;
    if (rows.length === 0 || performance.now() > until) return rows.map((row) => row.who);
    await pause(10);
  }
}
