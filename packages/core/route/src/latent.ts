import type { Rng } from "@slowboat/kernel";
import { fetch, type Matrix } from "./matrix.ts";

/** Dimensions of the space that neighbours are looked for in. */
export const LATENT = 64;
const PASSES = 2;
/** Grams that are taken together: few enough for their directions to lie in a core's nearest cache until all dimensions have read them. */
const TAKEN = 32;

/**
 * An orthonormal basis of the texts' leading directions: `LATENT` values for every column. Subspace iteration from random directions (Halko and
 * others, 2011); cosines in the basis are those of latent semantic analysis.
 */
export function learnBasis(matrix: Matrix, columns: number, rng: Rng): Float32Array {
  const basis = Float32Array.from({ length: columns * LATENT }, () => rng.float() + rng.float() + rng.float() - 1.5);
  for (let pass = 0; pass < PASSES; pass++) {
    const rows = project(matrix, basis);
    basis.fill(0);
    for (let row = 0; row < matrix.rows; row++)
      for (let i = matrix.starts[row]!, end = matrix.starts[row + 1]!; i < end; i++) {
        const value = matrix.values[i]!;
        const at = matrix.columns[i]! * LATENT;
        for (let k = 0; k < LATENT; k++) basis[at + k]! += value * rows[row * LATENT + k]!;
      }
    orthonormalise(basis, columns);
  }
  return basis;
}

/** Rows in the basis, not scaled. */
function project(matrix: Matrix, basis: Float32Array): Float32Array {
  const into = new Float32Array(matrix.rows * LATENT);
  for (let row = 0; row < matrix.rows; row++)
    for (let from = matrix.starts[row]!, end = matrix.starts[row + 1]!; from < end; from += TAKEN) {
      const to = Math.min(end, from + TAKEN);
      fetch(basis, LATENT, matrix, from, to);
      for (let k = 0; k < LATENT; k += 8) addEight(matrix, basis, { from, to, k, into, at: row * LATENT + k });
    }
  return into;
}

const round = Math.fround;

interface Part {
  readonly from: number;
  readonly to: number;
  readonly k: number;
  readonly into: Float32Array;
  readonly at: number;
}

/** Adds eight dimensions of the grams from `from` to `to` in registers, each rounded as the array would. */
function addEight({ columns, values }: Matrix, basis: Float32Array, { from, to, k, into, at }: Part): void {
  let a = into[at]!;
  let b = into[at + 1]!;
  let c = into[at + 2]!;
  let d = into[at + 3]!;
  let e = into[at + 4]!;
  let f = into[at + 5]!;
  let g = into[at + 6]!;
  let h = into[at + 7]!;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    const entry = columns[i]! * LATENT + k;
    a = round(a + value * basis[entry]!);
    b = round(b + value * basis[entry + 1]!);
    c = round(c + value * basis[entry + 2]!);
    d = round(d + value * basis[entry + 3]!);
    e = round(e + value * basis[entry + 4]!);
    f = round(f + value * basis[entry + 5]!);
    g = round(g + value * basis[entry + 6]!);
    h = round(h + value * basis[entry + 7]!);
  }
  into[at] = a;
  into[at + 1] = b;
  into[at + 2] = c;
  into[at + 3] = d;
  into[at + 4] = e;
  into[at + 5] = f;
  into[at + 6] = g;
  into[at + 7] = h;
}

/** Rows in the basis, each of length one (or zero). */
export function places(matrix: Matrix, basis: Float32Array): Float32Array {
  const into = project(matrix, basis);
  for (let at = 0; at < into.length; at += LATENT) {
    let square = 0;
    for (let k = 0; k < LATENT; k++) square += into[at + k]! ** 2;
    const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
    for (let k = 0; k < LATENT; k++) into[at + k]! *= scale;
  }
  return into;
}

/** Gram and Schmidt over the columns of `basis`, in place, twice over for the rounding. */
function orthonormalise(basis: Float32Array, rows: number): void {
  // By way of the Gram matrix and its Cholesky factor: two passes over the rows instead of one for each pair of columns.
  for (let pass = 0; pass < 2; pass++) {
    const gram = new Float64Array(LATENT * LATENT);
    for (let row = 0; row < rows; row++)
      for (let a = 0; a < LATENT; a++) {
        const value = basis[row * LATENT + a]!;
        if (value === 0) continue;
        for (let b = 0; b <= a; b++) gram[a * LATENT + b]! += value * basis[row * LATENT + b]!;
      }
    const factor = cholesky(gram);
    for (let row = 0; row < rows; row++)
      for (let a = 0; a < LATENT; a++) {
        let value = basis[row * LATENT + a]!;
        for (let b = 0; b < a; b++) value -= factor[a * LATENT + b]! * basis[row * LATENT + b]!;
        const pivot = factor[a * LATENT + a]!;
        basis[row * LATENT + a] = pivot === 0 ? 0 : value / pivot;
      }
  }
}

function cholesky(gram: Float64Array): Float64Array {
  const factor = new Float64Array(LATENT * LATENT);
  for (let a = 0; a < LATENT; a++)
    for (let b = 0; b <= a; b++) {
      let sum = gram[a * LATENT + b]!;
      for (let k = 0; k < b; k++) sum -= factor[a * LATENT + k]! * factor[b * LATENT + k]!;
      if (a === b) factor[a * LATENT + a] = sum > 1e-9 * (gram[a * LATENT + a]! + 1e-12) ? Math.sqrt(sum) : 0;
      else factor[a * LATENT + b] = factor[b * LATENT + b] === 0 ? 0 : sum / factor[b * LATENT + b]!;
    }
  return factor;
}
