import { effectiveSize } from "@slowboat/risk";
import { choose, type Trial } from "./choose.ts";

/** A trial and how many it stands for: one over the chance with which its label was collected. */
export interface WeightedTrial extends Trial {
  readonly weight: number;
}

/** How much quality the baseline's cost is worth at most, and what that rests on. */
export interface Guard {
  /** `null`: too few labels, or no price at which the bound holds; the baseline answers everything. */
  readonly lambda: number | null;
  /** Mean loss against the baseline at that lambda, as seen in the trials. */
  readonly risk: number;
  readonly effective: number;
}

const STEPS = 48;
const LARGEST = 2;

/**
 * The largest lambda at which the expected loss `max(0, score of the baseline - score of the chosen)` is at most `alpha`, by conformal risk control. A trial's loss
 * counts as the worst that any smaller lambda brought it, so that losses only grow with lambda, as the method needs. What a cheaper model gets right
 * and the baseline does not makes up for nothing here.
 */
export function guard(trials: readonly WeightedTrial[], costs: ArrayLike<number>, alpha: number): Guard {
  const effective = effectiveSize(trials.map(({ weight }) => weight));
  const total = trials.reduce((sum, { weight }) => sum + weight, 0);
  const worst = new Float64Array(trials.length);
  let found: Guard = { lambda: null, risk: 0, effective };
  for (let step = 0; step <= STEPS; step++) {
    const lambda = LARGEST * (step / STEPS) ** 2;
    let lost = 0;
    trials.forEach(({ gaps, scores, weight }, i) => {
      const loss = Math.max(0, scores[0]! - scores[choose(gaps, costs, lambda).model]!);
      worst[i] = Math.max(worst[i]!, loss);
      lost += weight * worst[i]!;
    });
    if (trials.length === 0 || ((effective * lost) / total + 1) / (effective + 1) > alpha) break;
    found = { lambda, risk: lost / total, effective };
  }
  return found;
}
