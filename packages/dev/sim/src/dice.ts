/** Every kind of throw has a stream of its own, so that two policies in one world meet the same luck. */
const STREAMS = ["kind", "turnaround", "part", "line", "lost", "lag", "poll", "refusal", "flex", "call", "make"] as const;
type Stream = (typeof STREAMS)[number];
const STREAM_NO: Readonly<Record<string, number>> = Object.fromEntries(STREAMS.map((name, i) => [name, i + 1]));

/** The world's luck: a throw depends on the seed, on what it is for and on whom it concerns, never on what was thrown before. */
export interface Dice {
  /** Uniform in (0, 1). */
  unit(stream: Stream, a: number, b?: number): number;
  /** Log-normal with that median. */
  logNormal(stream: Stream, shape: { readonly medianMs: number; readonly sigma: number }, a: number, b?: number): number;
}

const stir = (hash: number, value: number): number => {
  let h = Math.imul(hash ^ value, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/** The dice of a seed. */
export function createDice(seed: number): Dice {
  const hash = (stream: Stream, a: number, b: number, c: number): number => {
    let h = stir(stir(0x9e3779b9, seed), (STREAM_NO[stream] ?? 0) * 0x9e3779b1);
    h = stir(stir(stir(h, a), b + 0x7f4a7c15), c);
    return ((h >>> 0) + 0.5) / 2 ** 32;
  };
  return {
    unit: (stream, a, b = 0) => hash(stream, a, b, 0),
    logNormal(stream, { medianMs, sigma }, a, b = 0) {
      const normal = Math.sqrt(-2 * Math.log(hash(stream, a, b, 1))) * Math.cos(2 * Math.PI * hash(stream, a, b, 2));
      return medianMs * Math.exp(sigma * normal);
    },
  };
}
