import { createLanes } from "@slowboat/lanes";
import { estimateTokens } from "@slowboat/plan";
import { lockQuotas, saveQuota } from "@slowboat/store";
import { seedTenant, testRng, until } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { planDue, runBatchDispatch } from "../index.ts";
import { silencedProvider } from "../testing/silenced-provider.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "../testing/world.ts";

// The tokens that an account may have enqueued: learned from refusals, shared by workers, and never a reason to lose work or to knock in vain.

let world: World;
afterEach(() => world.close());

const { signal } = new AbortController();
/** One line's body; the emulator counts a quarter of the whole line's bytes, which is a little less than our estimate. */
const BODY = JSON.stringify({
  model: "gpt-5-mini",
  max_completion_tokens: 40,
  messages: [{ role: "user", content: "river ".repeat(600) }],
});
const TOKENS = estimateTokens("/v1/chat/completions", BODY.length, 40).inputTokens;
const LINE = { body: BODY, bodyBytes: BODY.length, inputTokensEst: TOKENS, batchId: "batch_1" };
const BATCH = { ...LINE, lanesAllow: ["openai-batch", "openai"] };

/** Lines of one bulk. */
const bulk = async (count: number, over: object = {}, from = 0): Promise<string[]> => {
  const ids: string[] = [];
  for (let line = from; line < from + count; line++) ids.push(...(await world.accept(1, { ...BATCH, lineNo: line, ...over })));
  return ids;
};

interface Seen {
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly code: string | null;
  readonly decision: string;
}
const attempts = (): Promise<Seen[]> => world.rows<Seen>("attempt", `job_id as "jobId", lane, state, error_code as code, decision`);
const answered = async (): Promise<Seen[]> => (await attempts()).filter((row) => row.state === "answered");
const refusedCreates = async (): Promise<number> =>
  (await world.rows<{ status: string | null }>("dispatch", "provider_status as status")).filter((row) => row.status === "failed").length;
const waiting = (): Promise<{ id: string; reason: string }[]> =>
  world.database.store.sql`select id, wait_reason as reason from job where state = 'accepted' and wait_reason is not null order by id`;
/** The most that the provider had at a time, by our own count. */
const heldNow = async (): Promise<number> => {
  const [row] = await world.database.store.sql<{ held: number }[]>`
    select coalesce(sum(input_tokens), 0) as held from dispatch where state in ('queued', 'running', 'submitted')`;
  return row?.held ?? 0;
};

test("five batches' worth of lines on a small quota are all answered in batches, none twice, after one refusal", async () => {
  const limit = 20 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE, enqueuedTokenLimit: limit });
  const ids = await bulk(100);
  for (let n = 0; n < 60 && (await waiting()).length === 0; n++) {
    await world.look();
    world.clock.advance(MINUTE / 2);
  }
  const held = await waiting();
  expect(held.length).toBe(80);
  expect(held[0]?.reason).toMatch(/^openai-batch: .*waits for room: .* of the [\d,]+ tokens that may be enqueued for gpt-5-mini are out/);
  let most = 0;
  while (world.clock.job() < EVENING + 6 * HOUR) {
    await world.look();
    most = Math.max(most, await heldNow());
    world.clock.advance(MINUTE);
  }
  const done = await answered();
  expect(new Set(done.map((row) => row.jobId))).toEqual(new Set(ids));
  expect(done).toHaveLength(100);
  expect(new Set(done.map((row) => row.lane))).toEqual(new Set(["openai-batch"]));
  expect((await world.emulator.invoice()).lines).toHaveLength(100);
  expect(await refusedCreates()).toBe(1);
  expect(most).toBeLessThanOrEqual(limit);
  expect(await waiting()).toEqual([]);
});

test("a configured quota is kept without a single refusal, and the earliest deadlines go first", async () => {
  const limit = 20 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE, enqueuedTokenLimit: limit }, { "openai-batch": { "gpt-5-mini": limit } });
  const late = await bulk(30, { deadlineAtMs: EVENING + 12 * HOUR });
  const early = await bulk(30, { deadlineAtMs: EVENING + 7 * HOUR }, 30);
  await planDue(world.planDeps, signal);
  expect((await attempts()).filter((row) => !early.includes(row.jobId))).toEqual([]);
  expect(await attempts()).toHaveLength(20);
  await world.pass(EVENING + 6 * HOUR, MINUTE);
  const done = await answered();
  expect(new Set(done.map((row) => row.jobId))).toEqual(new Set([...early, ...late]));
  expect(new Set(done.map((row) => row.lane))).toEqual(new Set(["openai-batch"]));
  expect(await refusedCreates()).toBe(0);
});

