import { LATENT } from "./latent.ts";
import { openProducts, type Products } from "./products.ts";

/** Labelled texts that are looked through at most. */
export const MOST_PLACES = 2_048;
const MOST_NEIGHBOURS = 100;
const SHARE = 5;

/** Labelled texts to look for neighbours among: their places and, row by row, every model's score. */
export interface Neighbourhood {
  readonly places: Float32Array;
  readonly scores: Float32Array;
  readonly models: number;
  /** Mean score of every model, where no neighbour speaks. */
  readonly means: Float64Array;
}

/** How often a neighbourhood's mean counts beside the neighbours' weights, so that one distant neighbour decides nothing. */
const PULL = 1;

// Scratch of one call.
let products: Products | null = null;
const bins = new Int32Array(2_048);

/** Mean score of every model over the nearest labelled texts, weighted by the squared cosine. */
export function vote({ places, scores, models, means }: Neighbourhood, place: Float32Array): Float64Array {
  const rows = Math.min(MOST_PLACES, places.length / LATENT);
  products ??= openProducts(MOST_PLACES, LATENT);
  const cosines = products.of(places, place, rows);
  const least = nthLargest(cosines, rows, Math.min(MOST_NEIGHBOURS, Math.max(1, Math.floor(rows / SHARE))));
  const sums = means.slice();
  for (let m = 0; m < models; m++) sums[m]! *= PULL;
  let weight = PULL;
  for (let row = 0; row < rows; row++) {
    const cosine = cosines[row]!;
    if (cosine < least || cosine <= 0) continue;
    const w = cosine * cosine;
    weight += w;
    for (let m = 0; m < models; m++) sums[m]! += w * scores[row * models + m]!;
  }
  for (let m = 0; m < models; m++) sums[m]! /= weight;
  return sums;
}

/** The n-th largest of the first `rows` cosines, to the width of a bin of 1/2048: exact enough for who is a neighbour, and one pass. */
function nthLargest(cosines: Float32Array, rows: number, n: number): number {
  bins.fill(0);
  for (let i = 0; i < rows; i++) if (cosines[i]! > 0) bins[Math.min(2047, (cosines[i]! * 2048) | 0)]!++;
  let left = n;
  for (let bin = 2047; bin >= 0; bin--) {
    left -= bins[bin]!;
    if (left <= 0) return bin / 2048;
  }
  return 0;
}
