/** How well probabilities match outcomes: bins of equal width, the mean distance weighted by how many fall into each. */
export interface Calibrated {
  readonly ece: number;
  readonly brier: number;
  /** Brier score of always saying the training rows' mean. */
  readonly brier_constant: number;
  readonly rows: number;
}

const BINS = 10;

/** Expected calibration error and Brier score of some probabilities, beside a constant's. */
export function calibrationOf(said: readonly number[], came: readonly number[], constant: readonly number[]): Calibrated {
  const sums = Array.from({ length: BINS }, () => ({ said: 0, came: 0 }));
  let brier = 0;
  let brierConstant = 0;
  said.forEach((probability, i) => {
    const outcome = came[i] ?? 0;
    const bin = sums[Math.min(BINS - 1, Math.floor(probability * BINS))];
    if (bin !== undefined) {
      bin.said += probability;
      bin.came += outcome;
    }
    brier += (probability - outcome) ** 2;
    brierConstant += ((constant[i] ?? 0) - outcome) ** 2;
  });
  const n = Math.max(1, said.length);
  return {
    ece: sums.reduce((sum, bin) => sum + Math.abs(bin.said - bin.came), 0) / n,
    brier: brier / n,
    brier_constant: brierConstant / n,
    rows: said.length,
  };
}
