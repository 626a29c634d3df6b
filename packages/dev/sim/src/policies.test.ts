import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { greedyBound } from "./bound.ts";
import { ALL_REALTIME, BASELINES, OURS } from "./policies.ts";
import { hindsight, type Mix, replay, type TraceRow } from "./trace.ts";
import { inTime, type Outcome, runWorld } from "./world.ts";

const NANO_A_WORK = 250;

/** Five thousand requests, evenly over an hour: enough that the rate limit holds many calls, with the sizes of chat. */
function steady(seed: number): TraceRow[] {
  const rng = seededRng(seed);
  const size = (median: number): number => Math.max(1, Math.round(median * Math.exp(2 * (rng.float() - 0.5))));
  return Array.from({ length: 5_000 }, (_, i) => ({ arrivedAtMs: i * 720, inputTokens: size(900), outputTokens: size(130), tenant: "" }));
}

function lives(mix: Mix, poolShare: number): { ours: Outcome; ratio: (outcome: Outcome) => number; missed: number; others: Outcome[] } {
  const spec = replay(steady(5), { mix, poolShare, draws: 30_000, seed: 2 });
  const { groups, work } = hindsight(spec);
  const least = greedyBound(groups, work, spec.poolRate) * work * NANO_A_WORK;
  const feasible = runWorld(spec, ALL_REALTIME).states.map(inTime);
  const ours = runWorld(spec, OURS);
  const missed = ours.states.filter((state, no) => feasible[no] && !inTime(state)).length;
  return { ours, ratio: ({ paidNano }) => Number(paidNano) / least, missed, others: BASELINES.map((policy) => runWorld(spec, policy)) };
}

test.each([
  ["mixed", 0, 1.1],
  ["mixed", 0.35, 1.35],
  ["overnight", 0.35, 1.35],
  ["interactive-heavy", 0, 1.12],
] as const)(
  "on a steady %s load with a pool of %d the house stays within %d of what hindsight would have paid, misses nothing, and is cheapest",
  (mix, pool, aim) => {
    const { ours, ratio, missed, others } = lives(mix, pool);
    expect(ours.violations).toEqual([]);
    expect(missed).toBe(0);
    expect(ratio(ours)).toBeGreaterThanOrEqual(1);
    expect(ratio(ours)).toBeLessThan(aim);
    for (const other of others) expect(other.paidNano).toBeGreaterThan(ours.paidNano);
  },
);

test("rescues begin late: 999 of 1000 with less than fifteen minutes left", () => {
  const { ours } = lives("overnight", 0);
  const slack = [...ours.rescueSlackMs].sort((a, b) => a - b);
  expect(slack.length).toBeGreaterThan(0);
  expect(slack[Math.floor(0.999 * slack.length)]).toBeLessThan(15 * 60_000);
});

test("all policies meet the same luck: a job in real time takes as long under each", () => {
  const spec = replay(steady(9), { mix: "mixed", poolShare: 0.35, draws: 30_000, seed: 1 });
  const [one, two] = [runWorld(spec, ALL_REALTIME), runWorld(spec, OURS)];
  const both = one.states.flatMap((state, no) => {
    const other = two.states[no];
    return other?.lane === state.lane && other.tried.length === 0 && !other.hedged ? [[state.finishedAtMs, other.finishedAtMs]] : [];
  });
  expect(both.length).toBeGreaterThan(20);
  const same = both.filter(([a, b]) => a === b).length;
  expect(same / both.length).toBeGreaterThan(0.9);
});
