import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createInteractive,
  createMeter,
  createPromptTraffic,
  createQuotas,
  type Interactive,
  type InteractiveReply,
  type InteractiveRequest,
  type PlanDeps,
  planDue,
} from "@slowboat/dispatch";
import { newId } from "@slowboat/kernel";
import type { CallLane, Lane } from "@slowboat/lanes";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { outcomeOf, recordOutcomes } from "@slowboat/results";
import { questionOf, type ReuseWish } from "@slowboat/reuse";
import { createLogger } from "@slowboat/runtime";
import { closeSemantic, learnAnswered, openSemantic, type SemanticParts, semanticCalls, type WaitingAsks, waitingAsks } from "@slowboat/semantic";
import { claimAnswered, evictEntries, insertJobs, type NewJob } from "@slowboat/store";
import {
  seedTenant,
  type TestClock,
  type TestDatabase,
  type TestTenant,
  teachReuse,
  testClock,
  testDatabase,
  testJob,
  testQueue,
  testRng,
} from "@slowboat/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

const MODEL = "gpt-5.4-mini";
const WISH: ReuseWish = { mode: "exact", semantic: { maxError: 0.02, ttlMs: null, asked: true } };
const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");
/** One answer a topic, whatever the words. */
const ANSWERS: readonly (readonly [RegExp, string])[] = [
  [/capital/i, "The capital of France is Paris."],
  [/boil/i, "Water boils at 100 degrees Celsius at sea level."],
];

let database: TestDatabase;
let queue: Queue;
let clock: TestClock;
let who: TestTenant;
let parts: SemanticParts;
let interactive: Interactive;
let asks: WaitingAsks;
let models: string;
let asked: string[];
const rng = testRng(11);
const { signal } = new AbortController();

const provider: CallLane = {
  id: "openai",
  account: "test",
  emulated: true,
  shape: "call",
  call: async ({ attemptId, body }) => {
    const question = String((JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)?.content);
    asked.push(question);
    const content = ANSWERS.find(([topic]) => topic.test(question))?.[1] ?? `You said: ${question}`;
    const answer = {
      id: "chatcmpl-1",
      object: "chat.completion",
      model: MODEL,
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage: { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 },
    };
    return { kind: "answered", attemptId, statusCode: 200, body: JSON.stringify(answer), requestId: "req_1" };
  },
  stream: async ({ attemptId }) => ({ kind: "void", attemptId, code: "unsent", message: "this lane does not stream" }),
};
const lanes: ReadonlyMap<"openai", Lane> = new Map([["openai", provider]]);

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), "slowboat-semantic-"));
});
afterAll(() => rm(models, { recursive: true, force: true }));
beforeEach(async () => {
  database = await testDatabase({ max: 6 });
  queue = await testQueue(database);
  clock = testClock();
  who = await seedTenant(database.store, { clock });
  asked = [];
  const { store } = database;
  parts = openSemantic({ store, clock, rng, logger, modelDir: models, memoryBytes: 16 * 1024 * 1024 });
  interactive = createInteractive({ store, queue, lanes, book, time: { clock, rng }, logger, semantic: semanticCalls(parts) });
  asks = waitingAsks(parts);
  expect(await parts.encoder.start()).toBe(true);
});
afterEach(async () => {
  await interactive.close();
  await closeSemantic(parts);
  await queue.close();
  await database.drop();
});

const bodyOf = (question: string, system = "You are a helpful guide.") => ({
  model: MODEL,
  messages: [
    { role: "system", content: system },
    { role: "user", content: question },
  ],
});

function requestOf(
  question: string,
  more: { readonly who?: TestTenant; readonly system?: string; readonly cache?: ReuseWish } = {},
): InteractiveRequest {
  const model = resolveModel(book, MODEL);
  if (model === null) throw new Error("no such model in the book");
  const value = bodyOf(question, more.system);
  return {
    ...(more.who ?? who),
    allowUnpriced: false,
    budgeted: false,
    surface: "openai",
    endpoint: "/v1/chat/completions",
    model,
    body: JSON.stringify(value),
    value,
    deadlineAtMs: null,
    allow: null,
    deny: null,
    cache: more.cache ?? WISH,
    tier: null,
    maxOutputTokens: null,
    stream: false,
    fallbacks: [],
  };
}

/** Settles what was answered, as the results service does but for money, and learns from it. */
async function settle(): Promise<void> {
  const { store } = database;
  await store.begin(async (tx) => {
    const { rows } = await claimAnswered(tx, { limit: 100, maxBytes: 1e6 });
    await recordOutcomes(
      tx,
      rows.map((row) => outcomeOf(row, book)),
      clock.job(),
    );
  });
  await learnAnswered(parts, signal);
}

async function ask(question: string, more: Parameters<typeof requestOf>[1] = {}): Promise<Extract<InteractiveReply, { kind: "answer" }>> {
  const reply = await interactive.run(requestOf(question, more), signal);
  if (reply.kind !== "answer") throw new Error(`the call came to ${reply.kind}`);
  // What is logged after the answer is there before anything is settled.
  await expect
    .poll(async () => (await database.store.sql`select 1 from semantic_ask where job_id = ${reply.jobId}`).count, { timeout: 20_000 })
    .toBe(1);
  await settle();
  await parts.spaces.tail();
  return reply;
}

const teach = (tenant: TestTenant = who, system?: string): Promise<void> =>
  teachReuse(database.store, { ...tenant, ...questionParts(system), wish: WISH }, clock.job());
const questionParts = (system?: string) => {
  const { endpoint, body, value, model } = requestOf("What is the capital of France?", system === undefined ? {} : { system });
  return { endpoint, body, value, model: model.model };
};

