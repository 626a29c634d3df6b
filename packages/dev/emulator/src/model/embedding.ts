import { diceOf } from "./dice.ts";

/** Words looked at of one input, and word directions remembered. */
const WORDS = 2_000;
const MEMORY = 4_000;

/** Dimensions of a full vector; shorter ones are its beginning, brought to unit length again. */
export const EMBEDDING_DIMS = 1_536;

export type Embedder = (text: string, dims: number) => Float32Array;

/**
 * Pseudo embeddings of unit length: the sum of one random direction per distinct word, so that texts that share words lie near
 * each other. No trained model stands behind them.
 */
export function createEmbedder(seed: number): Embedder {
  const directions = new Map<string, Float32Array>();
  const direction = (word: string): Float32Array => {
    const seen = directions.get(word);
    if (seen !== undefined) return seen;
    const rng = diceOf(seed, "embedding", word);
    const vector = Float32Array.from({ length: EMBEDDING_DIMS }, () => rng.u32() / 2 ** 31 - 1);
    if (directions.size >= MEMORY) directions.clear();
    directions.set(word, vector);
    return vector;
  };
  return (text, dims) => {
    const sum = new Float32Array(dims);
    for (const word of new Set((text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text]).slice(0, WORDS))) {
      const vector = direction(word);
      for (let i = 0; i < dims; i++) sum[i] = (sum[i] ?? 0) + (vector[i] ?? 0);
    }
    let square = 0;
    for (const x of sum) square += x * x;
    const length = Math.sqrt(square) || 1;
    return sum.map((x) => x / length);
  };
}
