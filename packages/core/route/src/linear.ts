import type { Rng } from "@slowboat/kernel";
import { fetch, type Matrix } from "./matrix.ts";

/** One linear head: least squares on any target, or logistic on a target from 0 to 1. */
export interface HeadSpec {
  readonly kind: "squared" | "logistic";
  readonly targets: Float64Array;
  /** Weight of half the squared norm against the sum of the losses. */
  readonly penalty: number;
}

/** Linear heads that share their columns: weight of column `c` for head `h` is `weights[c * heads + h]`. */
export interface LinearHeads {
  readonly weights: Float32Array;
  readonly offsets: Float64Array;
}

const EPOCHS = 6;
export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
export const logit = (p: number): number => Math.log(p / (1 - p));

/**
 * Trains all heads in the same passes by stochastic dual coordinate ascent (Shalev-Shwartz and Zhang, 2013): no learning rate, converges in
 * a few epochs. A logistic head takes fractional targets; its coordinate step is solved by Newton's method.
 */
export function trainHeads(matrix: Matrix, columns: number, specs: readonly HeadSpec[], rng: Rng): LinearHeads {
  const heads = specs.length;
  const weights = new Float32Array(columns * heads);
  const offsets = Float64Array.from(specs, ({ kind, targets }) => offsetOf(kind, targets));
  const duals = new Float64Array(matrix.rows * heads);
  const order = Int32Array.from({ length: matrix.rows }, (_, i) => i);
  const margins = new Float64Array(heads);
  const steps = new Float64Array(heads);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    shuffle(order, rng);
    for (const row of order) {
      const square = dotRow(matrix, row, weights, heads, margins);
      for (let h = 0; h < heads; h++) {
        const { kind, targets, penalty } = specs[h]!;
        const dual = duals[row * heads + h]!;
        const c = square / penalty;
        const z = margins[h]! + offsets[h]!;
        const target = targets[row]!;
        const next = kind === "squared" ? dual + (target - z - dual) / (1 + c) : target - sigmoid(newton(z, c, target - dual));
        steps[h] = (next - dual) / penalty;
        duals[row * heads + h] = next;
      }
      addRow(matrix, row, weights, heads, steps);
    }
  }
  return { weights, offsets };
}

function offsetOf(kind: HeadSpec["kind"], targets: Float64Array): number {
  const mean = targets.reduce((sum, target) => sum + target, 0) / Math.max(1, targets.length);
  return kind === "squared" ? mean : logit(Math.min(0.999, Math.max(0.001, mean)));
}

/** The `t` with `t + c·σ(t) = z + c·p`, where `p` is the probability that the row's dual stands for so far. */
function newton(z: number, c: number, p: number): number {
  const right = z + c * p;
  let t = z;
  for (let i = 0; i < 4; i++) {
    const s = sigmoid(t);
    t -= (t + c * s - right) / (1 + c * s * (1 - s));
  }
  return t;
}

function dotRow({ starts, columns, values }: Matrix, row: number, weights: Float32Array, heads: number, into: Float64Array): number {
  into.fill(0);
  let square = 0;
  for (let i = starts[row]!, end = starts[row + 1]!; i < end; i++) {
    const value = values[i]!;
    const at = columns[i]! * heads;
    square += value * value;
    for (let h = 0; h < heads; h++) into[h]! += weights[at + h]! * value;
  }
  return square;
}

function addRow({ starts, columns, values }: Matrix, row: number, weights: Float32Array, heads: number, steps: Float64Array): void {
  for (let i = starts[row]!, end = starts[row + 1]!; i < end; i++) {
    const value = values[i]!;
    const at = columns[i]! * heads;
    for (let h = 0; h < heads; h++) weights[at + h]! += steps[h]! * value;
  }
}

/** Weighted grams of one row, from `from` to `to`. */
interface Row {
  readonly columns: Int32Array;
  readonly values: Float32Array;
  readonly from: number;
  readonly to: number;
}

/** Grams whose weights are fetched together: few enough to lie in a core's nearest cache until all heads have read them. */
const FETCHED = 64;

/** Every head's margin for one row of weighted grams. */
export function margins({ weights, offsets }: LinearHeads, columns: Int32Array, values: Float32Array, end: number): Float64Array {
  const heads = offsets.length;
  const into = Float64Array.from(offsets);
  for (let from = 0; from < end; from += FETCHED) {
    const row = { columns, values, from, to: Math.min(end, from + FETCHED) };
    fetch(weights, heads, row, from, row.to);
    let head = 0;
    for (; head + 9 <= heads; head += 9) nine(weights, row, into, head);
    for (; head + 2 <= heads; head += 2) two(weights, row, into, head);
    if (head < heads) one(weights, row, into, head);
  }
  return into;
}

/** Nine heads in registers: an array of sums would be read and written at every gram, and one that is taken apart would leave garbage. */
function nine(weights: Float32Array, { columns, values, from, to }: Row, into: Float64Array, head: number): void {
  const heads = into.length;
  let a = into[head]!;
  let b = into[head + 1]!;
  let c = into[head + 2]!;
  let d = into[head + 3]!;
  let e = into[head + 4]!;
  let f = into[head + 5]!;
  let g = into[head + 6]!;
  let h = into[head + 7]!;
  let j = into[head + 8]!;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    const at = columns[i]! * heads + head;
    a += weights[at]! * value;
    b += weights[at + 1]! * value;
    c += weights[at + 2]! * value;
    d += weights[at + 3]! * value;
    e += weights[at + 4]! * value;
    f += weights[at + 5]! * value;
    g += weights[at + 6]! * value;
    h += weights[at + 7]! * value;
    j += weights[at + 8]! * value;
  }
  into[head] = a;
  into[head + 1] = b;
  into[head + 2] = c;
  into[head + 3] = d;
  into[head + 4] = e;
  into[head + 5] = f;
  into[head + 6] = g;
  into[head + 7] = h;
  into[head + 8] = j;
}

function two(weights: Float32Array, { columns, values, from, to }: Row, into: Float64Array, head: number): void {
  const heads = into.length;
  let a = into[head]!;
  let b = into[head + 1]!;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    const at = columns[i]! * heads + head;
    a += weights[at]! * value;
    b += weights[at + 1]! * value;
  }
  into[head] = a;
  into[head + 1] = b;
}

function one(weights: Float32Array, { columns, values, from, to }: Row, into: Float64Array, head: number): void {
  let sum = into[head]!;
  for (let i = from; i < to; i++) sum += weights[columns[i]! * into.length + head]! * values[i]!;
  into[head] = sum;
}

/** Fisher and Yates: every order equally likely. */
export function shuffle(order: Int32Array, rng: Rng): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.u32() % (i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
}
