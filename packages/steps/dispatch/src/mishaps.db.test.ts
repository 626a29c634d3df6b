import { until } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { planDue, runBatchDispatch } from "./index.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

// What a provider's bad minutes may cost: time, and never money or a job.

let world: World;
afterEach(() => world.close());

const BATCH = { lanesAllow: ["openai-batch", "openai"] };
const CREATE = { provider: "openai", method: "POST", path: "/v1/batches" } as const;
const { signal } = new AbortController();

interface Seen {
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly statusCode: number | null;
}
const attempts = (): Promise<Seen[]> => world.rows<Seen>("attempt", `job_id as "jobId", lane, state, status_code as "statusCode"`);
const answered = async (): Promise<Seen[]> => (await attempts()).filter((row) => row.state === "answered");
const lanesOf = (rows: readonly Seen[]): string[] => [...new Set(rows.map((row) => row.lane))];

test.each(["rate-limit", "server-error", "html-503"] as const)(
  "a create refused by %s waits and goes out again as a batch, not at twice the price",
  async (preset) => {
    world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
    world.emulator.addFaults({ match: CREATE, preset, times: 3 });
    await world.accept(30, BATCH);
    await world.pass(EVENING + 2 * HOUR, MINUTE);
    expect(await answered()).toHaveLength(30);
    expect(lanesOf(await answered())).toEqual(["openai-batch"]);
  },
);

test.each([
  { lane: "openai-batch", path: "/v1/batches", job: { lanesAllow: ["openai-batch", "openai"] } },
  {
    lane: "anthropic-batch",
    path: "/v1/messages/batches",
    job: {
      lanesAllow: ["anthropic-batch", "anthropic"],
      endpoint: "/v1/messages",
      provider: "anthropic",
      model: "claude-haiku-4-5",
      baselineModel: "claude-haiku-4-5",
      body: '{"model":"claude-haiku-4-5","max_tokens":20,"messages":[{"role":"user","content":"Name a river."}]}',
      bodyBytes: 99,
    },
  },
] as const)(
  "a list that fails while a lost create is looked for on $lane gives nothing back that may have been paid for",
  async ({ lane, path, job }) => {
    world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
    world.emulator.addFaults(
      { match: { method: "POST", path }, drop: "after-commit" },
      { match: { method: "GET", path }, preset: "server-error", times: 2 },
      { match: { method: "GET", path }, preset: "rate-limit" },
    );
    await world.accept(10, { ...job, lanesAllow: [...job.lanesAllow] });
    await world.pass(EVENING + 2 * HOUR, MINUTE);
    expect(await attempts()).toHaveLength(10);
    expect(lanesOf(await answered())).toEqual([lane]);
    expect((await world.emulator.invoice()).lines).toHaveLength(10);
  },
);

test("lines of a create that was never heard of, whose jobs went elsewhere meanwhile, end in suspense and not in limbo", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  world.emulator.addFaults({ match: CREATE, drop: "before" });
  await world.accept(5, BATCH);
  await world.look();
  world.clock.advance(15 * MINUTE); // single jobs wait for company
  await world.look();
  expect((await attempts()).map((row) => row.state)).toEqual(Array(5).fill("sending"));
  await world.database.store.sql`update job set state = 'cancelled', next_decision_at_ms = null`;
  await world.pass(EVENING + HOUR, MINUTE);
  expect((await attempts()).map((row) => row.state)).toEqual(Array(5).fill("unknown"));
  expect((await world.emulator.invoice()).lines).toEqual([]);
});

test("a bad line fails alone, and the good ones of its refused file go out again as a batch", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  await world.accept(14, BATCH);
  const [bad] = await world.accept(1, { ...BATCH, body: '{"model":"gpt-5-mini"}', bodyBytes: 22 });
  await world.accept(15, BATCH);
  await world.pass(EVENING + 3 * HOUR, MINUTE);
  const done = await answered();
  expect(done.filter((row) => row.statusCode === 200)).toHaveLength(29);
  expect(lanesOf(done)).toEqual(["openai-batch"]);
  expect(done.filter((row) => row.statusCode !== 200).map((row) => row.jobId)).toEqual([bad]);
});

