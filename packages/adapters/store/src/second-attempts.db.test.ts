import { newId } from "@slowboat/kernel";
import { seedTenant, type TestDatabase, type TestTenant, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  endAttempts,
  endJobs,
  extendHolds,
  insertAttempts,
  insertJobs,
  listBudgets,
  releaseEnded,
  reserveBudgets,
  saveBudget,
  settleHolds,
} from "./index.ts";

// A job may be charged for more than one attempt: a hedge beside the first, a retry after an outcome that nobody heard. Each is held for before it is sent.

const NOW = Date.parse("2026-11-28T09:00:00Z");
const AT = { nowMs: NOW, realMs: NOW };
const rng = testRng(11);

let database: TestDatabase;
let owner: TestTenant;
beforeEach(async () => {
  database = await testDatabase({ max: 44 });
  owner = await seedTenant(database.store);
});
afterEach(() => database.drop());

const budget = (amountNano: bigint, period: "total" | "day" = "total"): Promise<string> =>
  saveBudget(database.store.sql, {
    id: newId("budget", NOW, rng),
    tenantId: owner.tenantId,
    projectId: null,
    period,
    amountNano,
    hard: true,
    alertAt: null,
    callbackUrl: null,
    keyId: null,
    nowMs: NOW,
  });
const standing = async () => (await listBudgets(database.store.sql, { tenantId: owner.tenantId, nowMs: NOW }))[0];

/** Accepts a job of this rescue price with its first attempt being sent; `null` where it does not fit. */
async function accept(amountNano: bigint): Promise<{ jobId: string; first: string } | null> {
  const jobId = newId("job", NOW, rng);
  const fits = await database.store.begin(async (tx) => {
    const [refused] = await reserveBudgets(tx, [{ subjectId: jobId, ...owner, amountNano }], AT);
    if (refused) return false;
    await insertJobs(tx, [testJob({ id: jobId, ...owner, state: "placed" })]);
    return true;
  });
  return fits ? { jobId, first: await attempt(jobId, 1) } : null;
}

/** An attempt that is out. Its estimate says nothing of what it will come to. */
async function attempt(jobId: string, seq: number): Promise<string> {
  const id = newId("attempt", NOW, rng);
  const facts = { lane: "openai", account: "a", dispatchId: null, decision: "{}", pricesVersion: "v", emulated: true };
  const row = { id, jobId, tenantId: owner.tenantId, seq, state: "sending" as const, role: "try" as const, estimateNano: 1n, createdAtMs: NOW };
  await insertAttempts(database.store.sql, [{ ...row, ...facts }], NOW);
  return id;
}

/** Asks for another attempt as the planner does; the id of the one that was sent, or the reason. */
async function another(jobId: string, seq: number): Promise<{ id: string } | { why: string }> {
  const why = await database.store.begin(async (tx) => (await extendHolds(tx, [jobId], AT)).get(jobId));
  return why === undefined ? { id: await attempt(jobId, seq) } : { why };
}

const lost = (attemptId: string): Promise<unknown> =>
  endAttempts(database.store.sql, [{ attemptId, state: "unknown", code: "timeout", outcome: "unheard" }], NOW);

/** The answer of an attempt: it is paid, and its job has ended with it. */
const pay = (jobId: string, attemptId: string, nano: bigint): Promise<void> =>
  database.store.begin(async (tx) => {
    await tx`update attempt set state = 'settled' where id = ${attemptId}`;
    await endJobs(tx, [{ jobId, state: "completed", error: null }], NOW);
    await settleHolds(tx, { subjects: [jobId], paid: [{ jobId, attemptId, nano }] }, AT);
  });
const release = (realMs = NOW): Promise<number> => database.store.begin((tx) => releaseEnded(tx, { limit: 500 }, { nowMs: NOW, realMs }));

