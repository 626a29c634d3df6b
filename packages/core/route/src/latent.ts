import type { Rng } from "@slowboat/kernel";
import type { Matrix } from "./matrix.ts";

/** Dimensions of the space that neighbours are looked for in. */
export const LATENT = 64;
const PASSES = 2;

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

/** Rows in the basis, not scaled. Eight dimensions are summed at a time, in registers, each rounded as the array would. */
function project(matrix: Matrix, basis: Float32Array): Float32Array {
  const into = new Float32Array(matrix.rows * LATENT);
  for (let row = 0; row < matrix.rows; row++) for (let k = 0; k < LATENT; k += 8) projectEight(matrix, basis, { row, k, into });
  return into;
}

const round = Math.fround;

function projectEight({ starts, columns, values }: Matrix, basis: Float32Array, at: { row: number; k: number; into: Float32Array }): void {
  const { row, k, into } = at;
  let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = starts[row]!, end = starts[row + 1]!; i < end; i++) {
    const value = values[i]!;
    const from = columns[i]! * LATENT + k;
    a = round(a + value * basis[from]!);
    b = round(b + value * basis[from + 1]!);
    c = round(c + value * basis[from + 2]!);
    d = round(d + value * basis[from + 3]!);
    e = round(e + value * basis[from + 4]!);
    f = round(f + value * basis[from + 5]!);
    g = round(g + value * basis[from + 6]!);
    h = round(h + value * basis[from + 7]!);
  }
  into.set([a, b, c, d, e, f, g, h], row * LATENT + k);
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
