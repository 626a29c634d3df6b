import { assert } from "@slowboat/kernel";

/** One labelled decision: what it scored and what acting on it would have cost. */
export interface LossSample {
  /** Higher is more trusted. */
  readonly score: number;
  /** 0 to 1: the loss of acting; refusing to act loses nothing. */
  readonly loss: number;
  /** One over the chance with which this label was collected. */
  readonly weight: number;
}

/** A threshold and what it stands on. */
export interface Calibration {
  /** Act when the score is above it. `Infinity`: never, there are too few labels; `-Infinity`: always. */
  readonly threshold: number;
  /** (sum of weights)² / sum of squared weights: how many equal labels the weighted ones are worth. */
  readonly effective: number;
  /** Weighted mean loss of acting above the threshold, as seen in the samples. */
  readonly risk: number;
}

/** How many equally weighted samples these weights are worth; 0 without any. */
export function effectiveSize(weights: Iterable<number>): number {
  let sum = 0;
  let squares = 0;
  for (const weight of weights) {
    sum += weight;
    squares += weight * weight;
  }
  return squares === 0 ? 0 : (sum * sum) / squares;
}

/**
 * The loosest threshold at which the expected loss of acting is at most `alpha`, by conformal risk control (Angelopoulos and others, 2022), weighted:
 * `n/(n+1) · mean loss + 1/(n+1) ≤ alpha`, with n the effective size and the mean over all samples, acted on or not. For exchangeable samples whose scores
 * come from a model that did not see them it holds in expectation for the next decision; with weights and a moving cache it is an approximation, so the
 * realised loss is to be reported beside it. Needs n ≥ 1/alpha - 1, below which the threshold is `Infinity`. Equal scores stand or fall together.
 */
export function conformalThreshold(samples: readonly LossSample[], alpha: number): Calibration {
  assert(alpha > 0 && alpha < 1, "alpha lies between 0 and 1");
  let total = 0;
  for (const { score, loss, weight } of samples) {
    assert(loss >= 0 && loss <= 1, "a loss lies between 0 and 1");
    assert(weight > 0 && Number.isFinite(weight), "a weight is positive");
    assert(!Number.isNaN(score), "a score is a number");
    total += weight;
  }
  const effective = effectiveSize(samples.map((sample) => sample.weight));
  const bound = (lost: number): number => ((effective * lost) / Math.max(total, Number.MIN_VALUE) + 1) / (effective + 1);
  if (bound(0) > alpha) return { threshold: Number.POSITIVE_INFINITY, effective, risk: 0 };
  const ordered = [...samples].sort((a, b) => b.score - a.score);
  let lost = 0;
  for (let at = 0; at < ordered.length; ) {
    const score = ordered[at]?.score as number;
    let tied = 0;
    let next = at;
    while (ordered[next]?.score === score) {
      const { loss, weight } = ordered[next++] as LossSample;
      tied += loss * weight;
    }
    if (bound(lost + tied) > alpha) return { threshold: score, effective, risk: lost / total };
    lost += tied;
    at = next;
  }
  return { threshold: Number.NEGATIVE_INFINITY, effective, risk: lost / total };
}
