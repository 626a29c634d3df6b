import { type Rng, seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { createVectorIndex, quantize, type VectorIndex } from "./index.ts";

const DIMS = 64;
const MIB = 1024 * 1024;
const open = (more: { maxBytes?: number; flatRows?: number } = {}): VectorIndex => createVectorIndex({ dims: DIMS, maxBytes: 16 * MIB, ...more });

/** A direction, evenly spread. */
function direction(rng: Rng): Float32Array {
  const values = Float32Array.from({ length: DIMS }, () => rng.float() + rng.float() + rng.float() - 1.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

/** A vector near another one. */
const near = (vector: Float32Array, rng: Rng, by: number): Float32Array => {
  const other = direction(rng);
  const mixed = vector.map((value, at) => value + by * (other[at] ?? 0));
  const length = Math.hypot(...mixed);
  return mixed.map((value) => value / length);
};
const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

test("in eight bits the nearest is the one that is nearest in floating point, and its cosine is right to two decimals", () => {
  const rng = seededRng(5);
  const vectors = Array.from({ length: 3_000 }, () => direction(rng));
  const index = open();
  for (const [id, vector] of vectors.entries()) index.upsert("a", id, quantize(vector));
  let agreed = 0;
  for (let n = 0; n < 60; n++) {
    const query = near(vectors[rng.u32() % vectors.length] as Float32Array, rng, 0.4);
    const truth = vectors.map((vector, id) => ({ id, similarity: cosine(query, vector) })).sort((a, b) => b.similarity - a.similarity);
    const [found] = index.topK("a", quantize(query), 8);
    if (found?.id === truth[0]?.id) agreed++;
    expect(found?.similarity).toBeCloseTo(truth[0]?.similarity ?? 0, 1.7);
  }
  expect(agreed).toBe(60);
});

test("what was removed is not found, what was put in its place is, and the others stay, through every size of block", () => {
  const rng = seededRng(6);
  const index = open();
  const held = new Map<number, Float32Array>();
  for (let step = 0; step < 12_000; step++) {
    const id = rng.u32() % 6_000;
    if (rng.u32() % 3 === 0 && held.has(id)) {
      index.remove("a", id);
      held.delete(id);
    } else {
      const vector = direction(rng);
      index.upsert("a", id, quantize(vector));
      held.set(id, vector);
    }
  }
  expect(index.size("a")).toBe(held.size);
  for (const [id, vector] of [...held].slice(0, 300)) expect(index.topK("a", quantize(vector), 1)[0]?.id).toBe(id);
  const all = index.topK("a", quantize(direction(rng)), held.size);
  expect(new Set(all.map((one) => one.id))).toEqual(new Set(held.keys()));
});

test("a namespace is a storage of its own: the very same vector is not found in another one", () => {
  const rng = seededRng(7);
  const index = open();
  const vector = quantize(direction(rng));
  index.upsert("a", 1, vector);
  index.upsert("b", 2, vector);
  expect(index.topK("a", vector, 8).map((one) => one.id)).toEqual([1]);
  expect(index.topK("b", vector, 8).map((one) => one.id)).toEqual([2]);
  expect(index.topK("c", vector, 8)).toEqual([]);
});

test("the namespaces that were asked least recently go when the memory is full, wholly, and their memory serves others", () => {
  const rng = seededRng(8);
  const index = open({ maxBytes: MIB });
  const rows = 2_000;
  const vectors = Array.from({ length: rows }, () => quantize(direction(rng)));
  for (let space = 0; space < 40; space++) {
    for (const [id, vector] of vectors.entries()) expect(index.upsert(`s${space}`, id, vector)).toBe(true);
    index.topK("s0", vectors[0] as (typeof vectors)[number], 1);
  }
  expect(index.has("s0")).toBe(true);
  expect(index.size("s0")).toBe(rows);
  expect(index.has("s5")).toBe(false);
  expect(index.stats().bytes).toBeLessThanOrEqual(MIB);
  index.drop("s0");
  expect(index.topK("s0", vectors[0] as (typeof vectors)[number], 1)).toEqual([]);
});

test("one namespace that is larger than the memory keeps what fits, and says of the rest that it does not", () => {
  const rng = seededRng(9);
  const index = open({ maxBytes: MIB });
  const kept = Array.from({ length: 20_000 }, (_, id) => index.upsert("a", id, quantize(direction(rng))));
  expect(kept[0]).toBe(true);
  expect(kept.at(-1)).toBe(false);
  expect(index.size("a")).toBe(kept.filter(Boolean).length);
});

test("a large namespace is sorted into cells while it is used; near copies are found before, meanwhile and after", () => {
  const rng = seededRng(10);
  const index = open({ flatRows: 3_000 });
  const vectors: Float32Array[] = [];
  let [asked, found] = [0, 0];
  for (let id = 0; id < 9_000; id++) {
    const vector = direction(rng);
    vectors.push(vector);
    index.upsert("a", id, quantize(vector));
    if (id % 10 !== 0) continue;
    const wanted = rng.u32() % vectors.length;
    asked++;
    if (index.topK("a", quantize(near(vectors[wanted] as Float32Array, rng, 0.3)), 1)[0]?.id === wanted) found++;
  }
  expect(index.size("a")).toBe(9_000);
  expect(found / asked).toBeGreaterThan(0.98);
  for (let id = 0; id < 9_000; id += 3) index.remove("a", id);
  expect(index.size("a")).toBe(6_000);
  expect(index.topK("a", quantize(vectors[0] as Float32Array), 3).map((one) => one.id)).not.toContain(0);
});
