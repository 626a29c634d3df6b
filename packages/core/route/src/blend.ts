import { fitLine, fitPlatt, type Line, platt } from "./calibrate.ts";

/** Several estimates of one thing made one: each in units of its own spread, weighted, then a curve to what it stands for. */
export interface Blend {
  readonly means: Float64Array;
  /** Weight over spread; 0 leaves an estimate out. */
  readonly scales: Float64Array;
  readonly kind: "probability" | "difference";
  readonly line: Line;
}

/** Fits a blend on estimates by parts that have not seen the targets: `rows[i][h]` is what part `h` says of row `i`. */
export function fitBlend(kind: Blend["kind"], rows: readonly (readonly number[])[], targets: readonly number[], weights: readonly number[]): Blend {
  const means = new Float64Array(weights.length);
  const scales = new Float64Array(weights.length);
  for (let h = 0; h < weights.length; h++) {
    let square = 0;
    for (const row of rows) means[h]! += row[h]! / rows.length;
    for (const row of rows) square += (row[h]! - means[h]!) ** 2 / rows.length;
    scales[h] = square < 1e-12 ? 0 : weights[h]! / Math.sqrt(square);
  }
  const sums = rows.map((row) => blended({ means, scales }, row));
  return { means, scales, kind, line: kind === "probability" ? fitPlatt(sums, targets) : fitLine(sums, targets) };
}

/** The weighted sum before the curve: for ranking, the same. */
export function blended({ means, scales }: Pick<Blend, "means" | "scales">, row: ArrayLike<number>): number {
  let sum = 0;
  for (let h = 0; h < scales.length; h++) if (scales[h]! > 0) sum += scales[h]! * (row[h]! - means[h]!);
  return sum;
}

/** What the blend says of one row. */
export function readBlend(blend: Blend, row: ArrayLike<number>): number {
  const sum = blended(blend, row);
  return blend.kind === "probability" ? platt(blend.line, sum) : blend.line.offset + blend.line.slope * sum;
}
