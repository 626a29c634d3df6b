import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { conformalThreshold, ipsEstimate, type LossSample, openCusum, pairedEstimate, shareInterval, shouldExplore, watch } from "./index.ts";

const SEED = 20_261_128;
const equal = (pairs: readonly (readonly [number, number])[]): LossSample[] => pairs.map(([score, loss]) => ({ score, loss, weight: 1 }));

test("fewer than 1/alpha - 1 labels allow nothing, and just enough allow what lost nothing", () => {
  const clean = (n: number) => conformalThreshold(equal(Array.from({ length: n }, (_, i) => [i / n, 0] as const)), 0.1).threshold;
  expect(clean(8)).toBe(Number.POSITIVE_INFINITY);
  expect(clean(9)).toBe(Number.NEGATIVE_INFINITY);
  expect(conformalThreshold([], 0.5).threshold).toBe(Number.POSITIVE_INFINITY);
});

test("the threshold is the score of the first loss that cannot be afforded, ties included", () => {
  const samples = equal([[0.9, 0], [0.8, 1], [0.7, 0], [0.6, 1], [0.6, 0], ...Array.from({ length: 15 }, () => [0.1, 0] as const)]);
  // 20 labels: one loss is (1 + 1)/21 = .095, two are .143.
  expect(conformalThreshold(samples, 0.1)).toMatchObject({ threshold: 0.6, risk: 1 / 20 });
  expect(conformalThreshold(samples, 0.05).threshold).toBe(0.8);
  expect(conformalThreshold(samples, 0.15).threshold).toBe(Number.NEGATIVE_INFINITY);
});

test("a label that stands for twenty weighs as twenty and is worth less than twenty", () => {
  const light = equal(Array.from({ length: 400 }, (_, i) => [i / 1_000, 0] as const));
  const heavy: LossSample[] = [...light, { score: 0.9, loss: 1, weight: 20 }];
  const { threshold, effective } = conformalThreshold(heavy, 0.04);
  expect(effective).toBeCloseTo(420 ** 2 / 800, 6);
  expect(threshold).toBe(0.9);
  expect(conformalThreshold([...light, { score: 0.9, loss: 1, weight: 1 }], 0.04).threshold).toBe(Number.NEGATIVE_INFINITY);
});

test(`over exchangeable draws the expected loss stays within alpha, and close to it (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  const draw = (): LossSample => {
    const score = rng.float();
    return { score, loss: rng.float() < (1 - score) ** 2 ? 1 : 0, weight: 1 };
  };
  for (const alpha of [0.02, 0.1]) {
    let lost = 0;
    const rounds = 3_000;
    for (let round = 0; round < rounds; round++) {
      const { threshold } = conformalThreshold(Array.from({ length: 150 }, draw), alpha);
      const next = draw();
      if (next.score > threshold) lost += next.loss;
    }
    const { low } = shareInterval(lost / rounds, rounds);
    expect(low).toBeLessThan(alpha);
    expect(lost / rounds).toBeGreaterThan(alpha / 3);
  }
});

test("a loss, a weight or an alpha out of range is refused", () => {
  expect(() => conformalThreshold(equal([[0.5, 2]]), 0.1)).toThrow("a loss lies");
  expect(() => conformalThreshold([{ score: 0.5, loss: 0, weight: 0 }], 0.1)).toThrow("a weight");
  expect(() => conformalThreshold([], 0)).toThrow("alpha");
});

test(`explored as often as asked, and never or always at the ends (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  const of = (epsilon: number) => Array.from({ length: 10_000 }, () => shouldExplore(rng, epsilon)).filter(Boolean).length;
  expect(of(0)).toBe(0);
  expect(of(1)).toBe(10_000);
  expect(Math.abs(of(0.05) - 500)).toBeLessThan(90);
});

test(`false alarms are rarer than promised, a fourfold loss is noticed (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  const policy = { target: 0.01, unit: 1, falseAlarmAfter: 10_000 };
  const alarmAt = (rate: number, steps: number): number => {
    let cusum = openCusum();
    for (let step = 1; step <= steps; step++) {
      cusum = watch(cusum, rng.float() < rate ? 1 : 0, policy);
      if (cusum.alarmed) return step;
    }
    return Number.POSITIVE_INFINITY;
  };
  const early = Array.from({ length: 100 }, () => alarmAt(0.01, 1_000)).filter(Number.isFinite).length;
  expect(early).toBeLessThanOrEqual(10);
  expect(Array.from({ length: 20 }, () => alarmAt(0.04, 5_000)).every(Number.isFinite)).toBe(true);
});

test(`nineteen of twenty intervals hold the truth, negative savings included (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  let held = 0;
  let heldIps = 0;
  for (let round = 0; round < 400; round++) {
    const { low, high } = pairedEstimate(Array.from({ length: 80 }, () => rng.float() * 2 - 1.5));
    if (low <= -0.5 && high >= -0.5) held++;
    const logged = Array.from({ length: 400 }, () => {
      const propensity = rng.float() < 0.5 ? 0.2 : 0.8;
      return { propensity, taken: shouldExplore(rng, propensity), value: 3 + rng.float() };
    });
    const ips = ipsEstimate(logged);
    if (ips.low <= 3.5 && ips.high >= 3.5) heldIps++;
  }
  expect(held).toBeGreaterThan(365);
  expect(heldIps).toBeGreaterThan(360);
});

test("without observations an estimate claims nothing", () => {
  expect(pairedEstimate([])).toMatchObject({ low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY });
  expect(ipsEstimate([{ value: 5, taken: false, propensity: 0 }]).effective).toBe(0);
  expect(shareInterval(0, 0)).toEqual({ low: 0, high: 1 });
  expect(shareInterval(0, 100).high).toBeGreaterThan(0.03);
});
