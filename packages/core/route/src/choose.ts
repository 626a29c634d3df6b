/** What is chosen of several models. */
export interface Choice {
  readonly model: number;
  /** Its expected gap to the baseline less what it costs in units of quality. */
  readonly utility: number;
}

/**
 * The model of the best `gap - lambda * cost`; the first of equals. `gaps` are expected scores less the baseline's, `costs` shares of the baseline's
 * cost, `lambda` how much quality the whole of the baseline's cost is worth. Only models in `eligible` are asked.
 */
export function choose(gaps: ArrayLike<number>, costs: ArrayLike<number>, lambda: number, eligible?: readonly number[]): Choice {
  let best: Choice | null = null;
  for (let i = 0; i < (eligible?.length ?? gaps.length); i++) {
    const model = eligible?.[i] ?? i;
    const utility = gaps[model]! - lambda * costs[model]!;
    if (best === null || utility > best.utility) best = { model, utility };
  }
  return best ?? { model: 0, utility: 0 };
}

/** A labelled request as a judge of prices sees it: what was expected without its label, and what came of every model. */
export interface Trial {
  readonly gaps: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
}

const STEPS = 60;
const LARGEST = 2;

/**
 * The largest lambda at which the chosen models are, over the trials, still as good as the baseline less `loss`, one standard error below the mean. 0
 * where none is. The signed difference counts: what a cheaper model gets right and the baseline does not makes up for the reverse.
 */
export function priceOfQuality(trials: readonly Trial[], costs: ArrayLike<number>, loss: number): number {
  let found = 0;
  for (let step = 1; step <= STEPS; step++) {
    const lambda = LARGEST * (step / STEPS) ** 2;
    let sum = 0;
    let squares = 0;
    for (const { gaps, scores } of trials) {
      const difference = scores[choose(gaps, costs, lambda).model]! - scores[0]!;
      sum += difference;
      squares += difference ** 2;
    }
    const mean = sum / trials.length;
    const error = Math.sqrt(Math.max(0, squares / trials.length - mean ** 2) / trials.length);
    if (mean - error < -loss) break;
    found = lambda;
  }
  return found;
}
