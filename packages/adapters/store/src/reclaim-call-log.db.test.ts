import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callLogReclaimer, fileOldest, logCalls } from "./index.ts";
import { callAttempt, callJob } from "./testing/calls.ts";

let database: TestDatabase;
let tenantId: string;
beforeEach(async () => {
  database = await testDatabase();
  ({ tenantId } = await seedTenant(database.store));
});
afterEach(() => database.drop());

const ROWS = 20;
let made = 0;
/** Logs rows of a page each. */
async function log(rows = ROWS): Promise<void> {
  for (let n = 0; n < rows; n++) {
    const id = String(made++);
    const job = callJob(tenantId, id, { body: `{"t":"${"x".repeat(6000)}"}` });
    await logCalls(database.store.sql, { opened: [{ job, attempt: callAttempt(tenantId, id) }], answered: [] }, { nowMs: 1, realMs: 1 });
  }
}
/** Files the oldest rows, and has the server count them at once. */
async function file(rows = ROWS): Promise<void> {
  await database.store.begin(async (tx) => {
    await fileOldest(tx, { items: rows, maxBytes: 1e9 });
    await tx`select pg_stat_force_next_flush()`;
  });
}
const pages = async (): Promise<number> => {
  const [table] = await database.store.sql<{ pages: number }[]>`select (pg_relation_size('call_log') / 8192)::int as pages`;
  return table?.pages ?? 0;
};

test("the room of what is filed is used again, while other calls wait in the log", async () => {
  const reclaim = callLogReclaimer(database.store.sql, ROWS);
  await log();
  expect(await reclaim()).toBe(false);
  await log();
  await file(ROWS - 1);
  expect(await reclaim()).toBe(false);
  await file(1);
  expect([await pages(), await reclaim(), await reclaim()]).toEqual([2 * ROWS, true, false]);
  for (let round = 0; round < 5; round++) {
    await log();
    await file();
    expect(await reclaim()).toBe(true);
  }
  expect(await pages()).toBe(2 * ROWS);
});

test("what an old snapshot still sees is not looked through again and again", async () => {
  const reclaim = callLogReclaimer(database.store.sql, ROWS);
  const looks: boolean[] = [];
  await database.store.begin(async (tx) => {
    await tx`set transaction isolation level repeatable read`;
    await tx`select 1 from call_log`;
    for (let round = 0; round < 12; round++) {
      await log();
      await file();
      looks.push(await reclaim());
    }
  });
  expect(await pages()).toBe(12 * ROWS);
  expect(looks.slice(0, 4)).toEqual([true, true, true, true]);
  expect(looks.filter(Boolean).length).toBeLessThan(10);
});
