import { afterEach, expect, test } from "vitest";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

let world: World;
afterEach(() => world.close());

interface Seen {
  readonly lane: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly role: string;
}
const attempts = (): Promise<Seen[]> => world.rows<Seen>("attempt", "lane, state, outcome, role");
const LINES = { lanesAllow: ["openai-batch", "openai"], deadlineAtMs: EVENING + 20 * HOUR };

test("a batch that has been out for hours while new ones come back is taken back and sent again at its price, what it had finished kept", async () => {
  world = await openWorld({ batchTurnaroundMs: 30 * HOUR, restarts: true });
  await world.accept(6, LINES);
  await world.pass(EVENING + 90 * MINUTE, 5 * MINUTE);
  const seen = await attempts();
  const back = seen.filter(({ outcome }) => outcome === "recalled");
  expect(back.length).toBeGreaterThan(0);
  // Sent again in a batch, not rescued: hours are left.
  expect(new Set(seen.map(({ lane }) => lane))).toEqual(new Set(["openai-batch"]));
  expect(seen.filter(({ role }) => role === "rescue")).toEqual([]);
  const jobs = await world.rows<{ state: string }>("job", "state");
  const waiting = jobs.filter(({ state }) => state === "placed" || state === "accepted").length;
  expect(waiting + seen.filter(({ state }) => state === "answered").length).toBe(6);
});

test("however slow every batch is, a job is taken back a few times only and its deadline is met in real time", async () => {
  world = await openWorld({ batchTurnaroundMs: 40 * HOUR, restarts: true });
  const end = EVENING + 12 * HOUR;
  await world.accept(2, { ...LINES, deadlineAtMs: end });
  await world.pass(end, 5 * MINUTE);
  const seen = await world.rows<{ jobId: string; outcome: string | null }>("attempt", `job_id as "jobId", outcome`);
  const times = Map.groupBy(
    seen.filter(({ outcome }) => outcome === "recalled"),
    ({ jobId }) => jobId,
  );
  for (const rows of times.values()) expect(rows.length).toBeLessThanOrEqual(6);
  const answered = (await attempts()).filter(({ state }) => state === "answered");
  expect(answered.map(({ lane }) => lane)).toEqual(["openai", "openai"]);
});

test("a batch that comes within the quarter of an hour is left alone", async () => {
  world = await openWorld({ batchTurnaroundMs: 12 * MINUTE, restarts: true });
  await world.accept(3, LINES);
  await world.pass(EVENING + 40 * MINUTE, 2 * MINUTE);
  expect((await attempts()).map(({ state, lane, outcome }) => `${lane} ${state} ${outcome}`)).toEqual(Array(3).fill("openai-batch answered null"));
});
