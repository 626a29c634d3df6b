import { expect, test } from "vitest";
import { jobClock, systemClock } from "./clock.ts";

test("job time passes at the scale of the row, from its anchor", () => {
  let machineMs = 1000;
  const clock = jobClock({ realAnchorMs: 1000, jobAnchorMs: 5_000_000, scale: 60 }, () => machineMs);
  expect([clock.job(), clock.real()]).toEqual([5_000_000, 1000]);
  machineMs = 2000.9;
  expect([clock.job(), clock.real()]).toEqual([5_060_054, 2000]);
});

test("job time never runs backwards, though the machine's clock may", () => {
  let machineMs = 10_000;
  const clock = jobClock({ realAnchorMs: 0, jobAnchorMs: 0, scale: 2 }, () => machineMs);
  expect(clock.job()).toBe(20_000);
  machineMs = 4000;
  expect([clock.job(), clock.real()]).toEqual([20_000, 4000]);
  machineMs = 10_001;
  expect(clock.job()).toBe(20_002);
});

test("without a row both times are the machine's", () => {
  const before = Date.now();
  const clock = systemClock();
  expect(clock.job()).toBeGreaterThanOrEqual(before);
  expect(clock.job()).toBeLessThanOrEqual(Date.now());
  expect(clock.scale).toBe(1);
});
