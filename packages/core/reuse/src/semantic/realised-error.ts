import { shareInterval } from "@slowboat/risk";

/** What is known of questions that were asked anew although an answer was there; each weighs one over the chance of that. */
export interface ExploredLabels {
  readonly asked: number;
  readonly reused: number;
  readonly explored: number;
  readonly weight: number;
  readonly weightSquares: number;
  readonly wrongWeight: number;
}

/** Share of all questions that reuse answers wrongly, with its 95 % interval; `labels` is the effective number of comparisons behind it. */
export interface RealisedError {
  readonly error: number;
  readonly low: number;
  readonly high: number;
  readonly labels: number;
}

/**
 * The realised error: the weighted share of wrong ones among the explored would-be hits, times the share that would-be hits are of all questions. `null` before
 * anything was compared.
 */
export function realisedError({ asked, reused, explored, weight, weightSquares, wrongWeight }: ExploredLabels): RealisedError | null {
  if (weight <= 0 || asked === 0) return null;
  const share = Math.min(1, wrongWeight / weight);
  const labels = weight ** 2 / weightSquares;
  const { low, high } = shareInterval(share, labels);
  const hits = (reused + explored) / asked;
  return { error: share * hits, low: low * hits, high: high * hits, labels };
}
