import { afterEach, expect, test } from "vitest";
import { planDue } from "./index.ts";
import type { LaneOffer, PlanDeps } from "./planner-deps.ts";
import { EVENING, MINUTE, openWorld, type World } from "./testing/world.ts";

let world: World;
afterEach(() => world.close());

const EMBED = { model: "slowboat-embed", baselineModel: "slowboat-embed", endpoint: "/v1/embeddings", outputTokensEst: 0 } as const;

/** A pool of one token a second, and a real-time lane whose limit lets so many calls of the model pass in a second. */
function planner(perSecond: number): PlanDeps {
  const { planDeps } = world;
  const view = { concurrency: 16, inFlight: 0, breaker: "closed", waitMs: 0, perSecond } as const;
  const lanes = planDeps.lanes.map(
    (lane): LaneOffer =>
      lane.id === "openai" ? { ...lane, pace: () => ({ parkedMs: 0, models: new Map([["text-embedding-3-small", view]]) }) } : lane,
  );
  const pool: LaneOffer = { id: "pool", account: "pool", emulated: false, concurrency: 1 };
  return { ...planDeps, lanes: [...lanes, pool], time: { ...planDeps.time, poolTokensPerSecond: 1 } };
}

test.each([
  ["stays where the real-time line is short", 100, ["pool"]],
  ["leaves at once where that line is long", 0.01, ["pool", "openai"]],
])("work whose turn in the pool does not come before its rescue would begin %s", async (_, perSecond, lanes) => {
  world = await openWorld();
  const deps = planner(perSecond);
  const look = async (): Promise<void> => {
    await planDue(deps, new AbortController().signal);
    world.clock.advance(1_000);
  };
  const [job] = await world.accept(1, { ...EMBED, inputTokensEst: 20, deadlineAtMs: EVENING + 5 * MINUTE });
  await look();
  // Work that is due earlier overtakes it, and one call waits at the limit.
  await world.accept(1, { ...EMBED, inputTokensEst: 400, deadlineAtMs: EVENING + 4 * MINUTE, lanesAllow: ["pool"] });
  const inRealTime = () => world.accept(1, { ...EMBED, inputTokensEst: 5, lanesAllow: ["openai"] });
  await inRealTime();
  await look();
  await inRealTime();
  await look();
  await look();
  const attempts = await world.rows<{ jobId: string; lane: string; state: string }>("attempt", `job_id as "jobId", lane, state`);
  const own = attempts.filter((row) => row.jobId === job);
  expect(own.map(({ lane }) => lane)).toEqual(lanes);
  expect(own.map(({ state }) => state)).toEqual(lanes.length === 1 ? ["intent"] : ["void", "intent"]);
});
