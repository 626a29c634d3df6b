import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMeter, createPromptTraffic, createQuotas, type PlanDeps, planDue } from "@slowboat/dispatch";
import { askErrands } from "@slowboat/intake";
import { hexOf, newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { outcomeOf, recordOutcomes } from "@slowboat/results";
import { questionOf } from "@slowboat/reuse";
import { emptyState, type ReuseState, readState, writeState } from "@slowboat/reuse-semantic";
import { createLogger } from "@slowboat/runtime";
import { closeSemantic, learnAnswered, openSemantic, type SemanticParts, takeVerdicts, type WaitingAsks, waitingAsks } from "@slowboat/semantic";
import { claimAnswered, countVerdicts, insertJobs, lockFamily, type NewJob, readFamilies, saveFamily, setTenant } from "@slowboat/store";
import {
  seedTenant,
  type TestClock,
  type TestDatabase,
  type TestTenant,
  testClock,
  testDatabase,
  testJob,
  testQueue,
  testRng,
} from "@slowboat/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

const MODEL = "gpt-5.5";
const JUDGE = "gpt-5-mini";
const FIRST = "What is the capital of France?";
const AGAIN = "What is the capital city of France?";
const HOUR = 3_600_000;
const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");
const { signal } = new AbortController();
let models: string;
let database: TestDatabase;
let queue: Queue;
let clock: TestClock;
let who: TestTenant;
let parts: SemanticParts;
let asks: WaitingAsks;
let planDeps: PlanDeps;

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), "slowboat-judge-"));
});
afterAll(() => rm(models, { recursive: true, force: true }));
beforeEach(async () => {
  database = await testDatabase({ max: 6 });
  queue = await testQueue(database);
  clock = testClock();
  const { store } = database;
  who = await seedTenant(store, { clock, name: "asker" });
  await setTenant(store.sql, { name: "asker", semanticCache: JSON.stringify({ on: true, maxError: 0.02, judge: JUDGE }) });
  const rng = testRng(23);
  const errands = { book, clock, rng, house: { lanes: ["cache", "openai"] }, logger };
  parts = openSemantic({
    ...{ store, clock, rng, logger, modelDir: models, memoryBytes: 16 * 1024 * 1024 },
    judge: { book, ask: (tx, rows) => askErrands(errands, tx, rows) },
  });
  asks = waitingAsks(parts);
  planDeps = {
    ...{ store, queue, book, meter: createMeter(), logger, quotas: createQuotas({}), prompts: createPromptTraffic() },
    lanes: [{ id: "openai", account: "test", emulated: true, concurrency: 16 }],
    time: { clock, rng, tickMs: 200, poolTokensPerSecond: 8_000 },
  };
  expect(await parts.encoder.start()).toBe(true);
});
afterEach(async () => {
  await closeSemantic(parts);
  await queue.close();
  await database.drop();
});

const questionParts = (question: string) => {
  const value = { model: MODEL, messages: [{ role: "user", content: question }] };
  const wish = { mode: "exact", semantic: { maxError: 0.02, ttlMs: null, asked: true } } as const;
  return { ...who, endpoint: "/v1/chat/completions", model: MODEL, body: JSON.stringify(value), value, wish } as const;
};

function job(question: string, hours = 24): NewJob {
  const nowMs = clock.job();
  const id = newId("job", nowMs, parts.rng);
  const asked = questionOf(questionParts(question));
  return testJob({
    ...{ ...who, id, model: MODEL, baselineModel: MODEL, inputTokensEst: 20, outputTokensEst: 2_000, body: questionParts(question).body },
    ...{ deadlineAtMs: nowMs + hours * HOUR, nextDecisionAtMs: nowMs, acceptedAtMs: nowMs },
    ask: asked === null ? null : { ...asked, jobId: id, createdAtMs: nowMs },
  });
}

/** A family whose verifier believes everything by half, where its labels set a threshold above; and what its judge was worth so far. */
async function doubt(judge: ReuseState["judge"]): Promise<string> {
  const question = questionOf(questionParts(FIRST));
  if (question === null) throw new Error("no question");
  const x = new Uint8Array(emptyState().fit.weights.length);
  const score = (i: number): number => (i < 850 ? 0.995 : i < 950 ? 0.65 : 0.7);
  const window = Array.from({ length: 1_000 }, (_, i) => ({ x, label: i < 950, weight: 1, vetoes: 0 }));
  const samples = window.map(({ label }, i) => ({ score: score(i), loss: label ? 0 : 1, weight: 1, copy: false }));
  const state = writeState({ ...emptyState(), window, fit: { weights: [...x], samples, released: 0 }, judge });
  const id = { tenantId: question.tenantId, family: hexOf(question.family) };
  await database.store.begin(async (tx) => {
    await lockFamily(tx, { ...id, endpoint: question.endpoint, model: MODEL, state, nowMs: 0 });
    await saveFamily(tx, { ...id, state, drifting: false, nowMs: 0 });
  });
  return id.family;
}

async function settle(): Promise<void> {
  await database.store.begin(async (tx) => {
    const { rows } = await claimAnswered(tx, { limit: 100, maxBytes: 1e6 });
    const facts = rows.map((row) => outcomeOf(row, book));
    await recordOutcomes(tx, facts, clock.job());
  });
  await learnAnswered(parts, signal);
  await parts.spaces.tail();
}

/** The lane answers a job that was placed. */
async function answer(jobId: string, content: string): Promise<void> {
  const body = JSON.stringify({
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 12, completion_tokens: 9, total_tokens: 21 },
  });
  const { sql } = database.store;
  await sql`update attempt set state = 'answered', status_code = 200, answer = ${body}, answered_at_ms = ${clock.job()}::float8,
    answered_real_ms = ${clock.real()}::float8 where job_id = ${jobId} and source_attempt_id is null`;
  await sql`insert into unsettled (attempt_id, bytes) select id, 0 from attempt where job_id = ${jobId}`;
  await settle();
}

