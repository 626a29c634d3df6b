import { expect, test } from "vitest";
import { type LearnedQuota, learnQuota, limitNow, unprovenLimit } from "./index.ts";

const NOW = Date.UTC(2026, 10, 25);
const HOUR = 3_600_000;
const refusal = (toldTokens: number | null, othersTokens: number, batchTokens: number) => ({ toldTokens, othersTokens, batchTokens });

test("a limit that the provider names and that explains the refusal is taken as it is", () => {
  expect(learnQuota(null, refusal(900_000, 800_000, 200_000), NOW)).toEqual({ limitTokens: 900_000, toldTokens: 900_000, learnedAtMs: NOW });
});

test("a named limit that was raised is believed again, whatever was known", () => {
  const known: LearnedQuota = { limitTokens: 100_000, toldTokens: 100_000, learnedAtMs: NOW };
  expect(learnQuota(known, refusal(900_000, 0, 1_000_000), NOW + HOUR).limitTokens).toBe(900_000);
});

test("where no limit is named, or the named one does not explain the refusal, what was taken beside it is known to fit", () => {
  expect(learnQuota(null, refusal(null, 300_000, 200_000), NOW)).toEqual({ limitTokens: 300_000, toldTokens: null, learnedAtMs: NOW });
  expect(learnQuota(null, refusal(900_000, 300_000, 200_000), NOW)).toEqual({ limitTokens: 300_000, toldTokens: 900_000, learnedAtMs: NOW });
});

test("refused with nothing else out, half is tried next, so that any limit is found in a few steps", () => {
  let known: LearnedQuota | null = null;
  let steps = 0;
  let batch = 1_500_000;
  for (; batch > 40_000; steps++) {
    known = learnQuota(known, refusal(null, 0, batch), NOW);
    batch = known.limitTokens;
  }
  expect(steps).toBe(6);
});

test("a refusal of less than any limit could be teaches no smaller one", () => {
  expect(learnQuota(null, refusal(null, 0, 900), NOW).limitTokens).toBe(900);
  expect(learnQuota(null, refusal(15_000_000_000, 40, 900), NOW).limitTokens).toBe(940);
  expect(learnQuota(null, refusal(null, 5_000, 40_000), NOW).limitTokens).toBe(20_000);
});

test("an inferred limit never rises by a refusal", () => {
  const known: LearnedQuota = { limitTokens: 50_000, toldTokens: null, learnedAtMs: NOW };
  expect(learnQuota(known, refusal(null, 400_000, 1_000), NOW).limitTokens).toBe(50_000);
});

test("a named limit holds for a day and is then probed; an inferred one grows from the start, up to the named one", () => {
  const told: LearnedQuota = { limitTokens: 900_000, toldTokens: 900_000, learnedAtMs: NOW };
  expect([0, 12, 24, 26].map((h) => limitNow(told, NOW + h * HOUR))).toEqual([900_000, 900_000, 900_000, 1_800_000]);
  const inferred: LearnedQuota = { limitTokens: 100_000, toldTokens: null, learnedAtMs: NOW };
  expect([0, 2, 4].map((h) => limitNow(inferred, NOW + h * HOUR))).toEqual([100_000, 200_000, 400_000]);
  expect(limitNow({ ...inferred, toldTokens: 150_000 }, NOW + 4 * HOUR)).toBe(150_000);
  expect(Number.isFinite(limitNow(inferred, NOW + 10_000 * HOUR))).toBe(true);
  expect(limitNow(inferred, NOW - HOUR)).toBe(100_000);
});

test("an account that shows that it takes more is given as much again", () => {
  expect(unprovenLimit(0)).toBe(1_500_000);
  expect(unprovenLimit(6_000_000)).toBe(12_000_000);
});
