import type { BatchLane } from "@slowboat/lanes";
import { afterEach, expect, test } from "vitest";
import { planDue, runBatchDispatch } from "./index.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

let world: World;
afterEach(() => world.close());

const BATCH = { lanesAllow: ["openai-batch", "openai"] };
const DAY_MS = 24 * HOUR;

interface AttemptSeen {
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly role: string;
  readonly statusCode: number | null;
  readonly answeredAtMs: number | null;
}
const attempts = (): Promise<AttemptSeen[]> =>
  world.rows<AttemptSeen>("attempt", `job_id as "jobId", lane, state, role, status_code as "statusCode", answered_at_ms as "answeredAtMs"`);
const answered = async (): Promise<AttemptSeen[]> => (await attempts()).filter((row) => row.state === "answered");

test("work with a far deadline rides in one provider batch, and its answers are kept raw", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  await world.accept(30, BATCH);
  await world.pass(EVENING + HOUR, MINUTE);
  const seen = await attempts();
  expect(seen.every((row) => row.lane === "openai-batch" && row.state === "answered" && row.statusCode === 200)).toBe(true);
  expect(seen).toHaveLength(30);
  expect(await world.rows("dispatch", "id")).toHaveLength(1);
  const [kept] = await world.database.store.sql<{ answer: string }[]>`select answer from attempt limit 1`;
  expect(JSON.parse(kept?.answer ?? "")).toMatchObject({ object: "chat.completion", usage: { prompt_tokens: expect.any(Number) } });
});

test("a batch that does not come back is cancelled at the latest start time, harvested, and the rest makes the deadline in real time", async () => {
  world = await openWorld({ batchTurnaroundMs: DAY_MS * 2 });
  await world.accept(20, BATCH);
  await world.pass(EVENING + 8 * HOUR, MINUTE);
  const done = await answered();
  expect(new Set(done.map((row) => row.jobId)).size).toBe(20);
  expect(done.every((row) => (row.answeredAtMs ?? Number.POSITIVE_INFINITY) <= EVENING + 8 * HOUR)).toBe(true);
  expect(done.some((row) => row.lane === "openai" && row.role === "rescue")).toBe(true);
  // The rescue waits as long as it may: nothing was started in the first six hours.
  expect(done.filter((row) => row.lane === "openai").every((row) => (row.answeredAtMs ?? 0) > EVENING + 6 * HOUR)).toBe(true);
  const invoice = await world.emulator.invoice();
  expect(invoice.lines).toHaveLength(done.length);
});

test("a batch that is cancelled for some lines is a rescue for those alone: the others have their time and may go into a batch again", async () => {
  world = await openWorld({ batchTurnaroundMs: DAY_MS * 2 });
  const bulk = (count: number, hours: number, from: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        world.accept(1, { ...BATCH, batchId: "batch_1", lineNo: from + i, deadlineAtMs: EVENING + hours * HOUR }),
      ),
    );
  const near = (await bulk(10, 9, 0)).flat();
  const far = (await bulk(4, 16, 10)).flat();
  await world.pass(EVENING + 9 * HOUR, 2 * MINUTE);
  // Some lines had ended in the batch before it was cancelled, and came back with it.
  const first = await answered();
  const left = (ids: readonly string[]): string[] => ids.filter((id) => !first.some((row) => row.jobId === id && row.role === "try"));
  expect(left(far).length).toBeGreaterThan(0);
  expect(
    first
      .filter((row) => row.role === "rescue")
      .map((row) => row.jobId)
      .sort(),
  ).toEqual(left(near).sort());
  // Of the others the batch is gone as well, but not their time.
  const again = (await attempts()).filter((row) => far.includes(row.jobId) && row.role !== "try");
  expect(again.map((row) => [row.jobId, row.role, row.lane]).sort()).toEqual(
    left(far)
      .sort()
      .map((id) => [id, "retry", "openai-batch"]),
  );
  await world.pass(EVENING + 15.5 * HOUR, 4 * MINUTE);
  // The rescue has some ten minutes; a look of the planner's is less than a second.
  await world.pass(EVENING + 16 * HOUR, MINUTE);
  const done = (await answered()).filter((row) => far.includes(row.jobId));
  expect(new Set(done.map((row) => row.jobId))).toEqual(new Set(far));
  expect(done.every((row) => (row.answeredAtMs ?? Number.POSITIVE_INFINITY) <= EVENING + 16 * HOUR)).toBe(true);
}, 90_000);

test("a create whose reply was lost is found again and never sent twice", async () => {
  world = await openWorld({ batchTurnaroundMs: 5 * MINUTE });
  world.emulator.addFaults({ match: { provider: "openai", method: "POST", path: "/v1/batches" }, drop: "after-commit", times: 1 });
  await world.accept(10, BATCH);
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await answered()).toHaveLength(10);
  const state = (await (await fetch(`${world.emulator.url}/emulator/state`)).json()) as { batches: unknown[] };
  expect(state.batches).toHaveLength(1);
});