const laneOf = async (id: string) => (await database.store.sql<{ lane: string | null }[]>`select lane from job where id = ${id}`)[0]?.lane;
const askRow = async (id: string) =>
  (
    await database.store.sql<
      { kind: string; verdict: boolean | null; decision: string }[]
    >`select kind, verdict, decision from semantic_ask where job_id = ${id}`
  )[0];
const plan = () => planDue(planDeps, signal);

/** One question is answered; a second one, which may mean the same, waits for the judge. Returns both jobs and the judge's own. */
async function inDoubt(hours = 24): Promise<{ again: string; errand: string }> {
  const first = job(FIRST);
  await insertJobs(database.store.sql, [first]);
  await asks.decide(signal);
  await plan();
  await answer(first.id, "Paris.");
  const again = job(AGAIN, hours);
  await insertJobs(database.store.sql, [again]);
  await asks.decide(signal);
  const [errand] = await database.store.sql<{ id: string; body: string; model: string; dueAtMs: number }[]>`
    select j.id, j.body, j.model, j.deadline_at_ms as "dueAtMs" from errand e join job j on j.id = e.job_id where e.subject_id = ${again.id}`;

  expect(errand?.model).toBe(JUDGE);
  expect(errand?.dueAtMs).toBe(clock.job() + (hours * HOUR) / 2);
  expect([FIRST, AGAIN].map((question) => errand?.body.includes(question))).toEqual([true, true]);
  await plan();
  expect(await askRow(again.id)).toMatchObject({ kind: "judging" });
  expect(await laneOf(again.id)).toBeNull();
  expect(await laneOf(errand?.id ?? "")).toBe("openai");
  return { again: again.id, errand: errand?.id ?? "" };
}

test("a question in doubt waits for the tenant's judge; a trusted one's yes gives the answer that was paid for", async () => {
  await doubt({ looked: 300, wrong: 0 });
  const { again, errand } = await inDoubt();
  await answer(errand, "YES");
  expect(await takeVerdicts(parts, signal)).toBe(1);
  expect(await takeVerdicts(parts, signal)).toBe(0);
  const row = await askRow(again);
  expect(row).toMatchObject({ kind: "reuse", verdict: true });
  expect(JSON.parse(row?.decision ?? "{}").reasons.at(-1)).toBe(`${JUDGE} takes both questions for the same`);
  await plan();
  expect(await laneOf(again)).toBe("cache");
});

test("a no, and a word that is not plain, have the question asked anew, and count as asked", async () => {
  await doubt({ looked: 300, wrong: 0 });
  const { again, errand } = await inDoubt();
  await answer(errand, "I cannot say.");
  await takeVerdicts(parts, signal);
  expect(await askRow(again)).toMatchObject({ kind: "miss", verdict: null });
  await plan();
  expect(await laneOf(again)).toBe("openai");
  const counted = await countVerdicts(database.store.sql, { tenantId: who.tenantId, sinceMs: 0 });
  expect(counted).toEqual({ asked: 1, yes: 0, given: 0, looked: 0, wrong: 0 });
});

test("a judge without a record is looked at: its yes is asked anew, and whether it was right is learned", async () => {
  const family = await doubt({ looked: 0, wrong: 0 });
  const { again, errand } = await inDoubt();
  await answer(errand, "yes");
  await takeVerdicts(parts, signal);
  expect(await askRow(again)).toMatchObject({ kind: "miss", verdict: true });
  await plan();
  await answer(again, "Paris.");
  const [held] = await readFamilies(database.store.sql, [{ tenantId: who.tenantId, family, version: 0 }]);
  expect(readState(held?.state ?? "").judge).toEqual({ looked: 1, wrong: 0 });
});

test("nobody waits longer for a judge than the deadline allows, and a word that comes late changes nothing", async () => {
  await doubt({ looked: 300, wrong: 0 });
  const { again, errand } = await inDoubt(6);
  clock.advance(3 * HOUR - 60_000);
  await plan();
  expect(await laneOf(again)).toBeNull();
  clock.advance(60_000);
  await plan();
  expect(await laneOf(again)).toBe("openai");
  expect(await askRow(again)).toMatchObject({ kind: "miss", verdict: null });
  await answer(errand, "YES");
  expect(await takeVerdicts(parts, signal)).toBe(1);
  expect(await askRow(again)).toMatchObject({ kind: "miss", verdict: null });
});

test("no judge is asked without time, without a tenant's wish, or where its word costs too much", async () => {
  await doubt({ looked: 300, wrong: 0 });
  const first = job(FIRST);
  await insertJobs(database.store.sql, [first]);
  await asks.decide(signal);
  await plan();
  await answer(first.id, "Paris.");
  const cheap: NewJob = { ...job(`${AGAIN} `), outputTokensEst: 1, inputTokensEst: 1 };
  await insertJobs(database.store.sql, [job(AGAIN, 1), cheap]);
  await asks.decide(signal);
  await setTenant(database.store.sql, { name: "asker", semanticCache: JSON.stringify({ on: true, maxError: 0.02 }) });
  await insertJobs(database.store.sql, [job(`  ${AGAIN}`)]);
  await asks.decide(signal);
  const kinds = await database.store.sql<{ kind: string; decision: string }[]>`select kind, decision from semantic_ask where job_id <> ${first.id}`;
  expect(kinds.map(({ kind, decision }) => [kind, JSON.parse(decision).gray])).toEqual([
    ["miss", true],
    ["miss", true],
    ["miss", true],
  ]);
  expect(await database.store.sql`select 1 from errand`).toHaveLength(0);
});
