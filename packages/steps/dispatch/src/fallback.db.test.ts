import type { Fallback } from "@slowboat/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
});
afterEach(() => world.close());

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const CLAUDE: Fallback = { model: "claude-haiku-4-5", provider: "anthropic", endpoint: MESSAGES };
const LUNA: Fallback = { model: "gpt-6-luna", provider: "openai", endpoint: CHAT };
const chain = (...fallbacks: Fallback[]) => ({ fallbacks: JSON.stringify(fallbacks) });
const URGENT = { deadlineAtMs: null };

interface Seen {
  readonly seq: number;
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly role: string;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly model: string | null;
  readonly endpoint: string | null;
  readonly answer: string | null;
  readonly answeredAtMs: number;
}
const COLUMNS = `seq, job_id as "jobId", lane, state, role, outcome, error_code as code, model, endpoint, answer, answered_at_ms as "answeredAtMs"`;
const attempts = async (): Promise<Seen[]> => (await world.rows<Seen>("attempt", COLUMNS)).sort((a, b) => a.seq - b.seq);
const answered = async (): Promise<Seen[]> => (await attempts()).filter((row) => row.state === "answered");
const fails = (path: string, effect: object, times = 10_000): void => world.emulator.addFaults({ match: { path }, times, ...effect });
/** All lanes of the OpenAI account are parked for a day, as another process has written it down. */
const parkOpenAi = async (): Promise<void> => {
  const account = world.planDeps.lanes.find((lane) => lane.id === "openai")?.account ?? "";
  await world.database.store.sql`
    insert into lane_parking (lane, account, code, until_ms, times)
    select lane, ${account}, 'insufficient_quota', ${EVENING + 24 * HOUR}, 1 from unnest(${["openai", "openai-flex", "openai-batch"]}::text[]) as lane`;
};

test("an account that refuses everything hands its jobs to the next model, whose raw answer is kept with the endpoint that was asked", async () => {
  fails(CHAT, { preset: "insufficient-quota" });
  await world.accept(3, { ...URGENT, ...chain(CLAUDE) });
  await world.pass(EVENING + MINUTE, 5_000);
  const done = await answered();
  expect(done).toHaveLength(3);
  for (const row of done) {
    expect(row).toMatchObject({ lane: "anthropic", role: "retry", model: "claude-haiku-4-5", endpoint: MESSAGES });
    expect(JSON.parse(row.answer ?? "")).toMatchObject({ type: "message", usage: { input_tokens: expect.any(Number) } });
  }
  expect((await world.emulator.invoice()).lines.map((line) => line.model)).toEqual(Array(3).fill("claude-haiku-4-5"));
});

test("a provider that fails twice in real time is left for the next model, and that one for the next in its turn", async () => {
  fails(CHAT, { status: 500 }, 4);
  const [chained] = await world.accept(1, { ...URGENT, ...chain(LUNA, CLAUDE), deadlineAtMs: EVENING + HOUR, lanesAllow: ["openai", "anthropic"] });
  await world.pass(EVENING + 2 * MINUTE, 2_000);
  const seen = (await attempts()).filter((row) => row.jobId === chained);
  // The second model has the same provider, and fails for itself.
  expect(seen.map((row) => [row.lane, row.model, row.state])).toEqual([
    ["openai", null, "void"],
    ["openai", null, "void"],
    ["openai", "gpt-6-luna", "void"],
    ["openai", "gpt-6-luna", "void"],
    ["anthropic", "claude-haiku-4-5", "answered"],
  ]);
});

test("a model that its provider does not have is passed over at the first refusal; a bad request is not", async () => {
  fails(
    CHAT,
    { status: 404, body: { error: { message: "The model does not exist", type: "invalid_request_error", param: null, code: "model_not_found" } } },
    1,
  );
  const [gone] = await world.accept(1, { ...URGENT, ...chain(CLAUDE) });
  await world.look();
  await world.look();
  expect((await attempts()).filter((row) => row.jobId === gone)).toMatchObject([
    { lane: "openai", state: "void", outcome: "rejected", code: "model_not_found" },
    { lane: "anthropic", state: "answered" },
  ]);
  const [bad] = await world.accept(1, { ...URGENT, ...chain(CLAUDE), body: '{"model":"gpt-5-mini","messages":"not a list"}' });
  await world.look();
  await world.look();
  expect((await attempts()).filter((row) => row.jobId === bad)).toMatchObject([{ lane: "openai", state: "answered", code: "invalid_type" }]);
});

test("a stand-in that rejects what the pinned model would have taken is never asked again, and the pinned model answers when it is back", async () => {
  fails(CHAT, { status: 503 }, 2);
  fails(MESSAGES, { status: 400, body: { type: "error", error: { type: "invalid_request_error", message: "max_tokens: too many" } } });
  const [id] = await world.accept(1, { ...URGENT, ...chain(CLAUDE) });
  await world.pass(EVENING + 5 * MINUTE, 5_000);
  const seen = (await attempts()).filter((row) => row.jobId === id);
  expect(seen.filter((row) => row.lane === "anthropic")).toMatchObject([{ state: "void", outcome: "rejected" }]);
  expect(seen.at(-1)).toMatchObject({ lane: "openai", state: "answered", model: null });
});

