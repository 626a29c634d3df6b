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

test("time that was held begins at the announced instant, and slows down without a step", () => {
  let machineMs = 0;
  const clock = jobClock({ realAnchorMs: 1e9, jobAnchorMs: 5000, scale: 100 }, () => machineMs);
  machineMs = 700;
  expect(clock.job()).toBe(5000);
  clock.follow({ realAnchorMs: 1000, jobAnchorMs: 5000, scale: 100 });
  machineMs = 999;
  expect(clock.job()).toBe(5000);
  machineMs = 1010;
  expect(clock.job()).toBe(6000);
  clock.follow({ realAnchorMs: 1020, jobAnchorMs: 7000, scale: 1 });
  machineMs = 1019;
  expect([clock.job(), clock.scale]).toEqual([6900, 100]);
  machineMs = 1030;
  expect([clock.job(), clock.scale]).toEqual([7010, 1]);
});

test("a process that hears late of a slower pace waits rather than going back", () => {
  let machineMs = 0;
  const clock = jobClock({ realAnchorMs: 0, jobAnchorMs: 0, scale: 100 }, () => machineMs);
  machineMs = 50;
  expect(clock.job()).toBe(5000);
  clock.follow({ realAnchorMs: 40, jobAnchorMs: 4000, scale: 1 });
  expect(clock.job()).toBe(5000);
  machineMs = 1200;
  expect(clock.job()).toBe(5160);
});