test("what waits goes as soon as a batch has ended, not at its own next look", async () => {
  const limit = 20 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE }, { "openai-batch": { "gpt-5-mini": limit } });
  await bulk(40, { deadlineAtMs: EVENING + 24 * HOUR });
  const ended = async (): Promise<number> => (await world.rows<{ state: string }>("dispatch", "state")).filter((row) => row.state === "done").length;
  for (let n = 0; n < 400 && (await ended()) === 0; n++) {
    await world.look();
    world.clock.advance(MINUTE / 4);
  }
  expect(await attempts()).toHaveLength(20);
  const freed = (await answered()).length;
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(20 + freed);
});

test("a tenant that floods a quota leaves another its share, although all of the flood is due first; what one leaves the other takes", async () => {
  const limit = 20 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE, enqueuedTokenLimit: limit }, { "openai-batch": { "gpt-5-mini": limit } });
  await bulk(70, { deadlineAtMs: EVENING + 14 * HOUR });
  const other = await seedTenant(world.database.store);
  const mine = new Set(await bulk(15, { ...other, batchId: "batch_2", deadlineAtMs: EVENING + 20 * HOUR }));
  const sent = async (): Promise<readonly [number, number]> => {
    const all = await attempts();
    return [all.filter((row) => mine.has(row.jobId)).length, all.length];
  };
  await planDue(world.planDeps, signal);
  const [first, all] = await sent();
  expect(all).toBe(20);
  expect(Math.abs(first - 10)).toBeLessThanOrEqual(1);
  // Where batches end one by one, what they free is shared as they end.
  for (let n = 0; n < 200 && (await sent())[1] < 40; n++) {
    await world.look();
    world.clock.advance(MINUTE);
  }
  expect((await sent())[0]).toBe(15);
  await world.pass(EVENING + 6 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(85);
  expect(await refusedCreates()).toBe(0);
});

test("thirty tenants whose lines are more than a quota each get through, and none waits for the others' later lines", async () => {
  const limit = 12 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE, enqueuedTokenLimit: limit }, { "openai-batch": { "gpt-5-mini": limit } });
  for (let n = 0; n < 30; n++)
    await bulk(2, { ...(await seedTenant(world.database.store)), batchId: `batch_${n + 2}`, deadlineAtMs: EVENING + 14 * HOUR });
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(12);
  await world.pass(EVENING + 5 * HOUR, MINUTE);
  const done = await answered();
  expect(done).toHaveLength(60);
  expect(new Set(done.map((row) => row.lane))).toEqual(new Set(["openai-batch"]));
});

test("models that answer in another's stead keep within their own quota, and take no place in it before", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE }, { "openai-batch": { "gpt-5-mini": 1, "gpt-6-luna": 20 * TOKENS } });
  const fallbacks = JSON.stringify([{ model: "gpt-6-luna", provider: "openai", endpoint: "/v1/chat/completions" }]);
  await bulk(30, { lanesAllow: ["openai-batch"], deadlineAtMs: EVENING + 12 * HOUR, fallbacks });
  await planDue(world.planDeps, signal);
  const models = await world.rows<{ model: string; tokens: number }>("dispatch", "model, input_tokens as tokens");
  expect(new Set(models.map((row) => row.model))).toEqual(new Set(["gpt-6-luna"]));
  expect(models.reduce((sum, row) => sum + row.tokens, 0)).toBe(20 * TOKENS);
  expect(await waiting()).toHaveLength(10);
  await world.pass(EVENING + 6 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(30);
});

test("work whose turn in the queue would come too late goes to the lane that makes its deadline, and what waits goes there at its latest start", async () => {
  const limit = 10 * TOKENS;
  world = await openWorld({ batchTurnaroundMs: 25 * MINUTE, enqueuedTokenLimit: limit }, { "openai-batch": { "*": limit } });
  const deadlineAtMs = EVENING + 2 * HOUR;
  await bulk(80, { deadlineAtMs });
  await planDue(world.planDeps, signal);
  const first = (await attempts()).map((row) => row.lane);
  expect(first.filter((lane) => lane === "openai-batch").length).toBe(10);
  expect(first.filter((lane) => lane === "openai").length).toBeGreaterThan(10);
  expect((await waiting()).length).toBeGreaterThan(10);
  const toRealtime = (await attempts()).find((row) => row.lane === "openai");
  expect(toRealtime?.decision).toContain("waits for room");
  await world.pass(deadlineAtMs, MINUTE);
  expect(await answered()).toHaveLength(80);
  expect((await answered()).filter((row) => row.lane === "openai-batch").length).toBeGreaterThanOrEqual(20);
  expect((await world.emulator.invoice()).lines).toHaveLength(80);
});

