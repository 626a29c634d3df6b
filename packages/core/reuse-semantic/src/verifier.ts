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
  const scaled = rows.map(({ x }) => Float64Array.from(x, (value) => value / 255));
  let curve = new Float64Array(0);
  for (let round = 0; round < ROUNDS; round++) {
    const gradient = Float64Array.from(weights, (weight, at) => pull * (weight - (prior[at] as number)));
    curve = new Float64Array(size * size);
    for (let at = 0; at < size; at++) curve[at * size + at] = pull;
    for (const [no, row] of rows.entries()) addRow(row, scaled[no] as Float64Array, weights, gradient, curve);
    decompose(curve, size);
    const step = forward(curve, gradient, size);
    backward(curve, step, size);
    let largest = 0;
    for (let at = 0; at < size; at++) {
      weights[at] = (weights[at] as number) - (step[at] as number);
      largest = Math.max(largest, Math.abs(step[at] as number));
    }
    if (largest < ENOUGH) break;
  }
  return { weights, unseen: Float64Array.from(rows, (row, no) => withoutRow(row, scaled[no] as Float64Array, weights, curve)) };
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number);
  return sum;
};
const logistic = (z: number): number => 1 / (1 + Math.exp(-z));

function addRow({ label, weight }: Row, x: Float64Array, weights: Float64Array, gradient: Float64Array, curve: Float64Array): void {
  const size = x.length;
  const p = logistic(dot(weights, x));
  const slope = weight * (p - (label ? 1 : 0));
  const bend = weight * Math.max(1e-6, p * (1 - p));
  for (let i = 0; i < size; i++) {
    const xi = x[i] as number;
    if (xi === 0) continue;
    gradient[i] = (gradient[i] as number) + slope * xi;
    const scale = bend * xi;
    for (let j = 0, at = i * size; j <= i; j++, at++) curve[at] = (curve[at] as number) + scale * (x[j] as number);
  }
}

/** The belief in a row that had not been learned from, from its leverage. */
function withoutRow({ label, weight }: Row, x: Float64Array, weights: Float64Array, lower: Float64Array): number {
  const z = dot(weights, x);
  const p = logistic(z);
  const half = forward(lower, x, x.length);
  const leverage = dot(half, half);
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

function forward(lower: Float64Array, right: Float64Array, size: number): Float64Array {
  const x = Float64Array.from(right);
  for (let i = 0; i < size; i++) {
    let sum = x[i] as number;
    for (let k = 0; k < i; k++) sum -= (lower[i * size + k] as number) * (x[k] as number);
    x[i] = sum / (lower[i * size + i] as number);
  }
  return x;
}

function backward(lower: Float64Array, x: Float64Array, size: number): void {
  for (let i = size - 1; i >= 0; i--) {
    let sum = x[i] as number;
    for (let k = i + 1; k < size; k++) sum -= (lower[k * size + i] as number) * (x[k] as number);
    x[i] = sum / (lower[i * size + i] as number);
  }
}
