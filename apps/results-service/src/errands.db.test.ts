import { askErrands, type ErrandAsk } from "@slowboat/intake";
import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES, waterfallOf } from "@slowboat/pricing";
import { createLogger } from "@slowboat/runtime";
import {
  endJobs,
  insertAttempts,
  listJobs,
  openRouteDesk,
  readJob,
  readJobReceipt,
  readOverview,
  saveAnswers,
  saveBudget,
  setTenant,
  takeErrands,
} from "@slowboat/store";
import { seedTenant, type TestDatabase, testClock, testDatabase, testQueue, testRng } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SettleDeps, settleChunk } from "./settle.ts";
import { answer } from "./testing/answers.ts";

const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");
const clock = testClock(Date.parse("2026-11-25T22:00:00Z"));
const rng = testRng(41);
const LANES = ["cache", "pool", "openai-batch", "openai-flex", "openai"];
let database: TestDatabase;
let deps: SettleDeps;
let owner: { tenantId: string; keyId: string };

beforeAll(async () => {
  database = await testDatabase();
  owner = await seedTenant(database.store, { clock });
  const queue = await testQueue(database);
  deps = { store: database.store, queue, book, clock, rng, logger, routes: openRouteDesk(database.store.sql, () => clock.real()) };
});
afterAll(async () => {
  await deps.queue.close();
  await database.drop();
});

const ask = (over: Partial<ErrandAsk> = {}): ErrandAsk => ({
  ...owner,
  kind: "shadow",
  subjectId: newId("job", clock.job(), rng),
  content: '{"candidate":"gpt-5-mini"}',
  endpoint: "/v1/chat/completions",
  body: JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Say yes." }] }),
  withinMs: 86_400_000,
  ...over,
});
const send = (asks: readonly ErrandAsk[], lanes: readonly string[] = LANES) =>
  database.store.begin((tx) => askErrands({ book, clock, rng, house: { lanes }, logger }, tx, asks));
const take = (kind: ErrandAsk["kind"] = "shadow") => database.store.begin((tx) => takeErrands(tx, { kind, limit: 100 }));

/** Answers a job as a batch lane does. */
async function answered(jobId: string): Promise<void> {
  const { sql } = database.store;
  const id = newId("attempt", clock.job(), rng);
  await insertAttempts(
    sql,
    [
      {
        ...{ id, jobId, tenantId: owner.tenantId, seq: 1, lane: "openai-batch", account: "a", dispatchId: null, role: "try", decision: "{}" },
        ...{ estimateNano: null, pricesVersion: book.version, emulated: true, createdAtMs: clock.job(), state: "sending" },
      },
    ],
    clock.real(),
  );
  await sql`update job set state = 'placed', attempt_id = ${id}, lane = 'openai-batch', attempts = 1 where id = ${jobId}`;
  const text = answer({ prompt: 1_000_000, cached: 0, output: 0 }, "default");
  await saveAnswers(sql, [{ attemptId: id, statusCode: 200, body: text, requestId: "req", errorCode: null }], {
    nowMs: clock.job(),
    realMs: clock.real(),
  });
  await settleChunk(deps);
}

