import { expect, test } from "vitest";
import { diceOf } from "./dice.ts";
import { CALM, drawPlan, drawWait } from "./turnaround.ts";

const MINUTE = 60_000;

test("batch turnaround follows the published prior: median 7 min, nine of ten in 70 min, one in a hundred never", () => {
  const seed = 11;
  const draws = Array.from({ length: 20_000 }, (_, i) => drawPlan(diceOf(seed, i), 1, CALM, "prior", null).finishMs ?? Number.POSITIVE_INFINITY).sort(
    (a, b) => a - b,
  );
  const at = (share: number): number => (draws[Math.floor(share * draws.length)] ?? 0) / MINUTE;
  expect(at(0.5)).toBeGreaterThan(6.6);
  expect(at(0.5)).toBeLessThan(7.6);
  expect(at(0.9)).toBeGreaterThan(60);
  expect(at(0.9)).toBeLessThan(80);
  const never = draws.filter((ms) => ms === Number.POSITIVE_INFINITY).length / draws.length;
  expect(never).toBeGreaterThan(0.007);
  expect(never).toBeLessThan(0.02);
});

test("in an incident three of ten batches never finish and the others take hours", () => {
  const draws = Array.from({ length: 4_000 }, (_, i) => drawPlan(diceOf(3, i), 1, { incident: true, multiplier: 1 }, "prior", null).finishMs);
  const done = draws.filter((ms) => ms !== null).sort((a, b) => a - b);
  expect(1 - done.length / draws.length).toBeGreaterThan(0.28);
  expect((done[Math.floor(done.length / 2)] ?? 0) / (60 * MINUTE)).toBeGreaterThan(5);
});

test("a synchronous answer takes some seconds and longer for more tokens; instant takes none", () => {
  const short = drawWait(diceOf(1, "x"), "text", 0, "prior");
  const long = drawWait(diceOf(1, "x"), "text", 600, "prior");
  expect(long.totalMs - short.totalMs).toBe(10_000);
  expect(long.firstMs).toBe(short.firstMs);
  expect(drawWait(diceOf(1, "x"), "flex", 600, "instant")).toEqual({ firstMs: 0, totalMs: 0 });
});
