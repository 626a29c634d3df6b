import { parkLane } from "@slowboat/store";
import { afterEach, expect, test } from "vitest";
import { planDue } from "./index.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

// What an accepted job waits for, in words that its caller reads, and for how long it does.

let world: World;
afterEach(() => world.close());

const { signal } = new AbortController();

interface Held {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly why: string | null;
  readonly error: string | null;
}
const jobs = (): Promise<Held[]> => world.rows<Held>("job", "id, state, attempts, wait_reason as why, error");

/** A lane that refuses everything, as a pool that has gone does. */
async function goneAway(lane: string): Promise<void> {
  const account = [...world.laneDeps.lanes.values()].find((one) => one.id === lane)?.account ?? "";
  await parkLane(world.database.store.sql, { lane, account, code: "gone", nowMs: world.clock.job() });
}

test("a job with a far deadline that waits for others to share its batch says so, and for how long", async () => {
  world = await openWorld();
  await world.accept(1, { lanesAllow: ["openai-batch", "openai"], deadlineAtMs: EVENING + 20 * HOUR });
  await planDue(world.planDeps, signal);
  expect(await jobs()).toMatchObject([
    { state: "accepted", why: expect.stringMatching(/^openai-batch: least expected cost: .*waits for others to share a batch with \(1 so far\)/) },
  ]);
  await world.pass(EVENING + 15 * MINUTE, MINUTE);
  expect(await jobs()).toMatchObject([{ state: "placed", why: null }]);
});

test("a job that waits for another's answer to the same request names it", async () => {
  world = await openWorld();
  const same = { reuseKey: new Uint8Array(32).fill(7), lanesAllow: ["openai-batch", "openai"], batchId: "batch_1" };
  const [first] = await world.accept(1, { ...same, lineNo: 0 });
  await world.accept(1, { ...same, lineNo: 1 });
  await planDue(world.planDeps, signal);
  const waits = (await jobs()).find((job) => job.state === "accepted");
  expect(waits?.why).toBe(`openai-batch: waits for the answer to the same request, which ${first} asks for`);
});

test("a job whose only lane is away says so, is tried once it is back, and never loses its place before a day after its deadline", async () => {
  world = await openWorld();
  const [id] = await world.accept(1, { lanesAllow: ["openai"], deadlineAtMs: EVENING + HOUR });
  await goneAway("openai");
  await planDue(world.planDeps, signal);
  expect(await jobs()).toMatchObject([
    {
      id,
      state: "accepted",
      attempts: 0,
      why: expect.stringContaining("No lane can take the request right now: openai (its account refuses everything (gone))"),
    },
  ]);
  world.clock.advance(24 * HOUR);
  await goneAway("openai");
  await planDue(world.planDeps, signal);
  expect(await jobs()).toMatchObject([{ state: "accepted" }]);
  world.clock.advance(2 * HOUR);
  await world.look();
  expect((await jobs())[0]).toMatchObject({ attempts: 1, why: null });
});

test("a job that was never tried and whose only lane never came back fails a day after its deadline, with the reason", async () => {
  world = await openWorld();
  await world.accept(1, { lanesAllow: ["openai"], deadlineAtMs: EVENING + HOUR });
  await world.accept(1, { lanesAllow: ["openai"], deadlineAtMs: null });
  world.clock.advance(25 * HOUR + MINUTE);
  await goneAway("openai");
  await planDue(world.planDeps, signal);
  for (const job of await jobs()) {
    expect(job).toMatchObject({ state: "failed", attempts: 0 });
    expect(JSON.parse(job.error ?? "{}")).toEqual({
      code: "lane-unavailable",
      message: expect.stringMatching(
        /^No lane took the request until a day after its deadline\. .*openai \(its account refuses everything \(gone\)\)/,
      ),
    });
  }
});
