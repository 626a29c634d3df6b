import { afterEach, beforeEach, expect, test } from "vitest";
import { EVENING, HOUR, openWorld, type World } from "../testing/world.ts";
import { holdPrimed } from "./hold-primed.ts";
import type { HeldGroup } from "./plan-batches.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

test("lines whose priming line was held back itself are looked at again soon, and hang on no batch", async () => {
  const prefix = { lane: "anthropic-batch", account: "anthropic", model: "claude-haiku-4-5", key: "k" };
  const jobs = [{ job: { id: "job_2" } }] as unknown as HeldGroup["jobs"];
  const groups = [{ leaderJobId: "job_1", dispatchId: null, prefix, ttl: "5m", jobs, lookAtMs: EVENING + HOUR }] as unknown as HeldGroup[];
  const held = await holdPrimed(world.database.store.sql, groups, new Map(), EVENING);
  expect(held).toEqual([{ jobId: "job_2", atMs: EVENING + 60_000, waitReason: expect.stringContaining("the line that was to put") }]);
  const led = await holdPrimed(world.database.store.sql, groups, new Map([["job_1", "dsp_1"]]), EVENING);
  expect(led).toEqual([{ jobId: "job_2", atMs: EVENING + HOUR, heldFor: "dsp_1", waitReason: expect.any(String) }]);
});
