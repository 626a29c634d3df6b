import { randomBytes } from "node:crypto";
import type { LaneId } from "@slowboat/contract";
import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES, waterfallOf } from "@slowboat/pricing";
import { createLogger } from "@slowboat/runtime";
import {
  claimAnswered,
  endBatch,
  endJobs,
  insertAttempts,
  insertJobs,
  listBudgets,
  type NewAttempt,
  type NewJob,
  openRouteDesk,
  orm,
  readJobReceipt,
  reserveBudgets,
  saveAnswers,
  saveBudget,
  table,
} from "@slowboat/store";
import { seedTenant, type TestDatabase, testClock, testDatabase, testJob, testQueue, testRng, until } from "@slowboat/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { releaseChunk, type SettleDeps, settleChunk } from "./settle.ts";
import { answer, messageAnswer } from "./testing/answers.ts";

const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");
let database: TestDatabase;
let deps: SettleDeps;
let owner: { tenantId: string; keyId: string };
const rng = testRng(11);
const clock = testClock(Date.parse("2026-11-25T22:00:00Z"));

beforeAll(async () => {
  database = await testDatabase();
  const seeded = await seedTenant(database.store);
  owner = { tenantId: seeded.tenantId, keyId: seeded.keyId };
  deps = {
    store: database.store,
    queue: await testQueue(database),
    book,
    clock,
    rng,
    logger,
    routes: openRouteDesk(database.store.sql, () => clock.real()),
  };
});
afterAll(async () => {
  await deps.queue.close();
  await database.drop();
});

const job = (over: Partial<NewJob> = {}): NewJob =>
  testJob({
    id: newId("job", clock.job(), rng),
    ...owner,
    model: "gpt-5-mini",
    baselineModel: "gpt-5-mini",
    state: "placed",
    acceptedAtMs: clock.job(),
    ...over,
  });

/** An attempt of the job that has answered with this body. */
async function answered(jobId: string, seq: number, lane: LaneId, body: string, statusCode = 200, over: Partial<NewAttempt> = {}): Promise<string> {
  const id = newId("attempt", clock.job(), rng);
  const sql = database.store.sql;
  await insertAttempts(
    sql,
    [
      {
        id,
        jobId,
        tenantId: owner.tenantId,
        seq,
        lane,
        account: "a",
        dispatchId: null,
        role: "try",
        decision: "{}",
        estimateNano: null,
        pricesVersion: book.version,
        emulated: true,
        createdAtMs: clock.job(),
        state: "sending",
        ...over,
      },
    ],
    clock.real(),
  );
  await saveAnswers(sql, [{ attemptId: id, statusCode, body, requestId: "r", errorCode: null }], { nowMs: clock.job(), realMs: clock.real() });
  await sql`update job set attempt_id = ${id} where id = ${jobId}`;
  return id;
}

const ledgerOf = async (jobId: string) =>
  await database.store.sql<{ account: never; amountNano: bigint }[]>`
    select e.account, e.amount_nano as "amountNano" from ledger_entry e join ledger_txn t on t.id = e.txn_id where t.job_id = ${jobId}`;

test("settling twice, and from several workers at once, posts an answer once", async () => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai-batch", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await Promise.all([settleChunk(deps), settleChunk(deps), settleChunk(deps)]);
  expect(await settleChunk(deps)).toEqual({ attempts: 0, more: false });
  const entries = await ledgerOf(one.id);
  expect(Object.fromEntries(entries.map((e) => [e.account, e.amountNano]))).toEqual({
    list: -450_000n,
    "saving.batch": 225_000n,
    "payable.openai": 225_000n,
  });
  const [row] = await database.store.sql<{ state: string }[]>`select state from job where id = ${one.id}`;
  expect(row?.state).toBe("completed");
});

