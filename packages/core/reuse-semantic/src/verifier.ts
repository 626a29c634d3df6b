/** One labelled row of evidence. */
export interface Row {
  /** Features from 0 to 255; the first is 255 always. */
  readonly x: Uint8Array;
  readonly label: boolean;
  readonly weight: number;
}

const ROUNDS = 8;
const ENOUGH = 1e-3;

/** Belief from 0 to 1 that the label is true. */
export function believe(weights: ArrayLike<number>, x: Uint8Array): number {
  let z = 0;
  for (let at = 0; at < x.length; at++) z += (weights[at] as number) * (x[at] as number);
  return 1 / (1 + Math.exp(-z / 255));
}

/** A fitted verifier and, for each row, the belief that it would have held without having seen that row. */
export interface Fitted {
  readonly weights: Float64Array;
  readonly unseen: Float64Array;
}

/**
 * Logistic regression by Newton's method, held to `prior` by a pull of strength `pull` on every weight: with few rows it says what the prior says, with
 * many what the rows say. Begins at `start`. The beliefs are approximate leave-one-out (Rad and Maleki 2020): one more Newton step away from each row, so that a
 * threshold can be set on the very rows that were learned from. Deterministic.
 */
export function fitVerifier(rows: readonly Row[], prior: ArrayLike<number>, pull: number, start: ArrayLike<number> = prior): Fitted {
  const size = prior.length;
  const weights = Float64Array.from(start);
  const table = tableOf(rows, size);
  const gradient = new Float64Array(size);
  const curve = new Float64Array(size * size);
  for (let round = 0; round < ROUNDS; round++) {
    curve.fill(0);
    for (let at = 0; at < size; at++) {
      gradient[at] = pull * ((weights[at] as number) - (prior[at] as number));
      curve[at * size + at] = pull;
    }
    for (let row = 0; row < rows.length; row++) addRow(rows[row] as Row, table, row * size, { weights, gradient, curve });
    decompose(curve, size);
    const step = gradient.slice();
    forward(curve, step);
    backward(curve, step);
    let largest = 0;
    for (let at = 0; at < size; at++) {
      weights[at] = (weights[at] as number) - (step[at] as number);
      largest = Math.max(largest, Math.abs(step[at] as number));
    }
    if (largest < ENOUGH) break;
  }
  const unseen = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row++) unseen[row] = withoutRow(rows[row] as Row, table.slice(row * size, (row + 1) * size), weights, curve);
  return { weights, unseen };
}

/** The features of all rows as numbers from 0 to 1, one row after the other. */
function tableOf(rows: readonly Row[], size: number): Float64Array {
  const table = new Float64Array(rows.length * size);
  let at = 0;
  for (const { x } of rows) for (let i = 0; i < size; i++) table[at++] = (x[i] as number) / 255;
  return table;
}

const logistic = (z: number): number => 1 / (1 + Math.exp(-z));

interface Sums {
  readonly weights: Float64Array;
  readonly gradient: Float64Array;
  readonly curve: Float64Array;
}

/** Adds a row's slope, and its bend to the lower triangle. */
function addRow({ label, weight }: Row, table: Float64Array, from: number, { weights, gradient, curve }: Sums): void {
  const size = weights.length;
  let z = 0;
  for (let i = 0; i < size; i++) z += (weights[i] as number) * (table[from + i] as number);
  const p = logistic(z);
  const slope = weight * (p - (label ? 1 : 0));
  const bend = weight * Math.max(1e-6, p * (1 - p));
  for (let i = 0; i < size; i++) {
    const xi = table[from + i] as number;
    if (xi === 0) continue;
    gradient[i] = (gradient[i] as number) + slope * xi;
    const scale = bend * xi;
    const row = i * size;
    for (let j = 0; j <= i; j++) curve[row + j] = (curve[row + j] as number) + scale * (table[from + j] as number);
  }
}

/** The belief in a row that had not been learned from, from its leverage; `x` is overwritten. */
function withoutRow({ label, weight }: Row, x: Float64Array, weights: Float64Array, lower: Float64Array): number {
  let z = 0;
  for (let i = 0; i < x.length; i++) z += (weights[i] as number) * (x[i] as number);
  const p = logistic(z);
  forward(lower, x);
  let leverage = 0;
  for (let i = 0; i < x.length; i++) leverage += (x[i] as number) ** 2;
  const rest = Math.max(0.05, 1 - weight * p * (1 - p) * leverage);
  return logistic(z + (leverage * weight * (p - (label ? 1 : 0))) / rest);
}

/** Cholesky's decomposition of a symmetric positive definite matrix, given and overwritten in its lower triangle. */
function decompose(lower: Float64Array, size: number): void {
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      let sum = lower[i * size + j] as number;
      for (let k = 0; k < j; k++) sum -= (lower[i * size + k] as number) * (lower[j * size + k] as number);
      lower[i * size + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (lower[j * size + j] as number);
    }
}

/** Solves L·y = x in place, L being the lower triangle. */
function forward(lower: Float64Array, x: Float64Array): void {
  const size = x.length;
  for (let i = 0; i < size; i++) {
    let sum = x[i] as number;
    for (let k = 0, at = i * size; k < i; k++, at++) sum -= (lower[at] as number) * (x[k] as number);
    x[i] = sum / (lower[i * size + i] as number);
  }
}

/** Solves Lᵀ·y = x in place. */
function backward(lower: Float64Array, x: Float64Array): void {
  const size = x.length;
  for (let i = size - 1; i >= 0; i--) {
    let sum = x[i] as number;
    for (let k = i + 1; k < size; k++) sum -= (lower[k * size + i] as number) * (x[k] as number);
    x[i] = sum / (lower[i * size + i] as number);
  }
}
