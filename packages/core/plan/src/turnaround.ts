const MINUTE = 60_000;

/** The prior of a provider batch's turnaround: two log-normals and a part that only expires. Fits a public median of 7 min and 90 % under 1 h. */
const FAST = { share: 0.91, medianMs: 6.1 * MINUTE, sigma: 1.2 };
const SLOW = { share: 0.08, medianMs: 240 * MINUTE, sigma: 1.0 };
/** What batches take that were sent while their provider had an incident; the rest of them expires. */
const STALLED = { share: 0.7, medianMs: 480 * MINUTE, sigma: 0.8 };
const EXPIRY_MS = 24 * 60 * MINUTE;

/** Standard normal distribution function, after Abramowitz and Stegun 7.1.26; absolute error below 1.5e-7. */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const half = 0.5 * poly * Math.exp(-x * x);
  return z < 0 ? half : 1 - half;
}

/** P(X ≤ x) of a log-normal with that median. */
export const logNormalCdf = (x: number, median: number, sigma: number): number => (x <= 0 ? 0 : normalCdf(Math.log(x / median) / sigma));

/** Larger batches take longer: the median grows by 15 % for each factor of ten. Weak evidence. */
export const sizeFactor = (lines: number): number => 1 + 0.15 * Math.log10(Math.max(1, lines));

/** The prior of one line's batch; at most .99. */
export const priorCdf = (ms: number): number =>
  FAST.share * logNormalCdf(ms, FAST.medianMs, FAST.sigma) + SLOW.share * logNormalCdf(ms, SLOW.medianMs, SLOW.sigma);

/** The same for a batch that was sent into an incident; at most .7. */
export const stalledCdf = (ms: number): number => STALLED.share * logNormalCdf(ms, STALLED.medianMs, STALLED.sigma);

/**
 * What a lane's batches take, as `learnTurnaround` has seen it: P(still out) at the end of each bin of `BINS_MS`, for a batch of one line, and
 * how likely it is that the provider has an incident now, in which everything takes hours.
 */
export interface Turnaround {
  readonly survival: readonly number[];
  readonly stalled: number;
  /** How many ended batches it rests on, and when (job ms) it was learned; absent where nobody asks. */
  readonly seen?: number;
  readonly learnedAtMs?: number;
}

/** Ends of the bins in ms: half a minute to a day, each an eighth longer than the one before. */
export const BINS_MS: readonly number[] = Array.from({ length: 69 }, (_, i) => (i === 68 ? EXPIRY_MS : 30_000 * (EXPIRY_MS / 30_000) ** (i / 68)));
const STEP = Math.log(EXPIRY_MS / 30_000) / 68;

/** P(ended within `ms`) by what was seen, within a bin as even in the logarithm of time. */
function seenCdf(ms: number, { survival }: Turnaround): number {
  if (ms <= 0) return 0;
  const [first = 1] = survival;
  if (ms < 30_000) return (1 - first) * (ms / 30_000);
  const place = Math.log(ms / 30_000) / STEP;
  const bin = Math.min(BINS_MS.length - 2, Math.floor(place));
  const from = survival[bin] ?? 1;
  const to = survival[bin + 1] ?? from;
  return 1 - from - (to - from) * Math.min(1, place - bin);
}

/**
 * P(a provider batch of that many lines ends within `ms` of its submission), by the prior until a lane has measurements of its
 * own. At most .99 by the prior: one batch in a hundred only expires, at 24 hours.
 */
export function batchCdf(ms: number, lines: number, seen?: Turnaround): number {
  const t = Math.min(ms, EXPIRY_MS) / sizeFactor(lines);
  if (seen === undefined) return priorCdf(t);
  return (1 - seen.stalled) * seenCdf(t, seen) + seen.stalled * stalledCdf(t);
}

/** P(it ends within a further `ms`), given that it has not after `ageMs`. */
export function batchCdfGiven(ageMs: number, ms: number, lines: number, seen?: Turnaround): number {
  const before = batchCdf(ageMs, lines, seen);
  return before >= 1 ? 1 : Math.max(0, batchCdf(ageMs + ms, lines, seen) - before) / (1 - before);
}

function solve(p: number, cdf: (ms: number) => number): number {
  let low = 0;
  let high = EXPIRY_MS;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (cdf(middle) < p) low = middle;
    else high = middle;
  }
  return high;
}

/** The quantiles that every decision asks for, by the prior and for one line; size only stretches them. */
const SOLVED: ReadonlyMap<number, number> = new Map([0.5, 0.9, 0.95].map((p) => [p, solve(p, priorCdf)]));

/** The time in ms by which a share `p` of batches has ended; `null` when that many never do. */
export function batchQuantile(p: number, lines: number, seen?: Turnaround): number | null {
  if (batchCdf(EXPIRY_MS, lines, seen) < p) return null;
  const known = seen === undefined ? SOLVED.get(p) : undefined;
  return known === undefined ? solve(p, (ms) => batchCdf(ms, lines, seen)) : known * sizeFactor(lines);
}