test("a cheap answer that does not stand is paid as waste, and its job is asked again of the baseline", async () => {
  const route = { alias: "a", version: 1, baseline: "gpt-5.5", first: "gpt-5-mini", mode: "cascade", why: "", reasons: [], expectedLoss: 0 };
  const stored = JSON.stringify({ ...route, prompt: { chars: 3, numbers: [], wantsJson: true, schema: null } });
  const chain = JSON.stringify([{ model: "gpt-5-mini", provider: "openai", endpoint: "/v1/chat/completions" }]);
  const one = job({ model: "gpt-5.5", baselineModel: "gpt-5.5", route: stored, fallbacks: chain });
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai-batch", answer({ prompt: 1000, cached: 0, output: 100 }, "default"), 200, { model: "gpt-5-mini" });
  while ((await settleChunk(deps)).attempts > 0);
  const [after] = await database.store.sql<
    { state: string; route: string; fallbacks: string | null }[]
  >`select state, route, fallbacks from job where id = ${one.id}`;
  expect(after).toMatchObject({ state: "accepted", fallbacks: null });
  expect(JSON.parse(after?.route ?? "{}")).toMatchObject({ mode: "escalated", first: null, verdict: expect.stringContaining("not the JSON") });
  expect(Object.fromEntries((await ledgerOf(one.id)).map((e) => [e.account, e.amountNano]))).toEqual({
    waste: -225_000n,
    "payable.openai": 225_000n,
  });
  await database.store.sql`update job set state = 'placed' where id = ${one.id}`;
  await answered(one.id, 2, "openai-batch", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  while ((await settleChunk(deps)).attempts > 0);
  const fold = waterfallOf(await ledgerOf(one.id));
  expect(fold.lines.map(({ account }) => account).sort()).toEqual(["saving.batch", "waste"]);
  const [ended] = await database.store.sql<{ state: string }[]>`select state from job where id = ${one.id}`;
  expect(ended?.state).toBe("completed");
});

test("the second answer of a hedged job is kept as waste and the first as the result", async () => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai-batch", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await answered(one.id, 2, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  while ((await settleChunk(deps)).attempts > 0);
  const fold = waterfallOf(await ledgerOf(one.id));
  expect(fold.paidNano).toBe(225_000n + 450_000n);
  expect(fold.lines.find((line) => line.account === "waste")?.amountNano).toBeLessThan(0n);
  const results = await database.store.sql`select 1 from result where job_id = ${one.id}`;
  expect(results).toHaveLength(1);
});

test("an answer without readable usage completes its job and shows as unpriced, never as free", async () => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai", '{"id":"x","choices":[]}');
  await settleChunk(deps);
  const [txn] = await database.store.sql<{ priced: boolean }[]>`select priced from ledger_txn where job_id = ${one.id}`;
  expect(txn?.priced).toBe(false);
  expect(await ledgerOf(one.id)).toHaveLength(0);
});

test("a cancelled job is superseded by the answer that was paid for", async () => {
  const one = job({ state: "cancelled" });
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai", answer({ prompt: 10, cached: 0, output: 1 }, "default"));
  await settleChunk(deps);
  const [row] = await database.store.sql<{ state: string }[]>`select state from job where id = ${one.id}`;
  expect(row?.state).toBe("completed");
});

/** A batch of ours in this state. */
async function batchIn(state: string): Promise<string> {
  const id = newId("batch", clock.job(), rng);
  const rest = { surface: "openai", endpoint: "/v1/chat/completions", inputBlobKey: "in", completionWindow: "24h", createdAtMs: clock.job() };
  await orm(database.store.sql)
    .insert(table.batch)
    .values({ id, ...owner, ...rest, state, total: 1 });
  return id;
}

const lineIn = async (state: string): Promise<NewJob> => {
  const line = job({ state: "cancelled", batchId: await batchIn(state), lineNo: 1, surface: "openai", endedAtMs: clock.job() });
  await insertJobs(database.store.sql, [line]);
  return line;
};

const stateOf = async (jobId: string): Promise<string | undefined> =>
  (await database.store.sql<{ state: string }[]>`select state from job where id = ${jobId}`)[0]?.state;

