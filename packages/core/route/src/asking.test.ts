import { type Rng, seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { binned, boost, predict } from "./boost.ts";
import { gramsOf } from "./grams.ts";
import { askGrove, groveOf } from "./grove.ts";
import { LATENT } from "./latent.ts";
import { margins } from "./linear.ts";
import { learnVocabulary, weigh } from "./matrix.ts";
import { vote } from "./neighbours.ts";

const SEED = 20_261_130;
const FEATURES = 5;

const numbers = (count: number, rng: Rng): Float32Array => Float32Array.from({ length: count }, () => rng.float() - 0.5);

test(`a grove says of every row what walking its trees says, to the last bit (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  // Few values, so that rows lie at the cuts themselves.
  const rows = Array.from({ length: 400 }, () => Float32Array.from({ length: FEATURES }, () => (rng.u32() % 12) / 7));
  const data = binned(rows, FEATURES);
  const forests = [1, 2, 3].map((leaves) =>
    boost(
      data,
      Float64Array.from(rows, (row) => row[0]! * row[1]! + rng.float()),
      { rounds: 30, rate: 0.1, leaves: 2 + 2 * leaves, leastRows: 5, l2: 1 },
    ),
  );
  const grove = groveOf(forests, FEATURES);
  const beyond = [new Float32Array(FEATURES).fill(-9), new Float32Array(FEATURES).fill(9), new Float32Array(FEATURES).fill(Number.NaN)];
  for (const row of [...rows, ...beyond]) expect([...askGrove(grove, row)]).toEqual(forests.map((forest) => predict(forest, row)));
  const wide = boost(
    data,
    Float64Array.from(rows, (row) => row[0]! * row[1]! + row[2]!),
    { rounds: 1, rate: 1, leaves: 9, leastRows: 5, l2: 1 },
  );
  expect(() => groveOf([wide], FEATURES)).toThrow("eight leaves");
});

test(`a gram weighs what the vocabulary's table says, wherever its column lies (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  const words = Array.from({ length: 60 }, (_, i) => `w${i % 7}ord${i}`);
  const texts = Array.from({ length: 80 }, () => gramsOf(Array.from({ length: 12 }, () => words[rng.u32() % words.length]).join(" ")));
  for (const wordsOnly of [false, true]) {
    const vocabulary = learnVocabulary(texts, wordsOnly);
    const into = { columns: new Int32Array(4_096), values: new Float32Array(4_096) };
    for (const text of [...texts, gramsOf("a word that nobody knew, w1ord1")]) {
      const end = weigh(text, vocabulary, into, 0);
      const known = [...text.buckets].filter((bucket) => vocabulary.columns[2 * bucket] !== 0);
      expect([...into.columns.subarray(0, end)]).toEqual(known.map((bucket) => vocabulary.columns[2 * bucket]! - 1));
      const raw = [...text.buckets].map((bucket, i) => (1 + Math.log(text.counts[i]!)) * vocabulary.idf[2 * bucket + 1]!);
      const square = raw.slice(0, text.charsAt).reduce((sum, value) => sum + value ** 2, 0);
      expect(into.values[0]).toBeCloseTo((raw[text.buckets.indexOf(known[0]!)] ?? 0) / Math.sqrt(square), 5);
    }
  }
});

test(`margins are the sums of the row's weights, for any number of heads and grams (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  for (const heads of [1, 2, 3, 4, 9, 11, 18])
    for (const grams of [0, 1, 64, 200]) {
      const linear = { weights: numbers(300 * heads, rng), offsets: Float64Array.from({ length: heads }, () => rng.float()) };
      const columns = Int32Array.from({ length: grams }, () => rng.u32() % 300);
      const values = numbers(grams, rng);
      const plain = linear.offsets.map((offset, h) =>
        values.reduce((sum, value, i) => sum + linear.weights[columns[i]! * heads + h]! * value, offset),
      );
      expect([...margins(linear, columns, values, grams)]).toEqual([...plain]);
    }
});

test(`a vote is the mean of the nearest, weighted by the squared cosine, for any number of places (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  for (const rows of [0, 1, 6, 203]) {
    const places = numbers(rows * LATENT, rng);
    const scores = numbers(rows * 2, rng);
    const means = Float64Array.of(0.25, 0.75);
    const asked = numbers(LATENT, rng);
    const cosines = Array.from({ length: rows }, (_, r) => asked.reduce((sum, value, k) => sum + value * places[r * LATENT + k]!, 0));
    const nth = [...cosines].sort((a, b) => b - a)[Math.max(1, Math.floor(rows / 5)) - 1] ?? 0;
    const near = cosines.map((cosine) => (cosine > 0 && cosine >= Math.floor(Math.max(0, nth) * 2048) / 2048 ? cosine ** 2 : 0));
    const weight = 1 + near.reduce((sum, w) => sum + w, 0);
    const plain = means.map((mean, m) => (mean + near.reduce((sum, w, r) => sum + w * scores[2 * r + m]!, 0)) / weight);
    vote({ places, scores, models: 2, means }, asked).forEach((value, m) => void expect(value).toBeCloseTo(plain[m]!, 6));
  }
});
