import { expect, test } from "vitest";
import { flexCdf, realtimeCdf, realtimeQ99Ms } from "./latency.ts";
import { batchCdf, batchCdfGiven, batchQuantile } from "./turnaround.ts";

const minutes = (p: number): number | null => {
  const q = batchQuantile(p, 1);
  return q === null ? null : Math.round(q / 6000) / 10;
};

test("the prior has the published quantiles: 7.1, 18.6, 70 and 247 minutes, and one batch in a hundred never ends", () => {
  expect(minutes(0.5)).toBeCloseTo(7.1, 1);
  expect(minutes(0.75)).toBeCloseTo(18.6, 1);
  expect(minutes(0.9)).toBeGreaterThan(69);
  expect(minutes(0.9)).toBeLessThan(71);
  expect(minutes(0.95)).toBeGreaterThan(245);
  expect(minutes(0.95)).toBeLessThan(249);
  expect(minutes(0.99)).toBeNull();
});

test("the distribution only grows, stays below .99, and larger batches are later", () => {
  let last = 0;
  for (let ms = 1000; ms < 40 * 3_600_000; ms *= 1.3) {
    const p = batchCdf(ms, 1);
    expect(p).toBeGreaterThanOrEqual(last);
    expect(p).toBeLessThan(0.99);
    expect(batchCdf(ms, 50_000)).toBeLessThanOrEqual(p);
    last = p;
  }
});

test("a batch that has been out for long is less likely to end soon than a fresh one", () => {
  const fresh = batchCdfGiven(0, 600_000, 1);
  expect(fresh).toBeCloseTo(batchCdf(600_000, 1), 9);
  expect(batchCdfGiven(3 * 3_600_000, 600_000, 1)).toBeLessThan(fresh / 3);
  expect(batchCdfGiven(24 * 3_600_000, 3_600_000, 1)).toBe(0);
});

test("real time and flex lie where their priors say", () => {
  expect(realtimeCdf(6000, 0)).toBeCloseTo(0.5, 3);
  expect(realtimeCdf(realtimeQ99Ms(600), 600)).toBeCloseTo(0.99, 3);
  expect(flexCdf(40_000, 0)).toBeLessThan(0.5);
  expect(flexCdf(15 * 60_000, 0)).toBeGreaterThan(0.99);
});
