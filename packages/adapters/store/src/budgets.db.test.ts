import { newId } from "@slowboat/kernel";
import { seedTenant, type TestDatabase, type TestTenant, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type BudgetSetting,
  type BudgetStanding,
  claimIdempotency,
  endAttempts,
  endJobs,
  insertAttempts,
  insertBatch,
  insertJobs,
  listBudgets,
  moveHolds,
  type NewAttempt,
  releaseEnded,
  reserveBudgets,
  type Sql,
  saveBudget,
  settleHolds,
} from "./index.ts";

const NOW = Date.parse("2026-11-28T09:00:00Z");
const AT = { nowMs: NOW, realMs: NOW };
const rng = testRng(7);

let database: TestDatabase;
let owner: TestTenant;
beforeEach(async () => {
  database = await testDatabase({ max: 44 });
  owner = await seedTenant(database.store);
});
afterEach(() => database.drop());

const set = (over: Partial<BudgetSetting> = {}): Promise<string> =>
  saveBudget(database.store.sql, {
    id: newId("budget", NOW, rng),
    tenantId: owner.tenantId,
    projectId: null,
    period: "total",
    amountNano: 1_000_000_000n,
    hard: true,
    alertAt: null,
    callbackUrl: null,
    keyId: null,
    nowMs: NOW,
    ...over,
  });

const standing = async (nowMs = NOW): Promise<BudgetStanding> => {
  const [budget] = await listBudgets(database.store.sql, { tenantId: owner.tenantId, nowMs });
  if (budget === undefined) throw new Error("there is a budget");
  return budget;
};

/** The balance by the rows alone. */
const fold = async (): Promise<{ held: bigint; spent: bigint }> => {
  const [row] = await database.store.sql<{ held: bigint; spent: bigint }[]>`
    select coalesce(sum(held_nano), 0)::int8 as held, coalesce(sum(spent_nano), 0)::int8 as spent from budget_entry`;
  return { held: row?.held ?? -1n, spent: row?.spent ?? -1n };
};

/** Accepts a job of this rescue price as intake does; returns its id, or the refusal's code. */
const accept = (amountNano: bigint, id = newId("job", NOW, rng)): Promise<string> =>
  database.store.begin(async (tx) => {
    const [refused] = await reserveBudgets(tx, [{ subjectId: id, ...owner, amountNano }], AT);
    if (refused) return refused.code;
    await insertJobs(tx, [testJob({ id, ...owner, state: "placed" })]);
    return id;
  });

async function attempt(jobId: string, seq: number, state: NewAttempt["state"], estimateNano: bigint): Promise<string> {
  const id = newId("attempt", NOW, rng);
  const facts = { lane: "openai", account: "a", dispatchId: null, role: "try" as const, decision: "{}", pricesVersion: "v", emulated: true };
  await insertAttempts(database.store.sql, [{ id, jobId, tenantId: owner.tenantId, seq, state, estimateNano, createdAtMs: NOW, ...facts }], NOW);
  return id;
}

const end = (jobId: string, state: "completed" | "cancelled" = "cancelled"): Promise<unknown> =>
  endJobs(database.store.sql, [{ jobId, state, error: null }], NOW);
const release = (realMs = NOW): Promise<number> => database.store.begin((tx) => releaseEnded(tx, { limit: 500 }, { nowMs: NOW, realMs }));
const settle = (tx: Sql, jobId: string, attemptId: string, nano: bigint): Promise<void> =>
  settleHolds(tx, { subjects: [jobId], paid: [{ jobId, attemptId, nano }] }, AT);

