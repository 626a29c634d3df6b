import { type TestDatabase, testDatabase } from "@slowboat/testkit";
import { getTableColumns, getTableName } from "drizzle-orm";
import { getTableConfig, type PgTable } from "drizzle-orm/pg-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrate, table } from "./index.ts";

const TABLES: readonly PgTable[] = Object.values(table);

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.drop());

test("migrating a database that is up to date applies nothing, by two at once too", async () => {
  const applied = await Promise.all([migrate(database.store, 1), migrate(database.store, 2)]);
  expect(applied).toEqual([[], []]);
});

test("two that migrate an empty database at once apply each file once", async () => {
  await database.store.sql`drop schema public cascade`;
  await database.store.sql`create schema public`;
  const [a, b] = await Promise.all([migrate(database.store, 1), migrate(database.store, 2)]);
  const rows = await database.store.sql<{ name: string }[]>`select name from schema_migration order by name`;
  expect([...(a ?? []), ...(b ?? [])].sort()).toEqual(rows.map((row) => row.name));
  expect(rows.length).toBeGreaterThan(0);
});

test("a database that a newer version migrated is refused and left as it is", async () => {
  await database.store.sql`insert into schema_migration (name, applied_real_ms) values ('9999-from-the-future.sql', 1)`;
  await expect(migrate(database.store, 2)).rejects.toMatchObject({ code: "schema-newer", message: expect.stringContaining("newer Slowboat") });
});

test("the tables as TypeScript sees them are the tables as the migrations make them, column by column", async () => {
  const real = await database.store.sql<{ table: string; column: string; type: string; nullable: boolean; has_default: boolean }[]>`
    select c.table_name as table, c.column_name as column, c.udt_name as type, c.is_nullable = 'YES' as nullable, c.column_default is not null as has_default
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name <> 'schema_migration'`;
  const seen = TABLES.flatMap((one) =>
    Object.values(getTableColumns(one)).map((column) => ({
      table: getTableName(one),
      column: column.name,
      type: udtName(column.getSQLType()),
      nullable: !column.notNull,
      has_default: column.hasDefault,
    })),
  );
  expect(sorted(seen)).toEqual(sorted(real.map((row) => ({ ...row }))));
});

test("work, answers, money and announcements have an owner from their creation: the database takes none without its tenant", async () => {
  const owned = ["api_key", "attempt", "batch", "file", "job", "ledger_txn", "result", "reuse_entry", "webhook_event"];
  const { sql } = database.store;
  const rows = await sql<{ table: string; nullable: string }[]>`
    select table_name as table, is_nullable as nullable from information_schema.columns
    where table_schema = 'public' and column_name = 'tenant_id' and table_name = any(${owned}::text[]) order by 1`;
  expect(rows.map((row) => ({ ...row }))).toEqual(owned.map((name) => ({ table: name, nullable: "NO" })));
  const keyed = await sql<{ table: string; nullable: string }[]>`
    select table_name as table, is_nullable as nullable from information_schema.columns
    where table_schema = 'public' and column_name = 'key_id' and table_name in ('job', 'batch') order by 1`;
  expect(keyed.map((row) => ({ ...row }))).toEqual(["batch", "job"].map((name) => ({ table: name, nullable: "NO" })));
  await expect(sql`insert into ledger_txn (id, kind, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, at_ms)
    values ('t', 'settle', 'j', 'a', 'openai', 'm', 'v', 'd', false, true, 0)`).rejects.toThrow(/"tenant_id".*not-null/);
});

test("every primary key is the same on both sides", async () => {
  const real = await database.store.sql<{ table: string; columns: string }[]>`
    select i.indrelid::regclass::text as table, string_agg(a.attname, ',' order by array_position(i.indkey::int2[], a.attnum)) as columns
    from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey::int2[])
    where i.indisprimary and i.indrelid::regclass::text = any(${TABLES.map((one) => getTableName(one))}::text[])
    group by 1`;
  const seen = TABLES.map((one) => {
    const { name, columns, primaryKeys } = getTableConfig(one);
    const single = columns.filter((column) => column.primary).map((column) => column.name);
    return { table: name, columns: (single.length > 0 ? single : (primaryKeys[0]?.columns.map((column) => column.name) ?? [])).join(",") };
  });
  const byTable = (a: { table: string }, b: { table: string }): number => a.table.localeCompare(b.table);
  expect(seen.sort(byTable)).toEqual(real.map((row) => ({ ...row })).sort(byTable));
});

function udtName(type: string): string {
  const names: Record<string, string> = {
    "double precision": "float8",
    integer: "int4",
    bigint: "int8",
    boolean: "bool",
    real: "float4",
    "text[]": "_text",
  };
  return names[type] ?? type;
}

const sorted = <T extends { table: string; column: string }>(rows: readonly T[]): T[] =>
  [...rows].sort((a, b) => a.table.localeCompare(b.table) || a.column.localeCompare(b.column));