const FIRST = "What is the capital of France?";
const AGAIN = "What is the capital city of France?";

test("a question that means the same gets the answer that was paid for, and the provider is not asked; its ledger line is a reuse", async () => {
  await teach();
  const first = await ask(FIRST);
  expect(first.cachedFrom).toBeNull();
  // A twentieth of would-be hits is asked anew to learn.
  let hit = await ask(AGAIN);
  for (let tries = 0; hit.semantic === undefined && tries < 5; tries++) hit = await ask(`${AGAIN}${" ".repeat(tries + 1)}`);
  expect(hit).toMatchObject({ lane: "cache", statusCode: 200, body: first.body, semantic: { entry: expect.stringMatching(/^cache_/) } });
  const [row] = await database.store.sql<{ source: string; decision: string }[]>`
    select r.source, a.decision from result r join attempt a on a.job_id = r.job_id where r.job_id = ${hit.jobId}`;
  expect(row?.source).toBe("reuse");
  expect(JSON.parse(row?.decision ?? "{}").reuse).toMatchObject({ kind: "semantic", source: hit.cachedFrom, entry: hit.semantic?.entry });
  const [entry] = await database.store.sql<{ hits: number }[]>`select hits from semantic_entry where id = ${hit.semantic?.entry ?? ""}`;
  expect(entry?.hits).toBeGreaterThan(0);
});

test("another tenant, other instructions and another question get no answer of it", async () => {
  const stranger = await seedTenant(database.store, { clock, name: "stranger" });
  await teach();
  await teach(stranger);
  await teach(who, "Answer like a pirate.");
  await ask(FIRST);
  for (const reply of [
    await ask(AGAIN, { who: stranger }),
    await ask(AGAIN, { system: "Answer like a pirate." }),
    await ask("What is the capital of Spain?"),
    await ask("At what temperature does water boil?"),
  ])
    expect(reply.semantic).toBeUndefined();
  expect(asked).toHaveLength(5);
});

test("nothing is looked up, logged or kept for a call that does not ask for it", async () => {
  await teach();
  await ask(FIRST);
  const off = await interactive.run(requestOf(AGAIN, { cache: { mode: "auto", semantic: null } }), signal);
  expect(off).toMatchObject({ kind: "answer", lane: "openai" });
  await settle();
  expect(await database.store.sql`select 1 from semantic_ask where job_id = ${off.jobId}`).toHaveLength(0);
});

test("an evicted entry is never given again, though a worker's memory may still hold it", async () => {
  await teach();
  await ask(FIRST);
  const [entry] = await database.store.sql<{ id: string }[]>`select id from semantic_entry`;
  await evictEntries(database.store.sql, { tenantId: who.tenantId, id: entry?.id ?? "", why: "test", nowMs: clock.job() });
  expect((await ask(AGAIN)).semantic).toBeUndefined();
});

test("a queued job gets the answer too, and of lines that mean the same one is asked", async () => {
  await teach();
  const questions = [FIRST, AGAIN, "what's the capital of france", "At what temperature does water boil?"];
  const jobs = questions.map((question) => queued(question));
  await insertJobs(database.store.sql, jobs);
  const planDeps: PlanDeps = {
    store: database.store,
    queue,
    book,
    lanes: [{ id: "openai", account: "test", emulated: true, concurrency: 16 }],
    meter: createMeter(),
    time: { clock, rng, tickMs: 200, poolTokensPerSecond: 8_000 },
    logger,
    quotas: createQuotas({}),
    prompts: createPromptTraffic(),
  };
  await asks.decide(signal);
  await planDue(planDeps, signal);
  const placed = async () =>
    await database.store.sql<{ id: string; lane: string | null; state: string }[]>`select id, lane, state from job order by id`;
  const started = (await placed()).filter((job) => job.lane === "openai").map((job) => job.id);
  // One of the three about the capital, and the one about water.
  expect(started).toHaveLength(2);
  expect(started).toContain(jobs[3]?.id);
  // The lane answers.
  for (const jobId of started) {
    const job = jobs.find(({ id }) => id === jobId);
    const answered = await provider.call({ attemptId: "", endpoint: "/v1/chat/completions", model: MODEL, body: job?.body ?? "" }, signal);
    const text = answered.kind === "answered" ? answered.body : "";
    await database.store.sql`update attempt set state = 'answered', status_code = 200, answer = ${text}, answered_at_ms = ${clock.job()}::float8,
      answered_real_ms = ${clock.real()}::float8 where job_id = ${jobId}`;
    await database.store.sql`insert into unsettled (attempt_id, bytes) select id, 0 from attempt where job_id = ${jobId}`;
  }
  await settle();
  await parts.spaces.tail();
  await asks.decide(signal);
  await planDue(planDeps, signal);
  const lanesOf = (await placed()).map((job) => job.lane);
  expect(lanesOf.filter((lane) => lane === "cache").length + started.length).toBeGreaterThanOrEqual(3);
  expect(lanesOf).not.toContain(null);
});

function queued(question: string): NewJob {
  const { body, value, model } = requestOf(question);
  const nowMs = clock.job();
  const id = newId("job", nowMs, rng);
  const kept = questionOf({ ...who, endpoint: "/v1/chat/completions", model: model.model, body, value, wish: WISH });
  const terms = { deadlineAtMs: nowMs + 8 * 3_600_000, nextDecisionAtMs: nowMs, acceptedAtMs: nowMs, model: MODEL, baselineModel: MODEL };
  return testJob({
    ...who,
    ...terms,
    id,
    body,
    inputTokensEst: 20,
    outputTokensEst: 20,
    ask: kept === null ? null : { ...kept, jobId: id, createdAtMs: nowMs },
  });
}