test("an answer to a cancelled line supersedes the cancel while its batch is cancelling", async () => {
  const line = await lineIn("cancelling");
  await answered(line.id, 1, "openai", answer({ prompt: 10, cached: 0, output: 1 }, "default"));
  await settleChunk(deps);
  expect(await stateOf(line.id)).toBe("completed");
});

test("an answer to a cancelled line is waste once its batch has ended: what was told of the batch stays true, and what was paid is posted", async () => {
  const line = await lineIn("cancelled");
  await answered(line.id, 1, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await settleChunk(deps);
  expect(await stateOf(line.id)).toBe("cancelled");
  expect(await database.store.sql`select 1 from result where job_id = ${line.id}`).toHaveLength(0);
  const fold = waterfallOf(await ledgerOf(line.id));
  expect(fold.paidNano).toBe(450_000n);
  expect(fold.lines.find((one) => one.account === "waste")?.amountNano).toBe(-450_000n);
});

test("a cancelled batch does not end while one of its answers is being settled", async () => {
  const line = await lineIn("cancelling");
  const attemptId = await answered(line.id, 1, "openai", answer({ prompt: 10, cached: 0, output: 1 }, "default"));
  const ending = { batchId: line.batchId ?? "", to: "cancelled" as const, outputFileId: null, errorFileId: null, nowMs: clock.job() };
  const written = { completed: 0, others: 1 };
  const claimed = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const settling = database.store.begin(async (tx) => {
    await claimAnswered(tx, { limit: 10, maxBytes: 1000 });
    claimed.resolve();
    await go.promise;
    await tx`update attempt set state = 'settled' where id = ${attemptId}`;
    await tx`update job set state = 'completed' where id = ${line.id}`;
  });
  await claimed.promise;
  const ended = database.store.begin((tx) => endBatch(tx, { ...ending, written }));
  const { sql } = database.store;
  await until(async () => (await sql`select 1 from pg_locks where not granted`).length > 0, "the end waits for the settlement");
  go.resolve();
  await settling;
  expect(await ended).toBe("changed");
  expect(await database.store.begin((tx) => endBatch(tx, { ...ending, written: { completed: 1, others: 0 } }))).toBe("ended");
});

test("a refusal of a cancelled job leaves it cancelled, without a result", async () => {
  const one = job({ state: "cancelled" });
  await insertJobs(database.store.sql, [one]);
  const id = await answered(one.id, 1, "openai", '{"error":{"message":"no","type":"invalid_request_error"}}', 400);
  await settleChunk(deps);
  expect(await stateOf(one.id)).toBe("cancelled");
  expect(await database.store.sql`select 1 from result where job_id = ${one.id}`).toHaveLength(0);
  expect((await database.store.sql<{ state: string }[]>`select state from attempt where id = ${id}`)[0]?.state).toBe("settled");
});

test("an answer that comes after its job's content was forgotten is posted and not kept", async () => {
  const one = job({ state: "completed", body: null, endedAtMs: clock.job() });
  await insertJobs(database.store.sql, [one]);
  const id = await answered(one.id, 1, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await settleChunk(deps);
  expect((await database.store.sql<{ answer: string | null }[]>`select answer from attempt where id = ${id}`)[0]?.answer).toBeNull();
  expect(waterfallOf(await ledgerOf(one.id)).paidNano).toBe(450_000n);
});

test.each([
  ["stop", true],
  ["length", false],
  ["content_filter", false],
] as const)("an answer that ended by %s is kept for reuse: %s", async (finish, kept) => {
  const one = job({ reuseKey: randomBytes(32) });
  await insertJobs(database.store.sql, [one]);
  const body = answer({ prompt: 10, cached: 0, output: 1 }, "default").replace('"finish_reason":"stop"', `"finish_reason":"${finish}"`);
  await answered(one.id, 1, "openai", body);
  await settleChunk(deps);
  expect(await stateOf(one.id)).toBe("completed");
  expect(await database.store.sql`select 1 from reuse_entry where job_id = ${one.id}`).toHaveLength(kept ? 1 : 0);
});

const byAccount = async (jobId: string) => Object.fromEntries((await ledgerOf(jobId)).map((entry) => [entry.account, entry.amountNano]));

test.each([
  ["openai-flex", "flex", { "saving.flex": 225_000n, "payable.openai": 225_000n }],
  ["openai-flex", "default", { "payable.openai": 450_000n }],
  ["openai", "default", { "payable.openai": 450_000n }],
  ["openai", "priority", { "payable.openai": 810_000n }],
  ["openai-batch", "default", { "saving.batch": 225_000n, "payable.openai": 225_000n }],
] as const)("the tier billed on %s is the tier answered, %s; only a provider's batch is billed as what it is", async (lane, tier, expected) => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  const id = await answered(one.id, 1, lane, answer({ prompt: 1000, cached: 0, output: 100 }, tier));
  await settleChunk(deps);
  const { list, ...rest } = await byAccount(one.id);
  expect(rest).toEqual(expected);
  expect(-(list ?? 0n)).toBe(tier === "priority" ? 810_000n : 450_000n);
  const [row] = await database.store.sql<{ tier: string }[]>`select tier from attempt where id = ${id}`;
  expect(row?.tier).toBe(lane === "openai-batch" ? "batch" : tier === "default" ? "standard" : tier);
});

/** An answer of the messages API; its input counts only what was not cached. */
const STAND_IN = { model: "claude-haiku-4-5", endpoint: "/v1/messages" };

test("a model that stood in is paid at its own price, out of its provider's own counts, against the price of the model that was asked for", async () => {
  const one = job({ reuseKey: randomBytes(32) });
  await insertJobs(database.store.sql, [one]);
  const usage = { input_tokens: 600, cache_read_input_tokens: 400, output_tokens: 100, service_tier: "standard" };
  await answered(one.id, 1, "anthropic", messageAnswer(usage), 200, STAND_IN);
  await settleChunk(deps);
  // 600 at 1, 400 at 0.1 and 100 at 5 dollars a million; the list: 1,000 at 0.25 and 100 at 2.
  expect(await byAccount(one.id)).toEqual({
    list: -450_000n,
    "saving.routing": 450_000n - 1_500_000n,
    "saving.prompt-cache": 360_000n,
    "payable.anthropic": 1_140_000n,
  });
  expect(waterfallOf(await ledgerOf(one.id)).paidNano).toBe(1_140_000n);
  const [txn] = await database.store.sql<{ model: string; lane: string }[]>`select model, lane from ledger_txn where job_id = ${one.id}`;
  expect(txn).toEqual({ model: "claude-haiku-4-5", lane: "anthropic" });
  // It was not what was asked: nobody else is given it.
  expect(await database.store.sql`select 1 from reuse_entry where job_id = ${one.id}`).toHaveLength(0);
});

test("a stand-in's batch line costs half, and one that came too late is waste at the stand-in's price", async () => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  const usage = { input_tokens: 1000, output_tokens: 100, service_tier: "batch" };
  await answered(one.id, 1, "anthropic-batch", messageAnswer(usage), 200, STAND_IN);
  await answered(one.id, 2, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  while ((await settleChunk(deps)).attempts > 0);
  const fold = waterfallOf(await ledgerOf(one.id));
  expect(fold.paidNano).toBe(750_000n + 450_000n);
  expect(fold.lines.find((line) => line.account === "saving.batch")?.amountNano).toBe(750_000n);
  expect(fold.listNano - fold.lines.reduce((sum, line) => sum + line.amountNano, 0n)).toBe(fold.paidNano);
});

test("answers are settled by their bytes, not by their number", async () => {
  const big = answer({ prompt: 10, cached: 0, output: 1 }, "default").replace('"yes"', JSON.stringify("y".repeat(400)));
  for (let n = 0; n < 4; n++) {
    const one = job();
    await insertJobs(database.store.sql, [one]);
    await answered(one.id, 1, "openai", big);
  }
  const claim = (maxBytes: number) => database.store.begin((tx) => claimAnswered(tx, { limit: 500, maxBytes }));
  expect(await claim(1)).toMatchObject({ rows: { length: 1 }, more: true });
  expect(await claim(big.length + 1)).toMatchObject({ rows: { length: 2 }, more: true });
  expect(await claim(1_000_000)).toMatchObject({ rows: { length: 4 }, more: false });
  while ((await settleChunk(deps)).attempts > 0);
});

test("the receipt's waterfall equals the ledger to the nano-dollar for random usage, tiers and retries", async () => {
  const usage = fc.record({
    prompt: fc.integer({ min: 1, max: 300_000 }),
    cached: fc.integer({ min: 0, max: 300_000 }),
    output: fc.integer({ min: 0, max: 20_000 }),
  });
  const lane = fc.constantFrom<LaneId>("openai", "openai-batch", "openai-flex");
  const seed = randomBytes(4).readInt32BE();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(usage, lane, fc.constantFrom("default", "flex", "priority")), { minLength: 1, maxLength: 4 }),
      async (attempts) => {
        const one = job();
        await insertJobs(database.store.sql, [one]);
        for (const [index, [tokens, on, tier]] of attempts.entries()) await answered(one.id, index + 1, on, answer(tokens, tier));
        while ((await settleChunk(deps)).attempts > 0);
        const entries = await ledgerOf(one.id);
        expect(entries.reduce((sum, entry) => sum + entry.amountNano, 0n)).toBe(0n);
        const fold = waterfallOf(entries);
        const savings = fold.lines.reduce((sum, line) => sum + line.amountNano, 0n);
        expect(fold.listNano - savings).toBe(fold.paidNano);
        const shown = waterfallOf(
          (await readJobReceipt(database.store.sql, { tenantId: owner.tenantId, jobId: one.id })).flatMap((row) =>
            row.account === null ? [] : [{ account: row.account as never, amountNano: row.amountNano ?? 0n }],
          ),
        );
        expect(shown).toEqual(fold);
        const posted = await database.store.sql`select 1 from ledger_txn where job_id = ${one.id} and kind = 'settle'`;
        expect(posted).toHaveLength(1);
      },
    ),
    { seed, numRuns: 40 },
  );
}, 60_000);