test("a crash between the two halves of a refused file fails nobody else", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  const [bad] = await world.accept(1, { ...BATCH, body: '{"model":"gpt-5-mini"}', bodyBytes: 22 });
  await world.accept(9, BATCH);
  await world.look();
  // The bad line was taken, and the worker died before it gave the others back.
  await world.database.store.sql`update attempt set state = 'answered', status_code = 400, answer = '{}' where job_id = ${bad ?? ""}`;
  await world.pass(EVENING + 3 * HOUR, MINUTE);
  const refused = (await answered()).filter((row) => row.statusCode !== 200);
  expect(refused.map((row) => row.jobId)).toEqual([bad]);
  expect((await answered()).filter((row) => row.statusCode === 200)).toHaveLength(9);
});

test("what was cancelled or taken back before the upload is neither sent nor paid", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  const ids = await world.accept(30, BATCH);
  await planDue(world.planDeps, signal);
  world.clock.advance(15 * MINUTE); // single jobs wait for company
  await planDue(world.planDeps, signal);
  expect(await attempts()).toHaveLength(30);
  await world.database.store.sql`update job set state = 'cancelled', next_decision_at_ms = null where id <> ${ids[7] ?? ""}`;
  await world.pass(EVENING + HOUR, MINUTE);
  expect((await world.emulator.invoice()).lines).toHaveLength(1);
  expect((await answered()).map((row) => row.jobId)).toEqual([ids[7]]);
  expect((await attempts()).filter((row) => row.state === "void")).toHaveLength(29);
});

test("a quota that is full parks the lane for a while, and the work goes on when it is over", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, preset: "insufficient-quota", times: 1 });
  await world.accept(40, { lanesAllow: ["openai"], deadlineAtMs: null });
  await world.look();
  expect((await attempts()).filter((row) => row.state === "void").length).toBeGreaterThan(0);
  expect((await answered()).length).toBeLessThan(40);
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await answered()).toHaveLength(40);
});

test("an hour of outage costs a job that can wait nothing but time", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, preset: "html-503", times: 40 });
  await world.accept(2, { lanesAllow: ["openai"] });
  await world.pass(EVENING + 7 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(2);
  expect((await world.emulator.invoice()).lines).toHaveLength(2);
});

test("status polls that fail for half an hour do not abandon a batch that was paid for", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await world.accept(20, BATCH);
  await world.look();
  world.emulator.addFaults({ match: { provider: "openai", method: "GET", path: "/v1/batches/*" }, preset: "server-error", times: 40 });
  await world.pass(EVENING + 4 * HOUR, MINUTE);
  expect(await answered()).toHaveLength(20);
  expect((await world.emulator.invoice()).lines).toHaveLength(20);
});

test("a batch that its provider denies counts as lost, and its answers are taken all the same when it is there again", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await world.accept(5, BATCH);
  await world.look();
  world.emulator.addFaults({
    match: { provider: "openai", method: "GET", path: "/v1/batches/*" },
    status: 404,
    body: { error: { message: "No batch found", type: "invalid_request_error", param: null, code: null } },
    times: 21,
  });
  await world.pass(EVENING + 5 * HOUR, MINUTE);
  const done = await attempts();
  expect(new Set(done.filter((row) => row.state === "answered").map((row) => row.jobId)).size).toBe(5);
  // Every line of the bill belongs to an answer that was kept: none is left in suspense.
  expect((await world.emulator.invoice()).lines).toHaveLength(done.filter((row) => row.state === "answered").length);
});

test("a batch of an account that is not here waits for it to come back, and is not thrown away", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await world.accept(5, BATCH);
  await world.look();
  const [dispatch] = await world.rows<{ id: string }>("dispatch", "id");
  const lanes = new Map(world.laneDeps.lanes);
  lanes.delete("openai-batch");
  world.clock.advance(30 * MINUTE);
  await runBatchDispatch({ ...world.laneDeps, lanes }, dispatch?.id ?? "", signal);
  expect((await attempts()).every((row) => row.state === "placed")).toBe(true);
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  expect(lanesOf(await answered())).toEqual(["openai-batch"]);
});

