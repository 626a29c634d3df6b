import { expect, test } from "vitest";
import { INVARIANTS } from "./audit.ts";
import { OURS } from "./policies.ts";
import { runSeeds } from "./run-seeds.ts";
import { scenario } from "./scenario.ts";
import { FAILED_ONCE, PLANTED } from "./seeds.ts";
import { PLANTS } from "./spec.ts";
import { inTime, runWorld } from "./world.ts";

test("no invariant breaks in the first fifty worlds, nor in those in which one broke once", () => {
  const report = runSeeds([...Array.from({ length: 50 }, (_, i) => i + 1), ...FAILED_ONCE], null);
  expect(report.violations).toEqual([]);
  expect(report.jobs).toBe(500 * report.seeds);
});

test.each(PLANTS.map((plant, i) => [plant, INVARIANTS[i]] as const))("the planted bug %s is found, by %s", (plant, invariant) => {
  const known = PLANTED[plant];
  expect(known).toBeLessThanOrEqual(500);
  const report = runSeeds([known], plant);
  expect(report.planted_found).toBe(known);
  expect(report.violations.map((violation) => violation.invariant)).toContain(invariant);
  expect(runSeeds([known], null).violations).toEqual([]);
});

test("the same seed gives the same world and the same life in it", () => {
  expect(scenario(11)).toEqual(scenario(11));
  const [one, two] = [runWorld(scenario(11), OURS), runWorld(scenario(11), OURS)];
  expect([two.paidNano, two.events]).toEqual([one.paidNano, one.events]);
  expect(two.states.map((state) => [state.place, state.lane, state.finishedAtMs])).toEqual(
    one.states.map((state) => [state.place, state.lane, state.finishedAtMs]),
  );
  expect(one.states.filter(inTime).length).toBeGreaterThan(0);
});