test("a line larger than a configured quota goes another way, and nothing waits behind it", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE }, { "openai-batch": { "gpt-5-mini": 2 * TOKENS } });
  const [large] = await bulk(1, { inputTokensEst: 3 * TOKENS, deadlineAtMs: EVENING + 12 * HOUR });
  await bulk(2, { deadlineAtMs: EVENING + 20 * HOUR }, 1);
  await planDue(world.planDeps, signal);
  const lanes = (await attempts()).map((row) => [row.jobId === large, row.lane]);
  expect(lanes.sort()).toEqual([
    [false, "openai-batch"],
    [false, "openai-batch"],
    [true, "openai"],
  ]);
  expect(await waiting()).toEqual([]);
  const decision = JSON.parse((await attempts()).find((row) => row.jobId === large)?.decision ?? "{}") as { candidates: { lane: string }[] };
  expect(decision.candidates.find(({ lane }) => lane === "openai-batch")).toMatchObject({
    eligible: false,
    why: expect.stringMatching(/^its [\d,]+ tokens are more than the [\d,]+ that may be enqueued for gpt-5-mini$/),
  });
});

test("a line larger than a configured quota that may go no other way fails with the reason, and the others are answered", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE }, { "openai-batch": { "gpt-5-mini": 2 * TOKENS } });
  const [large] = await bulk(1, { inputTokensEst: 3 * TOKENS, lanesAllow: ["openai-batch"], deadlineAtMs: EVENING + 12 * HOUR });
  await bulk(4, { lanesAllow: ["openai-batch"], deadlineAtMs: EVENING + 20 * HOUR }, 1);
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(4);
  const rows = await world.rows<{ id: string; state: string; error: string | null }>("job", "id, state, error");
  expect(rows.filter((row) => row.state === "failed").map((row) => row.id)).toEqual([large]);
  expect(JSON.parse(rows.find((row) => row.id === large)?.error ?? "{}")).toMatchObject({
    code: "lanes-empty",
    message: expect.stringContaining("that may be enqueued for gpt-5-mini"),
  });
});

test("lines larger than a learned quota by our count go alone, one after another", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  const [lane] = [...world.laneDeps.lanes.values()].filter((one) => one.id === "openai-batch");
  const id = { lane: "openai-batch", account: lane?.account ?? "", model: "gpt-5-mini" };
  await saveQuota(world.database.store.sql, { ...id, limitTokens: TOKENS - 1, toldTokens: TOKENS - 1, learnedAtMs: world.clock.job() });
  await bulk(3, { lanesAllow: ["openai-batch"] });
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(1);
  expect((await waiting())[0]?.reason).toContain("tokens are more than the");
  await world.pass(EVENING + 4 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(3);
});

test("a line that is larger than the provider's own quota is tried a few times until its deadline and rarely after, not in a storm", async () => {
  world = await openWorld({ enqueuedTokenLimit: 100 });
  await bulk(1, { lanesAllow: ["openai-batch"], deadlineAtMs: EVENING + 20 * HOUR });
  await world.pass(EVENING + 24 * HOUR, 10 * MINUTE);
  expect(await refusedCreates()).toBeLessThanOrEqual(14);
  expect(await answered()).toHaveLength(0);
});

test("estimates that are too low shrink what goes out until it fits, within a few refusals", async () => {
  // The provider counts three times what we do: its limit does not explain its refusal.
  world = await openWorld({ batchTurnaroundMs: 15 * MINUTE, enqueuedTokenLimit: 20 * TOKENS });
  await bulk(60, { inputTokensEst: Math.ceil(TOKENS / 3), deadlineAtMs: EVENING + 20 * HOUR });
  await world.pass(EVENING + 12 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(60);
  expect(await refusedCreates()).toBeLessThanOrEqual(6);
  expect((await world.emulator.invoice()).lines).toHaveLength(60);
});

test("an account that has shown nothing yet is given a first amount, and more as its provider takes it", async () => {
  world = await openWorld({ batchTurnaroundMs: 2 * HOUR });
  await bulk(8, { inputTokensEst: 500_000, deadlineAtMs: EVENING + 24 * HOUR });
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(3);
  expect((await waiting())[0]?.reason).toContain("with which the account is tried");
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await attempts()).toHaveLength(8);
  // What it has taken once it is given at once the next time.
  await world.pass(EVENING + 6 * HOUR, 5 * MINUTE);
  expect(await answered()).toHaveLength(8);
  await bulk(8, { inputTokensEst: 500_000, deadlineAtMs: EVENING + 24 * HOUR }, 8);
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(16);
});

