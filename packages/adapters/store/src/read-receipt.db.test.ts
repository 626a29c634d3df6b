import { seedTenant, type TestDatabase, testDatabase, testJob } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insertJobs, type NewJob } from "./insert-jobs.ts";
import { readReceipt } from "./read-receipt.ts";

let database: TestDatabase;
let owner: { tenantId: string; keyId: string };
beforeAll(async () => {
  database = await testDatabase();
  owner = await seedTenant(database.store);
});
afterAll(() => database.drop());

const DEADLINE_MS = 1000;
const job = (no: number, state: string, endedAtMs: number | null): NewJob =>
  testJob({ id: `job_${no}`, ...owner, batchId: "batch_1", lineNo: no, state, deadlineAtMs: DEADLINE_MS, endedAtMs });

test("a receipt counts a deadline as met only by an answer in time; what was cancelled counts on neither side", async () => {
  const jobs = [job(1, "completed", 900), job(2, "completed", 1100), job(3, "failed", 100), job(4, "cancelled", 100), job(5, "placed", null)];
  await insertJobs(database.store.sql, jobs);
  const at = async (nowMs: number) => {
    const facts = await database.store.begin((tx) => readReceipt(tx, { tenantId: owner.tenantId, batchIds: ["batch_1"], nowMs }));
    return [facts.withDeadline, facts.deadlinesMissed];
  };
  expect(await at(950)).toEqual([4, 2]);
  expect(await at(1200)).toEqual([4, 3]);
});