test("one bad line is refused alone and the others are answered", async () => {
  world = await openWorld({ batchTurnaroundMs: 5 * MINUTE });
  await world.accept(5, BATCH);
  await world.accept(1, { ...BATCH, body: '{"model":"gpt-5-mini","messages":"not a list"}', bodyBytes: 46 });
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  const done = await answered();
  expect(done.filter((row) => row.statusCode === 200)).toHaveLength(5);
  expect(done.filter((row) => row.statusCode === 400)).toHaveLength(1);
});

test("an urgent job is sent in real time at the first look", async () => {
  world = await openWorld();
  await world.accept(1, { deadlineAtMs: null });
  await world.look();
  expect(await answered()).toMatchObject([{ lane: "openai", role: "try", statusCode: 200 }]);
});

test("a rate limit sends the job back to planning with the provider's delay, and it is answered later", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, preset: "rate-limit", times: 1 });
  await world.accept(1, { deadlineAtMs: null });
  await world.look();
  expect(await answered()).toHaveLength(0);
  const [job] = await world.rows<{ state: string; due: number }>("job", "state, next_decision_at_ms as due");
  expect(job?.state).toBe("accepted");
  expect(job?.due).toBeGreaterThan(world.clock.job());
  await world.pass(EVENING + 10 * MINUTE, 10_000);
  expect(await answered()).toHaveLength(1);
});

test("an answer that was charged and never arrived is held in suspense, and the job is answered by another attempt", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, drop: "after-commit", times: 1 });
  await world.accept(1, { deadlineAtMs: null });
  await world.pass(EVENING + 10 * MINUTE, 10_000);
  const seen = await attempts();
  expect(seen.map((row) => row.state).sort()).toEqual(["answered", "unknown"]);
  expect((await world.emulator.invoice()).lines).toHaveLength(2);
});

test("the same request in one claim goes out once, and the others wait for its answer", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await world.accept(6, { ...BATCH, reuseKey: new Uint8Array(32).fill(7) });
  await world.pass(EVENING + 12 * MINUTE, MINUTE);
  expect(await attempts()).toHaveLength(1);
  const jobs = await world.rows<{ leader: string | null; state: string }>("job", "leader_id as leader, state");
  expect(jobs.filter((job) => job.leader !== null && job.state === "accepted")).toHaveLength(5);
});

test("single jobs that trickle in wait for company within the bound, then share a batch", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await world.accept(1, BATCH);
  await world.look();
  expect(await attempts()).toHaveLength(0);
  world.clock.advance(2 * MINUTE);
  await world.accept(1, BATCH);
  await world.pass(EVENING + 12 * MINUTE, MINUTE);
  expect(await world.rows("dispatch", "id")).toHaveLength(1);
  expect(await attempts()).toHaveLength(2);
});

test("a worker that died while sending leaves a suspense and not a second silent call", async () => {
  world = await openWorld();
  const [jobId] = await world.accept(1, { deadlineAtMs: null });
  await planDue(world.planDeps, new AbortController().signal);
  await world.database.store.sql`update attempt set state = 'sending'`;
  await world.database.store.sql`update dispatch set state = 'running', lease_gen = 1, lease_until_real_ms = ${world.clock.real() - 1}`;
  await world.pass(EVENING + 5 * MINUTE, 10_000);
  const seen = await attempts();
  expect(
    seen
      .filter((row) => row.jobId === jobId)
      .map((row) => row.state)
      .sort(),
  ).toEqual(["answered", "unknown"]);
});

test("a worker that loses its dispatch when the batch is made leaves nothing behind: the next one adopts it, harvests it and pays for it once", async () => {
  world = await openWorld({ batchTurnaroundMs: 20 * MINUTE });
  const { sql } = world.database.store;
  const { signal } = new AbortController();
  await world.accept(30, BATCH);
  while ((await sql`select 1 from dispatch`).length === 0) {
    await planDue(world.planDeps, signal);
    world.clock.advance(MINUTE);
  }
  const [dispatch] = await sql<{ id: string }[]>`select id from dispatch where lane = 'openai-batch'`;
  const id = dispatch?.id ?? "";
  const lane = world.laneDeps.lanes.get("openai-batch") as BatchLane;
  // Another worker takes the dispatch over before the first one has written down what the provider said; so it looks after a kill, too.
  const overtaken: BatchLane = {
    ...lane,
    submit: async (...asked) => {
      const made = await lane.submit(...asked);
      await sql`update dispatch set lease_gen = lease_gen + 1, lease_until_real_ms = null where id = ${id}`;
      return made;
    },
  };
  await runBatchDispatch({ ...world.laneDeps, lanes: new Map([["openai-batch", overtaken]]) }, id, signal);
  await world.pass(world.clock.job() + HOUR, MINUTE);
  expect((await attempts()).map((row) => row.state)).toEqual(Array(30).fill("answered"));
  expect((await world.emulator.invoice()).lines).toHaveLength(30);
});