test("two planners at once never give the same room away", async () => {
  const limit = 20 * TOKENS;
  world = await openWorld({}, { "openai-batch": { "gpt-5-mini": limit } });
  const { sql } = world.database.store;
  const [lane] = [...world.laneDeps.lanes.values()].filter((one) => one.id === "openai-batch");
  const blocked = async (count: number): Promise<void> =>
    until(
      async () => (await sql`select 1 from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`).length === count,
      `${count} planners wait for the quota`,
    );
  const planners: Promise<unknown>[] = [];
  await sql.begin(async (tx) => {
    await lockQuotas(tx as never, [{ lane: "openai-batch", account: lane?.account ?? "", model: "gpt-5-mini" }]);
    for (const from of [0, 15]) {
      await bulk(15, {}, from);
      planners.push(planDue(world.planDeps, signal));
      await blocked(planners.length);
    }
  });
  await Promise.all(planners);
  expect(await heldNow()).toBeLessThanOrEqual(limit);
  expect(await attempts()).toHaveLength(20);
  expect(await waiting()).toHaveLength(10);
});

test("a batch that was planned before its quota was learned is given back unsent when it would only be refused", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await bulk(10);
  await planDue(world.planDeps, signal);
  await bulk(10, {}, 10);
  await planDue(world.planDeps, signal);
  const [first, second] = await world.rows<{ id: string; lane: string; account: string; model: string }>("dispatch", "id, lane, account, model");
  if (!first || !second) throw new Error("two batches were planned");
  await runBatchDispatch(world.laneDeps, first.id, signal);
  await saveQuota(world.database.store.sql, { ...first, limitTokens: 15 * TOKENS, toldTokens: null, learnedAtMs: world.clock.job() });
  await runBatchDispatch(world.laneDeps, second.id, signal);
  const states = await world.rows<{ state: string; ref: string | null }>("dispatch", 'state, provider_ref as "ref"');
  expect(states).toMatchObject([{ state: "submitted" }, { state: "done", ref: null }]);
  expect((await attempts()).filter((row) => row.state === "void").map((row) => row.code)).toEqual(Array(10).fill("token_limit_exceeded"));
  await world.pass(EVENING + 3 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(20);
  expect((await world.emulator.invoice()).lines).toHaveLength(20);
});

test("a worker that dies after it learned, and a planner that starts anew, lose nothing and send nothing twice", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE, enqueuedTokenLimit: 20 * TOKENS });
  const { sql } = world.database.store;
  await bulk(50);
  for (let n = 0; n < 60 && (await refusedCreates()) === 0; n++) {
    await world.look();
    world.clock.advance(MINUTE / 2);
  }
  // Its row was never written: the next worker finds the batch refused once more.
  await sql`update dispatch set state = 'submitted', provider_status = null, ended_at_ms = null, next_poll_at_ms = 0 where provider_status = 'failed'`;
  world.planDeps.quotas.seenRoom.clear();
  await world.pass(EVENING + 6 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(50);
  expect((await world.emulator.invoice()).lines).toHaveLength(50);
  expect(await refusedCreates()).toBe(1);
});

test("a provider that does not name its limit is learned from what it took", async () => {
  world = await openWorld({ batchTurnaroundMs: 15 * MINUTE, enqueuedTokenLimit: 20 * TOKENS });
  const silent = await silencedProvider(world.emulator.url);
  const lanes = createLanes({
    openai: { apiKey: "sk-test", baseURL: `${silent.url}/v1` },
    emulated: true,
    clock: world.clock,
    pace: { rng: testRng(6), nowMs: world.clock.real, waitMsMax: 0 },
  });
  const mute = { ...world.laneDeps, lanes };
  await bulk(60, { deadlineAtMs: EVENING + 20 * HOUR });
  while (world.clock.job() < EVENING + 14 * HOUR) {
    await planDue(world.planDeps, signal);
    const live = await world.database.store.sql<{ id: string }[]>`
      select id from dispatch where state in ('queued', 'running', 'submitted') and coalesce(next_poll_at_ms, 0) <= ${world.clock.job()}::float8`;
    for (const { id } of live) await runBatchDispatch(mute, id, signal);
    world.clock.advance(MINUTE);
  }
  await silent.close();
  const [quota] = await world.database.store.sql`select told_tokens as told, limit_tokens as limit from enqueued_quota`;
  expect(quota).toMatchObject({ told: null, limit: expect.any(Number) });
  expect(await answered()).toHaveLength(60);
  expect(await refusedCreates()).toBeLessThanOrEqual(6);
});
