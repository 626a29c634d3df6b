import { readdir, readFile } from "node:fs/promises";
import { fault } from "@slowboat/kernel";
import type { Store } from "./connect.ts";

const FOLDER = new URL("../../../../migrations/", import.meta.url);
/** Any fixed number: one migrator at a time, whoever starts first. */
const LOCK = 728_110_231;

/**
 * Brings the database to this version's schema, forward only, each file in a transaction. A database that knows a
 * migration which we do not was written by a newer Slowboat and is refused. Returns the names applied now.
 */
export async function migrate(store: Store, nowMs: number): Promise<string[]> {
  const names = await migrationNames();
  return await store.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${LOCK}::int)`;
    await tx`create table if not exists schema_migration (name text primary key, applied_real_ms float8 not null)`;
    const known = new Set((await tx<{ name: string }[]>`select name from schema_migration`).map((row) => row.name));
    const newer = [...known].filter((name) => !names.includes(name));
    if (newer.length > 0) throw fault("schema-newer", { inside: newer });
    const applied: string[] = [];
    for (const name of names) {
      if (known.has(name)) continue;
      await tx.unsafe(await readFile(new URL(name, FOLDER), "utf8"));
      await tx`insert into schema_migration (name, applied_real_ms) values (${name}, ${nowMs})`;
      applied.push(name);
    }
    return applied;
  });
}

/** The migrations that this version brings, in order. */
export const migrationNames = async (): Promise<string[]> => (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).sort();
