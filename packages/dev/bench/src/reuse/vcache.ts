import type { Rng } from "@slowboat/kernel";
import { nearestKept, newRun, type Run, rightFor, type Stream } from "./streams.ts";

/** Observations of an entry before it may answer, the two that it begins with among them. */
const OBSERVED_MIN = 6;
const OBSERVED_MAX = 64;
const ROUNDS = 12;
/** Confidence levels over which the least chance of asking anew is sought, with their one-sided normal quantile. */
const LEVELS: readonly (readonly [number, number])[] = [
  [0.5, 0],
  [0.3, 0.5244],
  [0.2, 0.8416],
  [0.1, 1.2816],
  [0.05, 1.6449],
  [0.02, 2.0537],
  [0.01, 2.3263],
  [0.005, 2.5758],
  [0.002, 2.8782],
  [0.001, 3.0902],
];

interface Curve {
  readonly slope: number;
  readonly middle: number;
  /** Standard deviation of the middle. */
  readonly spread: number;
}

interface Entry {
  readonly seen: { similarity: number; right: number }[];
  curve: Curve | null;
}

/**
 * The policy of vCache (arXiv 2502.03771) from its published formulas: every entry has a logistic curve of its own over similarity, taken pessimistically, and asks anew
 * with the chance that keeps the share of wrong answers below `delta`. Only an answer that differs makes a new entry.
 */
export function runVcache({ rows, near }: Stream, order: readonly number[], delta: number, rng: Rng): Run {
  const run = newRun(order.length);
  const kept = new Uint8Array(rows.length);
  const entries = new Map<number, Entry>();
  const keep = (row: number): void => {
    kept[row] = 1;
    entries.set(row, {
      seen: [
        { similarity: 0, right: 0 },
        { similarity: 1, right: 1 },
      ],
      curve: null,
    });
  };
  for (const at of order) {
    const first = nearestKept(near, at, kept);
    const entry = first === null ? undefined : entries.get(first.row);
    if (first === null || entry === undefined) {
      keep(at);
      continue;
    }
    const right = rightFor(rows, at, first.row);
    if (rng.float() >= chanceOfAsking(entry, first.similarity, delta)) {
      run.hits++;
      if (!right) run.wrong++;
      if (rows[at]?.answer === null) run.wrongOnNull++;
      continue;
    }
    run.explored++;
    if (entry.seen.length < OBSERVED_MAX) entry.seen.push({ similarity: first.similarity, right: right ? 1 : 0 });
    entry.curve = null;
    if (!right) keep(at);
  }
  return run;
}

function chanceOfAsking(entry: Entry, similarity: number, delta: number): number {
  if (entry.seen.length < OBSERVED_MIN) return 1;
  entry.curve ??= fitCurve(entry.seen);
  const { slope, middle, spread } = entry.curve;
  let least = 1;
  for (const [epsilon, quantile] of LEVELS) {
    const sure = 1 / (1 + Math.exp(-slope * (similarity - middle - quantile * spread)));
    least = Math.min(least, 1 - delta / (1 - (1 - epsilon) * sure));
  }
  return Math.max(0, least);
}

/** Likelihood by Newton's method with a slight pull, so that separable observations keep a finite slope. */
function fitCurve(seen: Entry["seen"]): Curve {
  const PULL = 1e-3;
  let slope = 10;
  let shift = -5;
  let determinant = 1;
  let bends: [number, number, number] = [1, 0, 1];
  for (let round = 0; round < ROUNDS; round++) {
    let [gs, g0, hss, hs0, h00] = [PULL * slope, PULL * shift, PULL, 0, PULL];
    for (const { similarity, right } of seen) {
      const p = 1 / (1 + Math.exp(-(slope * similarity + shift)));
      const bend = Math.max(1e-6, p * (1 - p));
      gs += (p - right) * similarity;
      g0 += p - right;
      hss += bend * similarity * similarity;
      hs0 += bend * similarity;
      h00 += bend;
    }
    determinant = hss * h00 - hs0 * hs0;
    bends = [hss, hs0, h00];
    slope -= Math.max(-20, Math.min(20, (h00 * gs - hs0 * g0) / determinant));
    shift -= Math.max(-20, Math.min(20, (hss * g0 - hs0 * gs) / determinant));
  }
  slope = Math.max(1e-3, slope);
  const middle = -shift / slope;
  // The delta method on -shift/slope, from the inverse of the bends.
  const [hss, hs0, h00] = bends;
  const [vs, v0, cov] = [h00 / determinant, hss / determinant, -hs0 / determinant];
  return { slope, middle, spread: Math.sqrt(Math.max(0, (v0 + 2 * middle * cov + middle * middle * vs) / (slope * slope))) };
}
