import { BINS_MS, priorCdf, sizeFactor, stalledCdf, type Turnaround } from "./turnaround.ts";

/** A provider batch of a lane as far as its fate is known. Instants are job time. */
export interface SeenBatch {
  readonly submittedAtMs: number;
  /** When its results were ready, or until when it is known to have been out: now, or when it was cancelled. */
  readonly lastAtMs: number;
  /** False for one that is still out, was cancelled or expired: it would have taken longer than that, nobody knows how much. */
  readonly ended: boolean;
  readonly lines: number;
}

/** How many batches of its own a lane needs until they count for as much as the prior. */
const PRIOR_WEIGHT = 20;
const HALF_LIFE_MS = 7 * 86_400_000;
/** An incident begins about twice a month and lasts about a day. */
const BEGINS_PER_MS = 2 / (30 * 86_400_000);
const ENDS_PER_MS = 1 / 86_400_000;
/** A batch that ended in time t speaks for either state by the density there: the mass within a twentieth. */
const NEAR = 1.05;
/** No single batch may speak a million times louder for one state than for the other: the table is not that exact. */
const LOUDEST = 1e6;
/** Neither state is ever ruled out. */
const LEAST = 1e-6;

/**
 * What the lane's batches take by those seen, in any order: the product-limit estimate of Kaplan and Meier with those that did not end counted as
 * censored (leaving them out would make the lane look fast), older ones fading with a half-life of a week, drawn to the prior as by
 * twenty batches of it (Hjort's beta process); and how likely an incident is now, by a hidden Markov chain over the times of submission. Batches
 * from an incident do not colour the estimate for calm times.
 */
export function learnTurnaround(seen: readonly SeenBatch[], nowMs: number): Turnaround {
  const sorted = [...seen].sort((a, b) => a.submittedAtMs - b.submittedAtMs);
  const ended = new Float64Array(BINS_MS.length);
  const left = new Float64Array(BINS_MS.length);
  let stalled = BEGINS_PER_MS / (BEGINS_PER_MS + ENDS_PER_MS);
  let atMs = sorted[0]?.submittedAtMs ?? nowMs;
  for (const batch of sorted) {
    stalled = drift(stalled, batch.submittedAtMs - atMs);
    atMs = batch.submittedAtMs;
    stalled = weigh(stalled, batch);
    const age = Math.max(0, batch.lastAtMs - batch.submittedAtMs) / sizeFactor(batch.lines);
    const weight = (1 - stalled) * 0.5 ** (Math.max(0, nowMs - batch.submittedAtMs) / HALF_LIFE_MS);
    const bin = binOf(age);
    if (batch.ended) ended[bin] = (ended[bin] ?? 0) + weight;
    else left[bin] = (left[bin] ?? 0) + weight;
  }
  return {
    survival: survivalOf(ended, left),
    stalled: drift(stalled, nowMs - atMs),
    seen: sorted.filter((batch) => batch.ended).length,
    learnedAtMs: nowMs,
  };
}

/** The probability of an incident after `ms` without news. */
function drift(stalled: number, ms: number): number {
  const rate = BEGINS_PER_MS + ENDS_PER_MS;
  const settled = BEGINS_PER_MS / rate;
  return settled + (stalled - settled) * Math.exp(-rate * Math.max(0, ms));
}

/** The same after one batch, by how much better its fate fits an incident. */
function weigh(stalled: number, batch: SeenBatch): number {
  const t = Math.max(1, batch.lastAtMs - batch.submittedAtMs) / sizeFactor(batch.lines);
  const likely = (cdf: (ms: number) => number): number => (batch.ended ? cdf(t * NEAR) - cdf(t / NEAR) : 1 - cdf(t));
  const ratio = Math.min(LOUDEST, Math.max(1 / LOUDEST, (likely(stalledCdf) + 1e-12) / (likely(priorCdf) + 1e-12)));
  return Math.min(1 - LEAST, Math.max(LEAST, (stalled * ratio) / (stalled * ratio + 1 - stalled)));
}

function binOf(ms: number): number {
  let low = 0;
  let high = BINS_MS.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((BINS_MS[middle] ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Bin by bin: of those still out, the share that ends there, prior and own batches weighed together. */
function survivalOf(ended: Float64Array, left: Float64Array): number[] {
  let out = 0;
  for (let i = 0; i < ended.length; i++) out += (ended[i] ?? 0) + (left[i] ?? 0);
  const survival: number[] = [];
  let alive = 1;
  let before = 0;
  for (let i = 0; i < ended.length; i++) {
    const prior = priorCdf(BINS_MS[i] ?? 0);
    const gone = ended[i] ?? 0;
    const dropped = left[i] ?? 0;
    // One that left within the bin was there for half of it.
    const atRisk = PRIOR_WEIGHT * (1 - before) + Math.max(gone, out - dropped / 2);
    alive *= 1 - Math.min(1, (PRIOR_WEIGHT * (prior - before) + gone) / atRisk);
    survival.push(alive);
    out = Math.max(0, out - gone - dropped);
    before = prior;
  }
  return survival;
}
