import { LATENT } from "./latent.ts";

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
const cosines = new Float32Array(MOST_PLACES);
const bins = new Int32Array(2_048);
const asked = new Float64Array(LATENT);

/** Mean score of every model over the nearest labelled texts, weighted by the squared cosine. */
export function vote({ places, scores, models, means }: Neighbourhood, place: Float32Array): Float64Array {
  const rows = Math.min(MOST_PLACES, places.length / LATENT);
  measure(places, place, rows);
  const least = nthLargest(rows, Math.min(MOST_NEIGHBOURS, Math.max(1, Math.floor(rows / SHARE))));
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

/** Writes the cosine of every row's place to the one asked, four rows at a time: each of the asked one's numbers is read once for them, and no sum waits for another. */
function measure(places: Float32Array, place: Float32Array, rows: number): void {
  asked.set(place);
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let k = 0, at = row * LATENT; k < LATENT; k++, at++) {
      const value = asked[k]!;
      a += places[at]! * value;
      b += places[at + LATENT]! * value;
      c += places[at + 2 * LATENT]! * value;
      d += places[at + 3 * LATENT]! * value;
    }
    cosines[row] = a;
    cosines[row + 1] = b;
    cosines[row + 2] = c;
    cosines[row + 3] = d;
  }
  for (; row < rows; row++) {
    let sum = 0;
    for (let k = 0; k < LATENT; k++) sum += places[row * LATENT + k]! * asked[k]!;
    cosines[row] = sum;
  }
}

/** The n-th largest of the first `rows` cosines, to the width of a bin of 1/2048: exact enough for who is a neighbour, and one pass. */
function nthLargest(rows: number, n: number): number {
  bins.fill(0);
  for (let i = 0; i < rows; i++) if (cosines[i]! > 0) bins[Math.min(2047, (cosines[i]! * 2048) | 0)]!++;
  let left = n;
  for (let bin = 2047; bin >= 0; bin--) {
    left -= bins[bin]!;
    if (left <= 0) return bin / 2048;
  }
  return 0;
}
