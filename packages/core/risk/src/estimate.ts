import { assert } from "@slowboat/kernel";
import { effectiveSize } from "./conformal-threshold.ts";

const Z95 = 1.959964;

/** A mean with its 95 % interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Effective number of observations behind it. */
  readonly effective: number;
}

const NOTHING: Estimate = { mean: 0, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, effective: 0 };

/**
 * Mean of paired differences (what the other way cost minus what this way cost, both carried out) with its 95 % interval, by the normal approximation. Negative is a
 * loss and is said as such. With fewer than two pairs the interval is everything.
 */
export function pairedEstimate(differences: readonly number[]): Estimate {
  const n = differences.length;
  if (n === 0) return NOTHING;
  const mean = differences.reduce((sum, difference) => sum + difference, 0) / n;
  if (n === 1) return { ...NOTHING, mean, effective: 1 };
  const variance = differences.reduce((sum, difference) => sum + (difference - mean) ** 2, 0) / (n - 1);
  const half = Z95 * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half, effective: n };
}

/** One logged decision of a policy that throws dice. */
export interface Logged {
  /** What was observed when the action was carried out. */
  readonly value: number;
  /** Whether the logged action is the one whose value is asked for. */
  readonly taken: boolean;
  /** The chance, logged at the time, with which that action was taken. */
  readonly propensity: number;
}

/**
 * What an action is worth a decision, over all logged decisions, from those where it was taken, each weighted by one over its propensity: the mean of
 * `taken · value / propensity` with its 95 % interval. Weights above `clip` are cut to it, which trades a small bias for a bounded variance.
 */
export function ipsEstimate(logged: readonly Logged[], clip = 100): Estimate {
  const weights: number[] = [];
  const terms = logged.map(({ value, taken, propensity }) => {
    if (!taken) return 0;
    assert(propensity > 0 && propensity <= 1, "a propensity is a chance above 0");
    const weight = Math.min(clip, 1 / propensity);
    weights.push(weight);
    return weight * value;
  });
  return { ...pairedEstimate(terms), effective: effectiveSize(weights) };
}

/** The 95 % interval of a share seen among `n` (effective) trials, by Wilson's score: it has a width even where nothing was seen. */
export function shareInterval(share: number, n: number): { readonly low: number; readonly high: number } {
  assert(share >= 0 && share <= 1, "a share lies between 0 and 1");
  if (n <= 0) return { low: 0, high: 1 };
  const z2 = Z95 * Z95;
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z95 / (1 + z2 / n)) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
