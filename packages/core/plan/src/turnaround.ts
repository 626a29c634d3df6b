const MINUTE = 60_000;

/** The prior of a provider batch's turnaround: two log-normals and a part that only expires. Fits a public median of 7 min and 90 % under 1 h. */
const FAST = { share: 0.91, medianMs: 6.1 * MINUTE, sigma: 1.2 };
const SLOW = { share: 0.08, medianMs: 240 * MINUTE, sigma: 1.0 };
const EXPIRY_MS = 24 * 60 * MINUTE;

/** Standard normal distribution function, after Abramowitz and Stegun 7.1.26; absolute error below 1.5e-7. */
function normalCdf(z: number): number {
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

/**
 * P(a provider batch of that many lines ends within `ms` of its submission), by the prior until a lane has measurements of its
 * own. At most .99: one batch in a hundred only expires, at 24 hours.
 */
export function batchCdf(ms: number, lines: number): number {
  const t = Math.min(ms, EXPIRY_MS) / sizeFactor(lines);
  return FAST.share * logNormalCdf(t, FAST.medianMs, FAST.sigma) + SLOW.share * logNormalCdf(t, SLOW.medianMs, SLOW.sigma);
}

/** P(it ends within a further `ms`), given that it has not after `ageMs`. */
export function batchCdfGiven(ageMs: number, ms: number, lines: number): number {
  const before = batchCdf(ageMs, lines);
  return before >= 1 ? 1 : Math.max(0, batchCdf(ageMs + ms, lines) - before) / (1 - before);
}

/** The time in ms by which a share `p` of batches has ended; `null` when that many never do. */
export function batchQuantile(p: number, lines: number): number | null {
  if (batchCdf(EXPIRY_MS, lines) < p) return null;
  let low = 0;
  let high = EXPIRY_MS;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (batchCdf(middle, lines) < p) low = middle;
    else high = middle;
  }
  return high;
}