test("patient work rides in the other provider's batch with that provider's own jobs, each in the shape it needs", async () => {
  await parkOpenAi();
  const allow = { lanesAllow: ["openai", "openai-batch", "openai-flex", "anthropic-batch"], batchId: "batch_a" };
  for (let line = 1; line <= 3; line++) await world.accept(1, { ...chain(CLAUDE), ...allow, lineNo: line });
  const body = JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 20, messages: [{ role: "user", content: "Name a lake." }] });
  const own = {
    endpoint: MESSAGES,
    provider: "anthropic",
    model: "claude-haiku-4-5",
    baselineModel: "claude-haiku-4-5",
    body,
    bodyBytes: body.length,
  };
  await world.accept(1, { ...own, lanesAllow: ["anthropic-batch"], batchId: "batch_b", lineNo: 1 });
  await world.pass(EVENING + HOUR, MINUTE);
  const done = await answered();
  expect(done.map((row) => row.lane)).toEqual(Array(4).fill("anthropic-batch"));
  expect(done.map((row) => row.endpoint).sort()).toEqual([MESSAGES, MESSAGES, MESSAGES, null].sort());
  expect(await world.rows("dispatch", "endpoint, model")).toEqual([{ endpoint: MESSAGES, model: "claude-haiku-4-5" }]);
});

test("a late batch whose provider cannot rescue it is rescued by the model that stands in, in time", async () => {
  await world.close();
  world = await openWorld({ batchTurnaroundMs: 48 * HOUR });
  const [id] = await world.accept(1, { ...chain(CLAUDE), lanesAllow: ["openai-batch", "openai", "anthropic"] });
  await world.pass(EVENING + HOUR, MINUTE);
  fails(CHAT, { preset: "insufficient-quota" });
  await world.pass(EVENING + 8 * HOUR, MINUTE);
  const done = (await answered()).filter((row) => row.jobId === id);
  expect(done).toMatchObject([{ lane: "anthropic", model: "claude-haiku-4-5" }]);
  expect(done[0]?.answeredAtMs).toBeLessThanOrEqual(EVENING + 8 * HOUR);
});

test("a body that cannot be translated after all is never sent, in a call or in a batch, and the job goes on to another model", async () => {
  const several = JSON.stringify({ model: "gpt-5-mini", n: 2, messages: [{ role: "user", content: "Name a river." }] });
  await parkOpenAi();
  const batch = { lanesAllow: ["anthropic-batch", "openai"], deadlineAtMs: EVENING + 8 * HOUR };
  await world.accept(1, { ...URGENT, ...chain(CLAUDE), body: several });
  await world.accept(1, { ...batch, ...chain(CLAUDE), body: several });
  await world.pass(EVENING + HOUR, MINUTE);
  const wrong = (await attempts()).filter((row) => row.lane.startsWith("anthropic"));
  expect(new Set(wrong.map((row) => row.lane))).toEqual(new Set(["anthropic", "anthropic-batch"]));
  for (const row of wrong) expect(row).toMatchObject({ state: "void", outcome: "rejected", code: "untranslatable" });
  expect((await world.emulator.invoice()).lines.filter((line) => line.provider === "anthropic")).toEqual([]);
});

test("an answer that was charged and never arrived is held in suspense, and the job is answered by the next model", async () => {
  fails(CHAT, { drop: "after-commit" }, 1);
  await world.accept(1, { ...URGENT, ...chain(CLAUDE) });
  await world.pass(EVENING + 3 * MINUTE, 10_000);
  expect(await attempts()).toMatchObject([
    { lane: "openai", state: "unknown", outcome: "unheard" },
    { lane: "anthropic", state: "answered", model: "claude-haiku-4-5" },
  ]);
});

test("a stand-in's batches keep within its provider's queue as well: what has no room waits, and is not planned again and again", async () => {
  await world.close();
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE, enqueuedTokenLimit: 700 });
  const account = world.planDeps.lanes.find((lane) => lane.id === "anthropic")?.account ?? "";
  await world.database.store.sql`
    insert into lane_parking (lane, account, code, until_ms, times)
    select lane, ${account}, 'billing_error', ${EVENING + 24 * HOUR}, 1 from unnest(${["anthropic", "anthropic-batch"]}::text[]) as lane`;
  const body = JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 20, messages: [{ role: "user", content: "Name a lake." }] });
  const asked = {
    endpoint: MESSAGES,
    provider: "anthropic",
    model: "claude-haiku-4-5",
    baselineModel: "claude-haiku-4-5",
    body,
    bodyBytes: body.length,
  };
  const mini: Fallback = { model: "gpt-5-mini", provider: "openai", endpoint: CHAT };
  for (let line = 1; line <= 30; line++) await world.accept(1, { ...asked, ...chain(mini), inputTokensEst: 40, batchId: "batch_a", lineNo: line });
  await world.pass(EVENING + 4 * HOUR, MINUTE);
  const seen = await attempts();
  const done = seen.filter((row) => row.state === "answered");
  expect(done).toHaveLength(30);
  expect(new Set(done.map((row) => `${row.lane} ${row.model}`))).toEqual(new Set(["openai-batch gpt-5-mini"]));
  // A first file that is refused, perhaps, and what is given back before it is sent; never one attempt a look.
  expect(seen.length).toBeLessThan(120);
});