test("a call that hangs on a cheap lane is run in real time beside it before the deadline", async () => {
  world = await openWorld();
  const [id] = await world.accept(1, { lanesAllow: ["openai-flex", "openai"], deadlineAtMs: EVENING + 2 * HOUR });
  await planDue(world.planDeps, signal);
  await world.database.store.sql`update attempt set state = 'sending', sent_at_ms = ${world.clock.job()}`;
  await world.database.store.sql`update dispatch set state = 'running', lease_gen = 1, lease_until_real_ms = ${world.clock.real() + 1e12}`;
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  expect(await answered()).toMatchObject([{ jobId: id, lane: "openai" }]);
  const hedge = await world.rows<{ id: string }>("attempt", "id");
  expect(await world.rows("job", 'attempts, attempt_id as "attemptId"')).toEqual([{ attempts: 2, attemptId: hedge[1]?.id }]);
});

test("a late job that is being sent at the very moment it would be taken back keeps its attempt, and its answer", async () => {
  world = await openWorld();
  const { sql } = world.database.store;
  const [id] = await world.accept(1, { lanesAllow: ["openai-flex", "openai"], deadlineAtMs: EVENING + 2 * HOUR });
  await planDue(world.planDeps, signal);
  expect(await attempts()).toMatchObject([{ lane: "openai-flex", state: "intent" }]);
  const [job] = await world.rows<{ dueMs: number }>("job", 'next_decision_at_ms as "dueMs"');
  world.clock.advance((job?.dueMs ?? 0) - world.clock.job());
  let planning: Promise<unknown> = Promise.resolve();
  // The worker's commit is held back until the planner, which has read the attempt as unsent, waits for the row.
  await sql.begin(async (tx) => {
    await tx`update attempt set state = 'sending', sent_at_ms = ${world.clock.job()}`;
    planning = planDue(world.planDeps, signal);
    await until(
      async () => (await sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length > 0,
      "the planner waits for the row",
    );
  });
  await planning;
  const [first] = await attempts();
  expect(first).toMatchObject({ jobId: id, lane: "openai-flex", state: "sending" });
});

test("a late job whose batch took a whole day to expire is run again, and not given up for its age", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  world.emulator.addFaults({ match: CREATE, batch: { hangs: { doneShare: 0.5 } } });
  await world.accept(10, { lanesAllow: ["openai-batch"], deadlineAtMs: EVENING - HOUR });
  await world.pass(EVENING + 27 * HOUR, 10 * MINUTE);
  expect(await answered()).toHaveLength(10);
  expect((await attempts()).filter((row) => row.state === "void")).toHaveLength(5);
});

test("a batch whose cancellation is refused again and again is harvested all the same when it ends", async () => {
  world = await openWorld({ batchTurnaroundMs: 3 * HOUR });
  world.emulator.addFaults({ match: { method: "POST", path: "/v1/batches/:id/cancel" }, preset: "server-error", times: 10_000 });
  await world.accept(20, { ...BATCH, deadlineAtMs: EVENING + 2 * HOUR });
  await world.pass(EVENING + 4 * HOUR, MINUTE);
  const states = new Map((await attempts()).map((row) => [row.lane, row.state]));
  expect(states.get("openai-batch")).toBe("answered");
  expect((await world.emulator.invoice()).lines).toHaveLength((await answered()).length);
});

test("lines that went into a batch while real time was away are looked at before their deadline, and rescued when it is back", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  world.emulator.addFaults({ match: CREATE, batch: { hangs: { doneShare: 0 } } });
  const account = world.laneDeps.lanes.get("openai")?.account ?? "";
  await world.database.store.sql`
    insert into lane_parking (lane, account, code, until_ms, times) values ('openai', ${account}, 'insufficient_quota', ${EVENING + HOUR}, 1)`;
  await world.accept(3, { ...BATCH, lanesAllow: ["openai-batch", "openai"], deadlineAtMs: EVENING + 6 * HOUR });
  await world.pass(EVENING + 6 * HOUR, 2 * MINUTE);
  expect((await answered()).map((row) => row.lane)).toEqual(["openai", "openai", "openai"]);
});
