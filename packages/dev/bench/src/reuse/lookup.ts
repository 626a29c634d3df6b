import { seededRng } from "@slowboat/kernel";
import { type Codes, createVectorIndex, quantize } from "@slowboat/vectors";
import type { BenchOptions } from "../bench.ts";
import { percentile, rounded } from "../stats.ts";

/** Look-ups among so many vectors of one namespace. */
export interface Lookup {
  readonly vectors: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** What the process grew by, ids and all. */
  readonly mb: number;
  /** Share of queries whose nearest by eight bits is the nearest in floating point; `null` where that was not worked out. */
  readonly top1_float32: number | null;
  /** Share of near copies that are found first. */
  readonly near_found: number;
}

const DIMS = 512;
const SIZES = { full: [100_000, 1_000_000], quick: [100_000] };
const QUERIES = { full: 500, quick: 200 };
/** Queries that are compared with floating point, and the largest number of vectors for which they are. */
const COMPARED = 40;
const COMPARED_ROWS = 100_000;
/** Topics that the vectors gather around, as questions do: a third of a vector is its topic's. */
const TOPICS = 400;
const TOPIC_SHARE = 0.6;
/** A query is a near copy: its cosine to its original is about 0.9. */
const NOISE = 0.45;

/** Measures look-ups for the nearest 8 among 100,000 and a million vectors of 512 dimensions, as a worker makes them. */
export function measureLookup({ quick, seed, say }: Pick<BenchOptions, "quick" | "seed" | "say">): Lookup[] {
  return (quick ? SIZES.quick : SIZES.full).map((rows) => {
    say(`lookup: ${rows} vectors`);
    return measure(rows, quick ? QUERIES.quick : QUERIES.full, seed);
  });
}

function measure(rows: number, queries: number, seed: number): Lookup {
  const make = generator(seed);
  const before = process.memoryUsage().rss;
  const index = createVectorIndex({ dims: DIMS, maxBytes: rows * DIMS * 2 });
  const truth = rows <= COMPARED_ROWS ? new Float32Array(rows * DIMS) : null;
  const every = Math.floor(rows / queries);
  const originals = new Map<number, Float32Array>();
  for (let id = 0; id < rows; id++) {
    const vector = make.vector();
    index.upsert("a", id, quantize(vector));
    truth?.set(vector, id * DIMS);
    if (id % every === 0) originals.set(id, vector);
  }
  const mb = (process.memoryUsage().rss - before - (truth?.byteLength ?? 0)) / 1e6;
  const times: number[] = [];
  let [found, agreed, compared] = [0, 0, 0];
  for (const [id, original] of originals) {
    const query = make.near(original);
    const codes: Codes = quantize(query);
    const started = performance.now();
    const [best] = index.topK("a", codes, 8);
    times.push(performance.now() - started);
    if (best?.id === id) found++;
    if (truth === null || compared >= COMPARED) continue;
    compared++;
    if (best?.id === nearestOf(truth, query)) agreed++;
  }
  return {
    vectors: rows,
    p50_ms: rounded(percentile(times, 0.5), 2),
    p99_ms: rounded(percentile(times, 0.99), 2),
    mb: rounded(mb),
    top1_float32: compared === 0 ? null : rounded(agreed / compared, 4),
    near_found: rounded(found / originals.size, 4),
  };
}

/** Vectors around topics, and near copies of them. */
function generator(seed: number): { vector(): Float32Array; near(of: Float32Array): Float32Array } {
  const rng = seededRng(seed);
  // Sums of bytes are normal enough, and four of them come with one throw.
  const noise = (): Float32Array => {
    const values = new Float32Array(DIMS);
    for (let at = 0; at < DIMS; at++) {
      const bits = rng.u32();
      values[at] = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24) - 510;
    }
    return unit(values);
  };
  const topics = Array.from({ length: TOPICS }, noise);
  const mixed = (a: Float32Array, b: Float32Array, share: number): Float32Array => {
    for (let at = 0; at < DIMS; at++) b[at] = (a[at] as number) + share * (b[at] as number);
    return unit(b);
  };
  return {
    vector: () => mixed(topics[rng.u32() % TOPICS] as Float32Array, noise(), (1 - TOPIC_SHARE) / TOPIC_SHARE + 0.6),
    near: (of) => mixed(of, noise(), NOISE),
  };
}

function unit(values: Float32Array): Float32Array {
  let sum = 0;
  for (const value of values) sum += value * value;
  const length = Math.sqrt(sum);
  for (let at = 0; at < values.length; at++) values[at] = (values[at] as number) / length;
  return values;
}

function nearestOf(flat: Float32Array, query: Float32Array): number {
  let [best, highest] = [-1, Number.NEGATIVE_INFINITY];
  for (let row = 0; row < flat.length / DIMS; row++) {
    let sum = 0;
    for (let at = 0; at < DIMS; at++) sum += (flat[row * DIMS + at] as number) * (query[at] as number);
    if (sum > highest) [best, highest] = [row, sum];
  }
  return best;
}
