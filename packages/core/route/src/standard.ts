import type { Weighted } from "./matrix.ts";

/** Means and inverse spreads of dense features. */
export interface Standard {
  readonly means: Float64Array;
  readonly scales: Float64Array;
}

const MOST = 3;

/** Learns what is usual of each feature. One that never varies is left out by a scale of 0. */
export function learnStandard(rows: readonly Float64Array[], features: number): Standard {
  const means = new Float64Array(features);
  const scales = new Float64Array(features);
  for (const row of rows) for (let f = 0; f < features; f++) means[f]! += row[f]! / rows.length;
  for (const row of rows) for (let f = 0; f < features; f++) scales[f]! += (row[f]! - means[f]!) ** 2 / rows.length;
  return { means, scales: scales.map((square) => (square < 1e-12 ? 0 : 1 / Math.sqrt(square))) };
}

/** Writes the features in units of their spread, as columns from `column` on, together about of length one; returns where they end. */
export function writeStandard({ means, scales }: Standard, row: Float64Array, column: number, into: Weighted, at: number): number {
  const share = 1 / Math.sqrt(row.length);
  for (let f = 0; f < row.length; f++) {
    into.columns[at + f] = column + f;
    into.values[at + f] = share * Math.max(-MOST, Math.min(MOST, (row[f]! - means[f]!) * scales[f]!));
  }
  return at + row.length;
}
