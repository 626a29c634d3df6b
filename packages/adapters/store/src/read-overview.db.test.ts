import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { orm, readOverview, table } from "./index.ts";

const NOW = Date.UTC(2026, 10, 1);
const HOUR_MS = 3_600_000;
const BASE = { surface: "native", endpoint: "/v1/embeddings", provider: "openai", model: "m", baselineModel: "m", body: "{}" } as const;
const SIZES = { bodyBytes: 2, inputTokensEst: 1, outputTokensEst: 1 } as const;

let database: TestDatabase;
let owner: { tenantId: string; keyId: string };
let made = 0;
beforeEach(async () => {
  database = await testDatabase();
  owner = await seedTenant(database.store);
});
afterEach(() => database.drop());

/** A job by hours from now: accepted, deadline, end. */
async function job(
  state: string,
  lane: string | null,
  [accepted, deadline, ended]: [number, number | null, number | null],
  batchId: string | null = null,
) {
  const at = (hours: number | null): number | null => (hours === null ? null : NOW + hours * HOUR_MS);
  const times = { acceptedAtMs: NOW + accepted * HOUR_MS, deadlineAtMs: at(deadline), endedAtMs: at(ended) };
  const line = { batchId, lineNo: batchId === null ? null : ++made };
  await orm(database.store.sql)
    .insert(table.job)
    .values({ id: `job_${++made}`, ...owner, ...BASE, ...SIZES, ...line, ...times, state, lane });
}

const overview = () =>
  database.store.begin((tx) => readOverview(tx, { tenantId: owner.tenantId, nowMs: NOW, sinceMs: NOW - 24 * HOUR_MS, rows: 50 }));

test("the window's jobs count by lane and deadline, and older ones as long as they run", async () => {
  await job("completed", "openai", [-10, -5, -6]);
  await job("completed", "openai", [-10, -5, -4]);
  await job("failed", "openai", [-10, null, -4]);
  await job("placed", "openai-batch", [-30, 0.5, null]);
  await job("accepted", null, [-2, -1, null]);
  await job("accepted", null, [-2, 20, null]);
  await job("completed", "openai", [-30, -5, -6]);
  const { lanes, ...facts } = await overview();
  expect(lanes).toEqual([
    { lane: "openai", live: 0, completed: 2, failed: 1, cancelled: 0, oldestAtMs: null },
    { lane: "openai-batch", live: 1, completed: 0, failed: 0, cancelled: 0, oldestAtMs: NOW - 30 * HOUR_MS },
    { lane: "waiting", live: 2, completed: 0, failed: 0, cancelled: 0, oldestAtMs: NOW - 2 * HOUR_MS },
  ]);
  expect(facts).toMatchObject({ withDeadline: 5, met: 1, missed: 2, running: 2, soon: 1, emulated: false, unpriced: 0, suspense: 0, unsettled: 0 });
});

test("an ended batch shows its lines as they were counted with its end, a running one as they stand", async () => {
  const batch = { ...owner, surface: "openai", endpoint: "/v1/embeddings", inputBlobKey: "in", completionWindow: "24h", createdAtMs: NOW, total: 2 };
  const lineCounts = JSON.stringify([{ state: "completed", lane: "pool", jobs: 2 }]);
  await orm(database.store.sql)
    .insert(table.batch)
    .values([
      { ...batch, id: "batch_1", state: "completed", endedAtMs: NOW, lineCounts },
      { ...batch, id: "batch_2", state: "in_progress" },
    ]);
  await job("completed", "openai", [-1, null, 0], "batch_2");
  await job("placed", "openai", [-1, null, null], "batch_2");
  const { batches } = await overview();
  expect(batches.map(({ id, completed, placed, lanes }) => ({ id, completed, placed, lanes }))).toEqual([
    { id: "batch_2", completed: 1, placed: 1, lanes: [{ lane: "openai", jobs: 2 }] },
    { id: "batch_1", completed: 2, placed: 0, lanes: [{ lane: "pool", jobs: 2 }] },
  ]);
});