test("an errand is asked on the cheapest lanes, costs waste alone, stands in no list, and is taken once", async () => {
  const sent = ask();
  const [id] = await send([sent]);
  const job = await readJob(database.store.sql, { tenantId: owner.tenantId, id: id as string });
  expect(job).toMatchObject({ state: "accepted", lanesAllow: ["openai-batch"], callbackUrl: null, deadlineAtMs: clock.job() + 86_400_000 });
  expect(await take()).toEqual([]);
  await answered(id as string);
  const receipt = waterfallOf(
    (await readJobReceipt(database.store.sql, { tenantId: owner.tenantId, jobId: id as string })).map((row) => ({
      account: row.account as "list",
      amountNano: row.amountNano ?? 0n,
    })),
  );
  // A million tokens of input at the batch price of a quarter of a dollar, half of it.
  expect(receipt).toEqual({ listNano: 0n, lines: [{ account: "waste", amountNano: -125_000_000n }], paidNano: 125_000_000n });
  expect(await listJobs(database.store.sql, { tenantId: owner.tenantId, limit: 10 })).toEqual([]);
  const seen = await database.store.begin((tx) => readOverview(tx, { tenantId: owner.tenantId, nowMs: clock.job(), sinceMs: 0, rows: 10 }));
  expect([seen.jobs, seen.lanes, seen.withDeadline]).toEqual([[], [], 0]);
  const [one, ...more] = await take();
  expect(more).toEqual([]);
  expect(one).toMatchObject({ jobId: id, kind: "shadow", subjectId: sent.subjectId, content: sent.content, statusCode: 200, model: "gpt-5-mini" });
  expect(JSON.parse(one?.answer ?? "{}").choices[0].message.content).toBe("yes");
  expect(await take()).toEqual([]);
});

test("what is taken in a transaction that fails is there again", async () => {
  const [id] = await send([ask()]);
  await answered(id as string);
  await expect(
    database.store.begin(async (tx) => {
      expect(await takeErrands(tx, { kind: "shadow", limit: 10 })).toHaveLength(1);
      throw new Error("the learner fell");
    }),
  ).rejects.toThrow("the learner fell");
  expect((await take()).map(({ jobId }) => jobId)).toEqual([id]);
});

test("an errand that failed comes back without an answer, and kinds do not mix", async () => {
  const [id] = await send([ask({ kind: "grade" })]);
  await database.store.begin((tx) => endJobs(tx, [{ jobId: id as string, state: "failed", error: null }], clock.job()));
  expect(await take("same-question")).toEqual([]);
  expect(await take("grade")).toMatchObject([{ jobId: id, answer: null, statusCode: null }]);
});

test("a model without batch is asked by flex, then in real time; one that no lane serves, that nobody knows, or that keeps nothing is left out", async () => {
  const lanesOf = async (lanes: readonly string[]) => {
    const [id] = await send([ask()], lanes);
    return id == null ? null : (await readJob(database.store.sql, { tenantId: owner.tenantId, id }))?.lanesAllow;
  };
  expect(await lanesOf(["cache", "openai-flex", "openai"])).toEqual(["openai-flex"]);
  expect(await lanesOf(["cache", "openai"])).toEqual(["openai"]);
  expect(await lanesOf(["anthropic"])).toBeNull();
  expect(await send([ask({ body: '{"model":"nobody-9","messages":[{"role":"user","content":"x"}]}' }), ask({ body: "{" })])).toEqual([null, null]);
  const brief = await seedTenant(database.store, { name: "keeps-nothing", clock });
  await setTenant(database.store.sql, { name: "keeps-nothing", retentionDays: 0 });
  expect(await send([ask(brief)])).toEqual([null]);
  const strict = await seedTenant(database.store, { name: "strict", clock });
  await setTenant(database.store.sql, { name: "strict", models: JSON.stringify({ allow: null, deny: ["gpt-5-mini"] }) });
  expect(await send([ask(strict)])).toEqual([null]);
});

test("an errand is held for like any job: a budget that has no room leaves it out", async () => {
  const poor = await seedTenant(database.store, { name: "poor", clock });
  const { sql } = database.store;
  await sql`update tenant set budgeted = true where id = ${poor.tenantId}`;
  await saveBudget(sql, {
    ...BUDGET,
    id: newId("budget", clock.job(), rng),
    tenantId: poor.tenantId,
    keyId: poor.keyId,
    amountNano: 600_000n,
    nowMs: clock.job(),
  });
  const long = JSON.stringify({ model: "gpt-5-mini", max_completion_tokens: 400, messages: [{ role: "user", content: "Say yes." }] });
  const sent = await send([ask({ ...poor, body: long }), ask({ ...poor, body: long })]);
  expect(sent.map((id) => id !== null)).toEqual([true, false]);
});

const BUDGET = { projectId: null, period: "month", hard: true, alertAt: null, callbackUrl: null } as const;
