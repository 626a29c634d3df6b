import { BUCKETS, type Grams } from "./grams.ts";

/** Documents that a gram must occur in to count: words and pairs, characters. */
const MIN_DOCUMENTS = { words: 2, chars: 3 };

/** Which grams count and what they weigh: built from the labelled texts alone. */
export interface Vocabulary {
  /** By bucket, side by side as they are read: one more than its column (0: not known), then its inverse document frequency as `idf` sees it. */
  readonly columns: Int32Array;
  /** The same memory read as numbers: the bucket's frequency stands at `2 * bucket + 1`. */
  readonly idf: Float32Array;
  readonly size: number;
}

/** Texts as rows of weighted grams: row `i` is `columns` and `values` from `starts[i]` to `starts[i + 1]`. */
export interface Matrix {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float32Array;
  readonly rows: number;
}

/** Learns the vocabulary of some texts. A gram is known by its bucket, whichever kind it is. */
export function learnVocabulary(texts: readonly Grams[], wordsOnly = false): Vocabulary {
  const documents = new Int32Array(BUCKETS);
  const isWord = new Uint8Array(BUCKETS);
  for (const { buckets, charsAt, pairsAt } of texts) {
    const end = wordsOnly ? pairsAt : buckets.length;
    for (let i = 0; i < end; i++) {
      documents[buckets[i]!]!++;
      if (i < charsAt) isWord[buckets[i]!] = 1;
    }
  }
  const columns = new Int32Array(2 * BUCKETS);
  const idf = new Float32Array(columns.buffer);
  let size = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const seenIn = documents[bucket]!;
    if (seenIn < (isWord[bucket] === 1 ? MIN_DOCUMENTS.words : MIN_DOCUMENTS.chars)) continue;
    columns[2 * bucket] = ++size;
    idf[2 * bucket + 1] = Math.log((1 + texts.length) / (1 + seenIn)) + 1;
  }
  return { columns, idf, size };
}

/** Logarithms of the counts that can occur. */
const DAMPED = Float64Array.from({ length: 256 }, (_, count) => (count === 0 ? 0 : 1 + Math.log(count)));

/** Writes one text's columns and weights from `at` on and returns where they end; words and characters are each of length one. */
export function weigh(text: Grams, vocabulary: Vocabulary, into: Weighted, at: number): number {
  const words = weighBlock(text, { from: 0, to: text.charsAt }, vocabulary, into, at);
  return weighBlock(text, { from: text.charsAt, to: text.buckets.length }, vocabulary, into, words);
}

interface Block {
  readonly from: number;
  readonly to: number;
}

function weighBlock({ buckets, counts }: Grams, { from, to }: Block, vocabulary: Vocabulary, into: Weighted, at: number): number {
  const known = vocabulary.columns;
  const { idf } = vocabulary;
  const { columns, values } = into;
  let end = at;
  let square = 0;
  for (let i = from; i < to; i++) {
    const entry = 2 * buckets[i]!;
    const column = known[entry]!;
    if (column === 0) continue;
    const value = DAMPED[counts[i]!]! * idf[entry + 1]!;
    columns[end] = column - 1;
    values[end++] = value;
    square += value * value;
  }
  const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
  for (let i = at; i < end; i++) values[i]! *= scale;
  return end;
}

/** Where weighted grams are written. */
export interface Weighted {
  readonly columns: Int32Array;
  readonly values: Float32Array;
}

/** As many rows as there are texts; `write` puts row `i` at the given place and returns where it ends, at most `most` entries in all. */
export function matrixOf(rows: number, most: number, write: (row: number, into: Weighted, at: number) => number): Matrix {
  const into = { columns: new Int32Array(most), values: new Float32Array(most) };
  const starts = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row++) starts[row + 1] = write(row, into, starts[row]!);
  const end = starts[rows]!;
  return { starts, columns: into.columns.subarray(0, end), values: into.values.subarray(0, end), rows };
}

/** A text's single words, without pairs and characters. */
export function wordsOf({ buckets, counts, pairsAt }: Grams): Grams {
  return { buckets: buckets.subarray(0, pairsAt), counts: counts.subarray(0, pairsAt), pairsAt, charsAt: pairsAt };
}