describe("a hard budget under concurrent spenders", () => {
  test("of one dollar holds exactly 111 reservations of 0.9 cents for 40 clients that repeat their keys, to the nano-dollar", async () => {
    await set();
    const ids = Array.from({ length: 200 }, () => newId("job", NOW, rng));
    // Every client asks for every job: what one has accepted is a repeated key for all others.
    const client = async (start: number): Promise<number> => {
      let accepted = 0;
      for (let step = 0; step < ids.length / 5; step++) {
        const id = ids[(start * 5 + step) % ids.length] ?? "";
        const outcome = await database.store.begin(async (tx) => {
          const claim = { tenantId: owner.tenantId, route: "r", key: id, fingerprint: "f", responseId: `${id}-${start}-${step}`, nowMs: NOW };
          const [first] = await claimIdempotency(tx, [claim], 1e9);
          if (first?.responseId !== claim.responseId) return "repeated";
          const [refused] = await reserveBudgets(tx, [{ subjectId: id, ...owner, amountNano: 9_000_000n }], AT);
          return refused?.code ?? "accepted";
        });
        if (outcome === "accepted") accepted++;
      }
      return accepted;
    };
    const counts = await Promise.all(Array.from({ length: 40 }, (_, start) => client(start)));
    expect(counts.reduce((a, b) => a + b, 0)).toBe(111);
    expect(await fold()).toEqual({ held: 999_000_000n, spent: 0n });
    expect(await standing()).toMatchObject({ heldNano: 999_000_000n, spentNano: 0n });
    expect(await accept(1_000_001n)).toBe("budget-exceeded");
    expect(await accept(1_000_000n)).toMatch(/^job_/);
  });

  test("that accept, settle and cancel at once is never passed, and everything given back folds to what was paid", async () => {
    await set({ amountNano: 50_000n });
    let paid = 0n;
    const spend = async (seed: number): Promise<void> => {
      const dice = testRng(seed);
      for (let step = 0; step < 8; step++) {
        const jobId = await accept(BigInt(1_000 + (dice.u32() % 2_000)));
        if (!jobId.startsWith("job_")) {
          await release();
          continue;
        }
        const attemptId = await attempt(jobId, 1, "sending", 900n);
        if (dice.u32() % 3 === 0) {
          await endAttempts(database.store.sql, [{ attemptId, state: "void", code: "x", outcome: "unsent" }], NOW);
          await end(jobId);
          continue;
        }
        const nano = BigInt(dice.u32() % 1_000);
        await database.store.begin(async (tx) => {
          await tx`update attempt set state = 'settled' where id = ${attemptId}`;
          await endJobs(tx, [{ jobId, state: "completed", error: null }], NOW);
          await settle(tx, jobId, attemptId, nano);
        });
        paid += nano;
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, seed) => spend(seed + 1)));
    while ((await release()) > 0);
    expect(await fold()).toEqual({ held: 0n, spent: paid });
    const [worst] = await database.store.sql<{ most: bigint }[]>`select max(held_after_nano + spent_after_nano) as most from budget_entry`;
    expect(worst?.most).toBeLessThanOrEqual(50_000n);
    expect(await database.store.sql`select 1 from budget_open`).toHaveLength(0);
  });
});

describe("what is held", () => {
  test("becomes what was paid at settlement, once, however often it is settled and by however many", async () => {
    await set();
    const jobId = await accept(10_000n);
    const attemptId = await attempt(jobId, 1, "sending", 5_000n);
    await database.store.sql`update attempt set state = 'settled' where id = ${attemptId}`;
    await end(jobId, "completed");
    await Promise.all(Array.from({ length: 10 }, () => database.store.begin((tx) => settle(tx, jobId, attemptId, 1_234n))));
    expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: 1_234n });
    expect(await database.store.sql`select 1 from budget_entry where kind = 'settle'`).toHaveLength(1);
  });

  test("is given back when its job ends without a payment, by the sweep alone", async () => {
    await set();
    const jobId = await accept(10_000n);
    expect(await release()).toBe(0);
    await end(jobId);
    expect(await release()).toBe(1);
    expect(await fold()).toEqual({ held: 0n, spent: 0n });
    expect(await release()).toBe(0);
  });

  test("stays for an outcome that nobody heard until that is known, beside what was paid", async () => {
    await set();
    const jobId = await accept(10_000n);
    const lost = await attempt(jobId, 1, "sending", 3_000n);
    await endAttempts(database.store.sql, [{ attemptId: lost, state: "unknown", code: "timeout", outcome: "unheard" }], NOW);
    const second = await attempt(jobId, 2, "sending", 3_000n);
    await database.store.sql`update attempt set state = 'settled' where id = ${second}`;
    await end(jobId, "completed");
    await database.store.begin((tx) => settle(tx, jobId, second, 2_000n));
    // As much as was held for one attempt, less than which nobody can be sure of.
    expect(await standing()).toMatchObject({ heldNano: 8_000n, spentNano: 2_000n });
    expect(await release()).toBe(0);
    expect(await release(NOW + 60_000)).toBe(1);
    expect(await standing()).toMatchObject({ heldNano: 8_000n });
    // The answer comes after all, and is waste.
    await database.store.sql`update attempt set state = 'settled' where id = ${lost}`;
    await database.store.begin((tx) => settle(tx, jobId, lost, 2_500n));
    expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: 4_500n });
    expect(await database.store.sql`select 1 from budget_open`).toHaveLength(0);
  });

  test("counts in the period in which it was accepted, and the next one begins anew", async () => {
    await set({ period: "day", amountNano: 10_000n });
    const jobId = await accept(10_000n);
    expect(await accept(1n)).toBe("budget-exceeded");
    const tomorrow = NOW + 86_400_000;
    const next = newId("job", tomorrow, rng);
    const [refused] = await database.store.begin((tx) =>
      reserveBudgets(tx, [{ subjectId: next, ...owner, amountNano: 10_000n }], { nowMs: tomorrow, realMs: tomorrow }),
    );
    expect(refused).toBeNull();
    await end(jobId);
    await database.store.begin((tx) =>
      settleHolds(tx, { subjects: [jobId], paid: [{ jobId, attemptId: "att", nano: 7n }] }, { nowMs: tomorrow, realMs: 0 }),
    );
    expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: 7n });
    expect(await standing(tomorrow)).toMatchObject({ heldNano: 10_000n, spentNano: 0n });
  });
});