test("what a budget held for a job becomes what the ledger says was paid, in the same transaction, and settling again changes nothing", async () => {
  const { sql } = database.store;
  const nowMs = clock.job();
  const budgetId = await saveBudget(sql, {
    ...{ id: newId("budget", nowMs, rng), tenantId: owner.tenantId, projectId: null, period: "total", amountNano: 10_000_000n, hard: true },
    ...{ alertAt: null, callbackUrl: null, keyId: null, nowMs },
  });
  const [paid, cancelled] = [job(), job()];
  const at = { nowMs, realMs: clock.real() };
  await database.store.begin(async (tx) => {
    const holds = [paid, cancelled].map(({ id }) => ({ subjectId: id, ...owner, amountNano: 4_000_000n }));
    expect(await reserveBudgets(tx, holds, at)).toEqual([null, null]);
    await insertJobs(tx, [paid, cancelled]);
  });
  await answered(paid.id, 1, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await settleChunk(deps);
  await settleChunk(deps);
  const standing = async () => (await listBudgets(sql, { tenantId: owner.tenantId, nowMs })).find((budget) => budget.id === budgetId);
  const [posted] = await sql<{ nano: bigint }[]>`
    select sum(e.amount_nano)::int8 as nano from ledger_entry e join ledger_txn t on t.id = e.txn_id where t.job_id = ${paid.id} and e.account like 'payable.%'`;
  expect(await standing()).toMatchObject({ heldNano: 4_000_000n, spentNano: posted?.nano });
  await endJobs(sql, [{ jobId: cancelled.id, state: "cancelled", error: null }], nowMs);
  expect(await releaseChunk(deps)).toBe(1);
  expect(await standing()).toMatchObject({ heldNano: 0n, spentNano: posted?.nano });
});
