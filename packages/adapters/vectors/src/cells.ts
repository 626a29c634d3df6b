import { type Arena, createArena, type OnRow } from "./arena.ts";
import type { Blocks } from "./blocks.ts";
import { nearest } from "./nearest.ts";
import { quantize, unitScale } from "./quantize.ts";

/** Cells of a large namespace, each around a centroid: a look scans those whose centroids are nearest (an inverted file, IVF). */
export interface Cells {
  /** The cell that a vector belongs to. */
  nearest(codes: Int8Array): number;
  arena(cell: number): Arena;
  /** Scans the cells that are nearest to the query that lies in the memory. */
  scan(queryScale: number, onRow: OnRow): void;
  clear(): void;
}

const CELLS = 256;
/**
 * Cells that a look scans: an eighth. What is wanted are near copies, whose cell is nearly always among the first; what is missed in the others is
 * a miss, never a wrong answer.
 */
const PROBED = 32;
/** Rows that the centroids are made of, and rounds of Lloyd's algorithm. */
const SAMPLE = 8_192;
const ROUNDS = 3;
/** Samples that are looked at between two rests: half a millisecond. */
const STRIDE = 32;

/**
 * Makes cells of the rows in `loose`, all of them empty at first, and rests whenever it has worked for half a millisecond. Ends with `null` where
 * the memory is full.
 */
export function* makeCells(blocks: Blocks, loose: Arena): Generator<void, Cells | null> {
  const samples = spread(loose.count(), SAMPLE).map((row) => loose.codes(row));
  const centroids = createArena(blocks);
  let made = false;
  const closest = (codes: Int8Array): number => {
    const best = nearest(1);
    blocks.shorts().set(codes, blocks.query / 2);
    centroids.scan(1, best.offer);
    return best.taken()[0]?.id ?? 0;
  };
  try {
    for (const [cell, row] of spread(samples.length, CELLS).entries()) if (centroids.append(cell, samples[row] as Int8Array) === null) return null;
    for (let round = 0; round < ROUNDS; round++) {
      const sums = Array.from({ length: CELLS }, () => new Float32Array(blocks.dims));
      for (const [at, codes] of samples.entries()) {
        if (at % STRIDE === 0) yield;
        addUnit(sums[closest(codes)] as Float32Array, codes);
      }
      move(centroids, sums);
    }
    made = true;
    return cellsOf(blocks, centroids, closest);
  } finally {
    if (!made) centroids.clear();
  }
}

/** Puts each centroid at the mean of its samples; one that no sample chose stays. */
function move(centroids: Arena, sums: readonly Float32Array[]): void {
  const means = sums.map((sum, cell) => (sum.some((value) => value !== 0) ? quantize(sum).codes : centroids.codes(cell)));
  for (let row = centroids.count() - 1; row >= 0; row--) centroids.takeOut(row);
  for (const [cell, codes] of means.entries()) centroids.append(cell, codes);
}

function cellsOf(blocks: Blocks, centroids: Arena, closest: (codes: Int8Array) => number): Cells {
  const arenas = Array.from({ length: CELLS }, () => createArena(blocks));
  return {
    nearest: closest,
    arena: (cell) => arenas[cell] as Arena,
    scan: (queryScale, onRow) => {
      const best = nearest(PROBED);
      centroids.scan(queryScale, best.offer);
      for (const { id } of best.taken()) (arenas[id] as Arena).scan(queryScale, onRow);
    },
    clear: () => {
      centroids.clear();
      for (const arena of arenas) arena.clear();
    },
  };
}

/** `wanted` rows spread evenly over `count`. */
const spread = (count: number, wanted: number): number[] => {
  const taken = Math.min(count, wanted);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * count) / taken));
};

function addUnit(sum: Float32Array, codes: Int8Array): void {
  const scale = unitScale(codes);
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (codes[i] as number) * scale;
}
