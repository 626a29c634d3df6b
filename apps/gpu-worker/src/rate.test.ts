import { expect, test } from "vitest";
import { createRate } from "./rate.ts";

test("the rate is work over working time, and a half-life ago counts half", () => {
  const rate = createRate(1_000);
  expect(rate.perSecond()).toBe(0);
  rate.add(500, 1_000);
  expect(rate.perSecond()).toBeCloseTo(500, 9);
  rate.add(2_000, 1_000);
  expect(rate.perSecond()).toBeCloseTo((0.5 * 500 + 2_000) / 1.5, 9);
  for (let i = 0; i < 40; i++) rate.add(100, 1_000);
  expect(rate.perSecond()).toBeCloseTo(100, 3);
});
