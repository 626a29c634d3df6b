import { randomBytes } from "node:crypto";
import type { LaneId } from "@slowboat/contract";
import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES, waterfallOf } from "@slowboat/pricing";
import { createLogger } from "@slowboat/runtime";
import { insertAttempts, insertJobs, type NewJob, readJobReceipt, saveAnswers } from "@slowboat/store";
import { seedTenant, type TestDatabase, testClock, testDatabase, testQueue, testRng } from "@slowboat/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SettleDeps, settleChunk } from "./settle.ts";

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
  deps = { store: database.store, queue: await testQueue(database), book, clock, rng, logger };
});
afterAll(async () => {
  await deps.queue.close();
  await database.drop();
});

interface Usage {
  readonly prompt: number;
  readonly cached: number;
  readonly output: number;
}

const answer = (usage: Usage, tier: string): string =>
  JSON.stringify({
    id: "chatcmpl-1",
    model: "gpt-5-mini-2025-08-07",
    service_tier: tier,
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "yes" } }],
    usage: {
      prompt_tokens: usage.prompt,
      completion_tokens: usage.output,
      total_tokens: usage.prompt + usage.output,
      prompt_tokens_details: { cached_tokens: Math.min(usage.cached, usage.prompt) },
    },
  });

const job = (over: Partial<NewJob> = {}): NewJob => ({
  id: newId("job", clock.job(), rng),
  ...owner,
  surface: "native",
  batchId: null,
  lineNo: null,
  customId: null,
  endpoint: "/v1/chat/completions",
  provider: "openai",
  model: "gpt-5-mini",
  baselineModel: "gpt-5-mini",
  state: "placed",
  body: "{}",
  bodyBlobKey: null,
  bodyOffset: null,
  bodyBytes: 2,
  inputTokensEst: 1,
  outputTokensEst: 1,
  deadlineAtMs: null,
  lanesAllow: null,
  lanesDeny: null,
  maxCostNano: null,
  callbackUrl: null,
  metadata: null,
  reuseKey: null,
  nextDecisionAtMs: null,
  acceptedAtMs: clock.job(),
  ...over,
});

/** An attempt of the job that has answered with this body. */
async function answered(jobId: string, seq: number, lane: LaneId, body: string): Promise<string> {
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
      },
    ],
    clock.real(),
  );
  await saveAnswers(sql, [{ attemptId: id, statusCode: 200, body, requestId: "r", errorCode: null }], { nowMs: clock.job(), realMs: clock.real() });
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
  expect(await settleChunk(deps)).toBe(0);
  const entries = await ledgerOf(one.id);
  expect(Object.fromEntries(entries.map((e) => [e.account, e.amountNano]))).toEqual({
    list: -450_000n,
    "saving.batch": 225_000n,
    "payable.openai": 225_000n,
  });
  const [row] = await database.store.sql<{ state: string }[]>`select state from job where id = ${one.id}`;
  expect(row?.state).toBe("completed");
});

test("the second answer of a hedged job is kept as waste and the first as the result", async () => {
  const one = job();
  await insertJobs(database.store.sql, [one]);
  await answered(one.id, 1, "openai-batch", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  await answered(one.id, 2, "openai", answer({ prompt: 1000, cached: 0, output: 100 }, "default"));
  while ((await settleChunk(deps)) > 0);
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
        while ((await settleChunk(deps)) > 0);
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