test("40 spenders whose attempts are hedged, lost, tried again and each charged to the last nano-dollar of their hold never pass a hard budget", async () => {
  const amount = 120_000n;
  await budget(amount);
  const counts = { hedged: 0, retried: 0, kept: 0 };
  let paid = 0n;
  const charged: { jobId: string; attemptId: string; nano: bigint }[] = [];
  const spend = async (seed: number): Promise<void> => {
    const dice = testRng(seed);
    for (let step = 0; step < 5; step++) {
      const hold = BigInt(500 + (dice.u32() % 1_500));
      const job = await accept(hold);
      if (job === null) {
        await release();
        continue;
      }
      const isRetry = dice.u32() % 2 === 0;
      if (isRetry) await lost(job.first);
      const second = await another(job.jobId, 2);
      if ("why" in second) counts.kept++;
      else if (isRetry) counts.retried++;
      else counts.hedged++;
      const last = "id" in second ? second.id : job.first;
      await pay(job.jobId, last, hold);
      paid += hold;
      // What is found again later was charged as much.
      if (last !== job.first) charged.push({ jobId: job.jobId, attemptId: job.first, nano: hold });
    }
  };
  await Promise.all(Array.from({ length: 40 }, (_, seed) => spend(seed + 1)));
  await Promise.all(charged.map(({ jobId, attemptId, nano }) => pay(jobId, attemptId, nano)));
  paid += charged.reduce((sum, { nano }) => sum + nano, 0n);
  while ((await release(NOW + 1e6)) > 0);
  // The budget was short enough to refuse some, and long enough for others.
  expect(Math.min(counts.hedged, counts.retried, counts.kept), JSON.stringify(counts)).toBeGreaterThan(0);
  const [worst] = await database.store.sql<{ most: bigint }[]>`select max(held_after_nano + spent_after_nano) as most from budget_entry`;
  expect(worst?.most).toBeLessThanOrEqual(amount);
  expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: paid });
  expect(await database.store.sql`select 1 from budget_open`).toHaveLength(0);
});

test("another attempt is held for once, however often it is asked for, and 40 that ask at once get only what fits", async () => {
  await budget(45_000n);
  const jobs = [];
  for (let n = 0; n < 40; n++) jobs.push(await accept(1_000n));
  const outcomes = await Promise.all(jobs.flatMap((job) => [1, 2].map(() => database.store.begin((tx) => extendHolds(tx, [job?.jobId ?? ""], AT)))));
  expect(await standing()).toMatchObject({ heldNano: 45_000n });
  expect(outcomes.filter((refused) => refused.size === 0)).toHaveLength(10);
  expect([...(outcomes.find((refused) => refused.size > 0)?.values() ?? [])][0]).toContain("total budget of tenant");
  expect(await database.store.sql`select 1 from budget_entry where kind = 'extend'`).toHaveLength(5);
});

test("what nothing is charged for any more needs no second hold, and what was charged for the last attempt is held for again", async () => {
  await budget(10_000n);
  const job = await accept(1_000n);
  await endAttempts(database.store.sql, [{ attemptId: job?.first ?? "", state: "void", code: "x", outcome: "refused" }], NOW);
  expect(await another(job?.jobId ?? "", 2)).toHaveProperty("id");
  expect(await standing()).toMatchObject({ heldNano: 1_000n });
  // An answer that does not stand is paid for while its job goes on.
  const second = (await database.store.sql<{ id: string }[]>`select id from attempt where seq = 2`)[0]?.id ?? "";
  await database.store.begin(async (tx) => {
    await tx`update attempt set state = 'settled' where id = ${second}`;
    await settleHolds(tx, { subjects: [job?.jobId ?? ""], paid: [{ jobId: job?.jobId ?? "", attemptId: second, nano: 300n }] }, AT);
  });
  expect(await standing()).toMatchObject({ heldNano: 700n, spentNano: 300n });
  expect(await another(job?.jobId ?? "", 3)).toHaveProperty("id");
  expect(await standing()).toMatchObject({ heldNano: 1_000n, spentNano: 300n });
});

test("a second attempt counts in the period of the first, and fits into every budget or is held in none", async () => {
  const wide = await budget(10_000n);
  await budget(1_500n, "day");
  const job = await accept(1_000n);
  const tomorrow = { nowMs: NOW + 86_400_000, realMs: NOW };
  const refused = await database.store.begin((tx) => extendHolds(tx, [job?.jobId ?? ""], tomorrow));
  expect(refused.get(job?.jobId ?? "")).toContain("daily budget of tenant");
  const rows = await database.store.sql<{ budget: string; held: bigint }[]>`
    select budget_id as budget, sum(held_nano)::int8 as held from budget_entry group by 1`;
  expect(rows.map((row) => row.held)).toEqual([1_000n, 1_000n]);
  expect(rows.some((row) => row.budget === wide)).toBe(true);
});
