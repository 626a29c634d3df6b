import { seededRng } from "@slowboat/kernel";
import { openCusum } from "@slowboat/risk";
import { expect, test } from "vitest";
import { watchLoss } from "./teach.ts";

/** Labels until the alarm; `null` where none came within `most`. */
function alarmAfter(rate: number, alpha: number, most: number, seed: number): number | null {
  const rng = seededRng(seed);
  let drift = openCusum();
  for (let n = 1; n <= most; n++) {
    drift = watchLoss(drift, rng.float() < rate ? 1 : 0, alpha);
    if (drift.alarmed) return n;
  }
  return null;
}

test("traffic that loses what is allowed raises no alarm in thousands of labels; traffic that loses much more does soon", () => {
  const quiet = Array.from({ length: 40 }, (_, seed) => alarmAfter(0.02, 0.02, 1_000, seed)).filter((at) => at !== null);
  // A false alarm comes on average after 10,000 labels or more: 40,000 labels see a few at most.
  expect(quiet.length).toBeLessThanOrEqual(4);
  const loud = Array.from({ length: 40 }, (_, seed) => alarmAfter(0.25, 0.02, 200, seed));
  expect(loud.every((at) => at !== null)).toBe(true);
});

test("where 1 in 50 may be lost, 1 in 4 is noticed after about 40 labels, and 1 in 25 after about 900", () => {
  const median = (rate: number): number => {
    const found = Array.from({ length: 200 }, (_, seed) => alarmAfter(rate, 0.02, 20_000, seed) ?? 20_000).sort((a, b) => a - b);
    return found[100] ?? 0;
  };
  expect(Math.abs(median(0.25) - 40)).toBeLessThan(5);
  expect(Math.abs(median(0.04) - 900)).toBeLessThan(100);
});

test("the widest allowed loss can be watched as well", () => {
  expect(alarmAfter(1, 0.5, 100, 1)).not.toBeNull();
  expect(alarmAfter(0.5, 0.5, 200, 1)).toBeNull();
});
