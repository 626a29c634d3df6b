import { newId } from "@slowboat/kernel";
import {
  endJobs,
  insertAttempts,
  insertJobs,
  listBudgets,
  listSuspense,
  orm,
  readSuspended,
  reserveBudgets,
  type SuspendedAttempt,
  saveAnswers,
  saveBudget,
  table,
} from "@slowboat/store";
import { seedTenant, type TestDatabase, type TestTenant, testClock, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clearSuspense, postSettlements, reconcile } from "./index.ts";

const clock = testClock();
const rng = testRng(7);
const WINDOW = { fromMs: 1_000, toMs: 9_000 };
let database: TestDatabase;
let owner: TestTenant;

beforeEach(async () => {
  database = await testDatabase();
  owner = await seedTenant(database.store);
});
afterEach(() => database.drop());

interface Shape {
  readonly state: string;
  readonly sentAtMs?: number;
  /** State of the provider batch that it is a line of. */
  readonly batch?: "submitted" | "done" | "lost";
  readonly status?: number;
  /** What the ledger owes for it. */
  readonly owed?: bigint;
}

/** Writes an attempt as it stands after its life so far; returns its id. */
async function attempt(shape: Shape): Promise<string> {
  const { sql } = database.store;
  const jobId = newId("job", clock.job(), rng);
  const id = newId("attempt", clock.job(), rng);
  await insertJobs(sql, [testJob({ id: jobId, ...owner })]);
  const dispatchId = shape.batch === undefined ? null : newId("dispatch", clock.job(), rng);
  if (dispatchId !== null && shape.batch !== undefined)
    await orm(sql).insert(table.dispatch).values({
      id: dispatchId,
      lane: "openai-batch",
      account: "a",
      endpoint: "/v1/chat/completions",
      model: "m",
      state: shape.batch,
      jobs: 1,
      emulated: true,
      providerRef: "batch_abc",
      enqueuedRealMs: 1,
      createdAtMs: 1,
    });
  const row = {
    id,
    jobId,
    tenantId: owner.tenantId,
    seq: 1,
    lane: dispatchId === null ? "openai" : "openai-batch",
    account: "a",
    dispatchId,
    state: "intent" as const,
    role: "try",
    decision: "{}",
    estimateNano: 900n,
    pricesVersion: "v1",
    emulated: true,
    createdAtMs: 1,
  };
  await insertAttempts(sql, [row], 1);
  await sql`update attempt set state = ${shape.state}, sent_at_ms = ${shape.sentAtMs ?? 2_000}, status_code = ${shape.status ?? null} where id = ${id}`;
  if (shape.owed !== undefined) {
    const entries = [
      { account: "list" as const, amountNano: -shape.owed },
      { account: "payable.openai" as const, amountNano: shape.owed },
    ];
    const settlement = { priced: true as const, entries, waterfall: { listNano: shape.owed, lines: [], paidNano: shape.owed }, estimated: false };
    const facts = { kind: "settle" as const, tenantId: owner.tenantId, jobId, attemptId: id, lane: "openai", model: "m", pricesVersion: "v1" };
    await postSettlements(sql, [{ ...facts, emulated: true, settlement }], 2_000);
  }
  return id;
}

const stateOf = async (id: string): Promise<string | undefined> =>
  (await database.store.sql<{ state: string }[]>`select state from attempt where id = ${id}`)[0]?.state;
const sums = async (): Promise<Record<string, bigint>> => {
  const rows = await database.store.sql<{ account: string; sum: bigint }[]>`
    select account, sum(amount_nano)::int8 as sum from ledger_entry group by account`;
  return Object.fromEntries(rows.map(({ account, sum }) => [account, sum]));
};
const suspended = async (id: string) => {
  const found = await readSuspended(database.store.sql, id);
  if (found === null) throw new Error(`${id} is in suspense`);
  return found;
};

test("a charge out of suspense is in the ledger once, as waste, and the attempt is in suspense no more", async () => {
  const id = await attempt({ state: "unknown" });
  const clearing = { attempt: await suspended(id), outcome: "charged" as const, amountNano: 777n, evidence: "invoice 11" };
  expect(await database.store.begin((tx) => clearSuspense(tx, [clearing], { nowMs: 5_000, realMs: 5_000 }))).toEqual([id]);
  expect(await database.store.begin((tx) => clearSuspense(tx, [clearing], { nowMs: 6_000, realMs: 6_000 }))).toEqual([]);
  expect(await sums()).toEqual({ "payable.openai": 777n, waste: -777n });
  expect(await stateOf(id)).toBe("settled");
  expect(await listSuspense(database.store.sql, { tenantId: null, after: "", limit: 10 })).toEqual([]);
  expect(await orm(database.store.sql).select().from(table.suspenseClearing)).toMatchObject([
    { outcome: "charged", amountNano: 777n, evidence: "invoice 11" },
  ]);
});

test("what was not charged leaves suspense without a posting, and an answer that comes later is not taken for it", async () => {
  const id = await attempt({ state: "unknown" });
  const clearing = { attempt: await suspended(id), outcome: "not-charged" as const, amountNano: 0n, evidence: "not on invoice 11" };
  await database.store.begin((tx) => clearSuspense(tx, [clearing], { nowMs: 5_000, realMs: 5_000 }));
  expect(await sums()).toEqual({});
  expect(await stateOf(id)).toBe("void");
  const answer = { attemptId: id, statusCode: 200, body: "{}", requestId: null, errorCode: null };
  expect(await saveAnswers(database.store.sql, [answer], { nowMs: 1, realMs: 1 })).toEqual([]);
});