test("a batch is held for as a whole, its lines take their parts, and what is left of a cancelled one comes back", async () => {
  await set({ amountNano: 1_000n });
  const batchId = newId("batch", NOW, rng);
  const facts = { surface: "openai" as const, endpoint: "/v1/embeddings", inputBlobKey: "b", completionWindow: "24h" };
  await insertBatch(database.store.sql, {
    id: batchId,
    ...owner,
    ...facts,
    state: "validating",
    deadlineAtMs: null,
    lanesAllow: null,
    lanesDeny: null,
    reuseMode: "auto",
    callbackUrl: null,
    metadata: null,
    createdAtMs: NOW,
  });
  const hold = (): Promise<unknown[]> => database.store.begin((tx) => reserveBudgets(tx, [{ subjectId: batchId, ...owner, amountNano: 900n }], AT));
  expect(await hold()).toEqual([null]);
  expect(await hold()).toEqual([null]);
  const jobId = newId("job", NOW, rng);
  await database.store.begin(async (tx) => {
    await insertJobs(tx, [testJob({ id: jobId, ...owner, batchId, lineNo: 1 })]);
    await moveHolds(tx, { batchId, lines: [{ jobId, amountNano: 300n }] }, AT);
  });
  expect(await standing()).toMatchObject({ heldNano: 900n });
  await database.store.sql`update batch set state = 'cancelling' where id = ${batchId}`;
  await database.store.sql`update budget_open set look_real_ms = 0 where subject_id = ${batchId}`;
  await release();
  expect(await standing()).toMatchObject({ heldNano: 300n });
  await end(jobId);
  await release();
  expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: 0n });
});

test("the alert share is told once a period, signed for the key that the budget names", async () => {
  const id = await set({ amountNano: 1_000n, alertAt: 0.8, callbackUrl: "https://example.com/hook", keyId: owner.keyId });
  await accept(799n);
  expect((await standing()).alertedAtMs).toBeNull();
  await accept(1n);
  await accept(100n);
  expect(await standing()).toMatchObject({ alertedAtMs: NOW });
  const events = await database.store.sql<{ key_id: string; type: string; payload: string }[]>`select key_id, type, payload from webhook_event`;
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ key_id: owner.keyId, type: "budget.alert" });
  expect(JSON.parse(events[0]?.payload ?? "").data).toMatchObject({ id, period: "total", used_usd: "0.0000008", amount_usd: "0.000001" });
});

test("another tenant's budget neither counts nor is counted", async () => {
  await set({ amountNano: 10n });
  const other = await seedTenant(database.store);
  const [free] = await database.store.begin((tx) => reserveBudgets(tx, [{ subjectId: newId("job", NOW, rng), ...other, amountNano: 1_000n }], AT));
  expect(free).toBeNull();
  expect(await listBudgets(database.store.sql, { tenantId: other.tenantId, nowMs: NOW })).toEqual([]);
  expect(await fold()).toEqual({ held: 0n, spent: 0n });
});

test("the books take no change, and no entry that does not go on from the last", async () => {
  const budgetId = await set();
  await accept(10n);
  const { sql } = database.store;
  await expect(sql`update budget_entry set held_nano = 0`).rejects.toThrow("append-only");
  await expect(sql`delete from budget_entry`).rejects.toThrow("append-only");
  const row = (held: string, after: string) => sql`
    insert into budget_entry (budget_id, period, seq, kind, subject_id, held_nano, spent_nano, held_after_nano, spent_after_nano, at_ms)
    values (${budgetId}, 'total', 2, 'reserve', 'j', ${held}::int8, 0, ${after}::int8, 0, 0)`;
  await expect(row("5", "5")).rejects.toThrow("do not go on");
  await expect(row("2000000000", "2000000010")).rejects.toThrow("has no room");
  await row("5", "15");
});
