import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEmbedder, EMBEDDING_DIMENSIONS } from "@slowboat/engine";

/** Texts of one call; like lengths together, since a batch is padded to its longest. */
const TOGETHER = 64;

/** Vectors of texts, one after the other, as the shipped embedder makes them. */
export type VectorOf = (text: string) => Float32Array;

/** Embeds every distinct text once with the shipped embedder (int8) and hands out the vectors. */
export async function embedAll(texts: readonly string[]): Promise<VectorOf> {
  const cacheDir = join(tmpdir(), "slowboat-bench-model");
  mkdirSync(cacheDir, { recursive: true });
  const embedder = await createEmbedder({ cacheDir, threads: 1 });
  const distinct = [...new Set(texts)].sort((a, b) => a.length - b.length);
  const vectors = new Map<string, Float32Array>();
  try {
    for (let at = 0; at < distinct.length; at += TOGETHER) {
      const part = distinct.slice(at, at + TOGETHER);
      const made = (await embedder.embed(part)).vectors;
      part.forEach((text, no) => {
        vectors.set(text, made[no] as Float32Array);
      });
    }
  } finally {
    await embedder.stop();
  }
  return (text) => {
    const vector = vectors.get(text);
    if (vector === undefined) throw new Error("a text was not embedded");
    return vector;
  };
}

/** For each row the rows nearest to it, nearest first, without itself. */
export interface NearTable {
  readonly nearest: number;
  /** Row `i` has `nearest` entries from `i * nearest`. */
  readonly rows: Int32Array;
  readonly similarities: Float32Array;
}

/** Entries kept for each row: enough that a cache of any part of the rows finds its 16 nearest among them, but in its first hundreds. */
const NEAREST = 600;
const SCALE = 32_767;

/** All against all by brute force, exact to the fifth decimal. */
export function nearTable(vectors: readonly Float32Array[]): NearTable {
  const count = vectors.length;
  const nearest = Math.min(NEAREST, count - 1);
  const flat = new Float32Array(count * EMBEDDING_DIMENSIONS);
  for (const [at, vector] of vectors.entries()) flat.set(vector, at * EMBEDDING_DIMENSIONS);
  const all = new Int16Array(count * count);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < i; j++) {
      const similarity = Math.round(SCALE * Math.max(-1, Math.min(1, dot(flat, i * EMBEDDING_DIMENSIONS, j * EMBEDDING_DIMENSIONS))));
      all[i * count + j] = similarity;
      all[j * count + i] = similarity;
    }
  const rows = new Int32Array(count * nearest);
  const similarities = new Float32Array(count * nearest);
  for (let i = 0; i < count; i++) {
    all[i * count + i] = -SCALE - 1;
    const row = all.subarray(i * count, (i + 1) * count);
    const chosen = largest(row, nearest);
    chosen.forEach((j, at) => {
      rows[i * nearest + at] = j;
      similarities[i * nearest + at] = (row[j] as number) / SCALE;
    });
  }
  return { nearest, rows, similarities };
}

function dot(flat: Float32Array, a: number, b: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let d = 0; d < EMBEDDING_DIMENSIONS; d += 4) {
    s0 += (flat[a + d] as number) * (flat[b + d] as number);
    s1 += (flat[a + d + 1] as number) * (flat[b + d + 1] as number);
    s2 += (flat[a + d + 2] as number) * (flat[b + d + 2] as number);
    s3 += (flat[a + d + 3] as number) * (flat[b + d + 3] as number);
  }
  return s0 + s1 + s2 + s3;
}

/** Positions of the largest values, largest first, earlier first among equals. */
function largest(row: Int16Array, count: number): number[] {
  const BINS = 4_096;
  const binOf = (value: number): number => (value + SCALE + 1) >> 4;
  const bins = new Int32Array(BINS);
  for (const value of row) bins[binOf(value)] = (bins[binOf(value)] as number) + 1;
  let lowest = BINS;
  for (let found = 0; lowest > 0 && found < count; ) found += bins[--lowest] as number;
  const chosen: number[] = [];
  for (let at = 0; at < row.length; at++) if (binOf(row[at] as number) >= lowest) chosen.push(at);
  return chosen.sort((a, b) => (row[b] as number) - (row[a] as number) || a - b).slice(0, count);
}

/** Cosine of two vectors of unit length. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number);
  return sum;
}