test("a line whose provider batch is still looked for stays in suspense", async () => {
  const id = await attempt({ state: "unknown", batch: "submitted" });
  const clearing = { attempt: await suspended(id), outcome: "not-charged" as const, amountNano: 0n, evidence: "x" };
  await expect(database.store.begin((tx) => clearSuspense(tx, [clearing], { nowMs: 5_000, realMs: 5_000 }))).rejects.toThrow("still looked for");
  expect(await stateOf(id)).toBe("unknown");
});

test("an answer that arrived while the operator read wins over the clearing, and nothing is posted twice", async () => {
  const id = await attempt({ state: "unknown", batch: "lost" });
  const clearing = { attempt: await suspended(id), outcome: "charged" as const, amountNano: 5n, evidence: "x" };
  const answer = { attemptId: id, statusCode: 200, body: "{}", requestId: null, errorCode: null };
  expect(await saveAnswers(database.store.sql, [answer], { nowMs: 1, realMs: 1 })).toEqual([id]);
  expect(await database.store.begin((tx) => clearSuspense(tx, [clearing], { nowMs: 5_000, realMs: 5_000 }))).toEqual([]);
  expect(await sums()).toEqual({});
});

test("a bill is held against every attempt of its time: equal, different, in suspense, pending, and billed to nobody", async () => {
  const equal = await attempt({ state: "settled", status: 200, owed: 100n });
  const dearer = await attempt({ state: "settled", status: 200, owed: 100n });
  const twice = await attempt({ state: "settled", status: 200, owed: 100n });
  const unbilled = await attempt({ state: "settled", status: 200, owed: 100n });
  const ghost = await attempt({ state: "void" });
  const charged = await attempt({ state: "unknown" });
  const free = await attempt({ state: "unknown", batch: "done" });
  const sought = await attempt({ state: "unknown", batch: "submitted" });
  await attempt({ state: "sending" });
  await attempt({ state: "void" });
  const later = await attempt({ state: "settled", status: 200, owed: 100n, sentAtMs: 9_000 });
  const bill = new Map([
    [equal, [100n]],
    [dearer, [101n]],
    [twice, [50n, 50n]],
    [ghost, [7n]],
    [charged, [42n]],
    [later, [100n]],
    ["att_of_somebody_else", [1n]],
  ]);
  const found = await reconcile(database.store.sql, bill, WINDOW);
  expect(found).toMatchObject({ matched: 1, matchedNano: 100n, pending: 1, sought: 1, strangers: ["att_of_somebody_else"] });
  expect(Object.fromEntries(found.differences.map(({ attemptId, why }) => [attemptId, why]))).toEqual({
    [dearer]: "billed with another amount",
    [twice]: "billed more than once",
    [unbilled]: "booked and not billed",
    [ghost]: "billed without an answer",
  });
  expect(found.charged.map(({ attempt, amountNano }) => [attempt.attemptId, amountNano])).toEqual([[charged, 42n]]);
  expect(found.notCharged.map(({ attemptId }) => attemptId)).toEqual([free]);
  expect(found.notCharged.map(({ attemptId }) => attemptId)).not.toContain(sought);
});

test("after a bill was applied, the same bill matches what it cleared", async () => {
  const id = await attempt({ state: "unknown" });
  const bill = new Map([[id, [42n]]]);
  const first = await reconcile(database.store.sql, bill, WINDOW);
  const clearings = first.charged.map(({ attempt, amountNano }) => ({ attempt, outcome: "charged" as const, amountNano, evidence: "bill" }));
  await database.store.begin((tx) => clearSuspense(tx, clearings, { nowMs: 5_000, realMs: 5_000 }));
  expect(await reconcile(database.store.sql, bill, WINDOW)).toMatchObject({
    matched: 1,
    matchedNano: 42n,
    differences: [],
    charged: [],
    notCharged: [],
  });
});

test("what a budget held for an attempt in suspense is spent by a charge and given back without one", async () => {
  const { sql } = database.store;
  const at = { nowMs: 5_000, realMs: 5_000 };
  const budget = { id: newId("budget", 1, rng), tenantId: owner.tenantId, projectId: null, period: "total" as const, amountNano: 10_000n };
  await saveBudget(sql, { ...budget, hard: true, alertAt: null, callbackUrl: null, keyId: null, nowMs: 1 });
  const ids = [await attempt({ state: "unknown" }), await attempt({ state: "unknown" })];
  const held = await Promise.all(ids.map(suspended));
  await database.store.begin((tx) =>
    reserveBudgets(
      tx,
      held.map(({ jobId }) => ({ subjectId: jobId, ...owner, amountNano: 900n })),
      at,
    ),
  );
  await endJobs(
    sql,
    held.map(({ jobId }) => ({ jobId, state: "failed" as const, error: "{}" })),
    5_000,
  );
  const clearings = [
    { attempt: held[0] as SuspendedAttempt, outcome: "charged" as const, amountNano: 777n, evidence: "x" },
    { attempt: held[1] as SuspendedAttempt, outcome: "not-charged" as const, amountNano: 0n, evidence: "x" },
  ];
  await database.store.begin((tx) => clearSuspense(tx, clearings, at));
  expect(await listBudgets(sql, { tenantId: owner.tenantId, nowMs: 5_000 })).toMatchObject([{ heldNano: 0n, spentNano: 777n }]);
});
