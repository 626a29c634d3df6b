import type { Decision } from "@slowboat/contract";
import { readChunk } from "@slowboat/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { planDue } from "./index.ts";
import type { LaneOffer, PlanDeps } from "./planner-deps.ts";
import { turnOf } from "./prompt-cache/in-turn.ts";
import { EVENING, MINUTE, openWorld, type World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const MODEL = "text-embedding-3-small";
const EMBED = { model: MODEL, baselineModel: MODEL, endpoint: "/v1/embeddings", outputTokensEst: 0, lanesAllow: ["openai"] };

/** A real-time lane of eight at a time whose limit lets one call of the model pass in a second. */
function planner(): PlanDeps {
  const view = { concurrency: 8, inFlight: 0, breaker: "closed", waitMs: 0, perSecond: 1 } as const;
  const lanes = world.planDeps.lanes.map(
    (lane): LaneOffer => (lane.id === "openai" ? { ...lane, concurrency: 8, pace: () => ({ parkedMs: 0, models: new Map([[MODEL, view]]) }) } : lane),
  );
  return { ...world.planDeps, lanes };
}

const look = async (deps: PlanDeps): Promise<void> => {
  await planDue(deps, new AbortController().signal);
};

test("what a burst makes late even in a house that puts nothing off is told so, once, and waits behind its tenant's others", async () => {
  const deps = planner();
  await world.accept(60, { ...EMBED, deadlineAtMs: EVENING + MINUTE / 2 });
  const [calm] = await world.accept(1, { ...EMBED, deadlineAtMs: EVENING + 60 * MINUTE, lanesAllow: null });
  const [undated] = await world.accept(1, { ...EMBED, deadlineAtMs: null });
  await look(deps);
  const told = new Map((await world.rows<{ id: string; yields: boolean | null }>("job", "id, yields")).map(({ id, yields }) => [id, yields]));
  expect(told.get(calm as string)).toBe(false);
  expect(told.get(undated as string)).toBeNull();
  const yielding = [...told.values()].filter((yields) => yields === true).length;
  // Eight begin at once and some twenty-eight more in time, at one a second.
  expect(yielding).toBeGreaterThanOrEqual(20);
  expect(yielding).toBeLessThanOrEqual(27);
  const dispatches = await world.rows<{ id: string; lane: string }>("dispatch", "id, lane");
  const rows = (
    await Promise.all(
      dispatches.filter(({ lane }) => lane === "openai").map(({ id }) => readChunk(world.database.store.sql, { dispatchId: id, states: ["intent"] })),
    )
  ).flat();
  const turns = rows.map((row) => ({ row, turn: turnOf(row) }));
  expect(turns.filter(({ turn }) => turn.yields === true)).toHaveLength(yielding);
  for (const { row, turn } of turns) if (row.deadlineAtMs !== null) expect(turn.dueAtMs).toBeLessThan(row.deadlineAtMs);
});

test("a job is planned behind the calls that are due before it, not behind all that wait", async () => {
  const deps = planner();
  await world.accept(50, { ...EMBED, deadlineAtMs: EVENING + 120 * MINUTE });
  await look(deps);
  const [soon] = await world.accept(1, { ...EMBED, deadlineAtMs: EVENING + 10 * MINUTE });
  const [later] = await world.accept(1, { ...EMBED, deadlineAtMs: EVENING + 180 * MINUTE });
  await look(deps);
  const attempts = await world.rows<{ jobId: string; decision: string }>("attempt", `job_id as "jobId", decision`);
  const waitingFor = (id: string | undefined): unknown => {
    const decision = JSON.parse(attempts.find(({ jobId }) => jobId === id)?.decision ?? "{}") as Decision;
    return decision.inputs?.lanes.find((lane) => lane.id === "openai");
  };
  expect(waitingFor(soon)).toMatchObject({ queued: 8, rates: { [MODEL]: { perSecond: 1, waiting: 0 } } });
  expect(waitingFor(later)).toMatchObject({ queued: 50, rates: { [MODEL]: { perSecond: 1, waiting: 50 } } });
  expect(waitingFor(soon)).not.toHaveProperty("due");
});
