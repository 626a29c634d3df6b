import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { learnTurnaround, type SeenBatch } from "./learn.ts";
import { restartPays } from "./rescue.ts";
import { batchCdf, batchCdfGiven, batchQuantile } from "./turnaround.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 23);
const ended = (agoMs: number, tookMs: number): SeenBatch => ({ submittedAtMs: NOW - agoMs, lastAtMs: NOW - agoMs + tookMs, ended: true, lines: 1 });
const out = (agoMs: number): SeenBatch => ({ submittedAtMs: NOW - agoMs, lastAtMs: NOW, ended: false, lines: 1 });
const cancelled = (agoMs: number, afterMs: number): SeenBatch => ({ ...ended(agoMs, afterMs), ended: false });
const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

test("a lane that has seen nothing is planned with the prior", () => {
  const seen = learnTurnaround([], NOW);
  for (const ms of [10_000, 5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR]) expect(batchCdf(ms, 1, { ...seen, stalled: 0 })).toBeCloseTo(batchCdf(ms, 1), 2);
});

test("with twenty batches of its own a lane stands half way between the prior and what it saw, with thousands at what it saw", () => {
  // All of them took 25 minutes: after 20, the prior says three in four are back, the lane says none.
  const share = (n: number): number =>
    batchCdf(20 * MINUTE, 1, {
      ...learnTurnaround(
        many(n, (i) => ended(3 * HOUR + i, 25 * MINUTE)),
        NOW,
      ),
      stalled: 0,
    });
  const prior = batchCdf(20 * MINUTE, 1);
  expect(share(20)).toBeGreaterThan(0.4 * prior);
  expect(share(20)).toBeLessThan(0.6 * prior);
  expect(share(5_000)).toBeLessThan(0.02);
});

test("batches that were cancelled or are still out make a lane slower, not invisible", () => {
  const quick = many(60, (i) => ended(5 * HOUR + i * MINUTE, 4 * MINUTE));
  const without = learnTurnaround(quick, NOW);
  const censored = learnTurnaround([...quick, ...many(60, (i) => cancelled(5 * HOUR - 30_000 + i * MINUTE, 10 * MINUTE))], NOW);
  const at = (seen: ReturnType<typeof learnTurnaround>): number => batchCdf(HOUR, 1, { ...seen, stalled: 0 });
  expect(at(censored)).toBeLessThan(at(without) - 0.05);
});

test("what is a month old counts a sixteenth of what is new", () => {
  const old = learnTurnaround(
    many(100, (i) => ended(28 * 24 * HOUR + i, 25 * MINUTE)),
    NOW,
  );
  const fresh = learnTurnaround(
    many(100, (i) => ended(3 * HOUR + i, 25 * MINUTE)),
    NOW,
  );
  const gap = (seen: ReturnType<typeof learnTurnaround>): number => batchCdf(20 * MINUTE, 1) - batchCdf(20 * MINUTE, 1, { ...seen, stalled: 0 });
  expect(gap(old)).toBeLessThan(gap(fresh) / 2);
});

test("an incident is noticed while its batches are out, and is over with the first batches that come back quickly", () => {
  const calm = many(30, (i) => ended(12 * HOUR - i * 10 * MINUTE, 6 * MINUTE));
  const stuck = many(10, (i) => out(2 * HOUR - i * 10 * MINUTE));
  const during = learnTurnaround([...calm, ...stuck], NOW);
  expect(learnTurnaround(calm, NOW).stalled).toBeLessThan(0.05);
  expect(during.stalled).toBeGreaterThan(0.9);
  expect(batchCdf(HOUR, 1, during)).toBeLessThan(0.1);
  const after = learnTurnaround([...calm, ...stuck, ended(10 * MINUTE, 3 * MINUTE), ended(8 * MINUTE, 4 * MINUTE)], NOW);
  expect(after.stalled).toBeLessThan(0.05);
});

test("a hundredth of slow batches among many quick ones is no incident", () => {
  const rng = seededRng(7);
  const seen = many(300, (i) => (rng.float() < 0.09 ? out(10 * HOUR - i * 2 * MINUTE) : ended(10 * HOUR - i * 2 * MINUTE, 5 * MINUTE)));
  expect(learnTurnaround(seen, NOW).stalled).toBeLessThan(0.1);
});

test("the learned distribution only grows and its quantiles invert it", () => {
  const seen = learnTurnaround([...many(40, (i) => ended(9 * HOUR + i, (i + 1) * 3 * MINUTE)), ...many(5, () => out(HOUR))], NOW);
  let last = 0;
  for (let ms = 1_000; ms < 30 * HOUR; ms *= 1.2) {
    const p = batchCdf(ms, 10, seen);
    expect(p).toBeGreaterThanOrEqual(last);
    last = p;
  }
  const median = batchQuantile(0.5, 10, seen) ?? 0;
  expect(batchCdf(median, 10, seen)).toBeCloseTo(0.5, 3);
  expect(batchCdfGiven(HOUR, HOUR, 10, seen)).toBeLessThanOrEqual(1);
});

test("a batch that is out for two hours with a day left is sent again; a young one, one with little room, or one in an incident is not", () => {
  const slow = { lane: "anthropic-batch", ageMs: 2 * HOUR, lines: 10, batchNano: 500n, realtimeNano: 1000n, roomMs: 21 * HOUR };
  expect(restartPays(slow)).toBe(true);
  expect(restartPays({ ...slow, ageMs: 10 * MINUTE })).toBe(false);
  expect(restartPays({ ...slow, roomMs: 4 * MINUTE })).toBe(false);
  const incident = learnTurnaround(
    many(10, (i) => out(3 * HOUR - i * 10 * MINUTE)),
    NOW,
  );
  expect(restartPays({ ...slow, roomMs: 5 * HOUR, seen: incident })).toBe(false);
});
