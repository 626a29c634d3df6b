import { BUCKETS, type Grams } from "./grams.ts";

/** Documents that a gram must occur in to count: words and pairs, characters. */
const MIN_DOCUMENTS = { words: 2, chars: 3 };

/** Which grams count and what they weigh: built from the labelled texts alone. */
export interface Vocabulary {
  /** Column of a bucket, -1 for one that is not known. */
  readonly columns: Int32Array;
  /** Inverse document frequency by column. */
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
  const columns = new Int32Array(BUCKETS).fill(-1);
  const idf: number[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const seenIn = documents[bucket]!;
    if (seenIn < (isWord[bucket] === 1 ? MIN_DOCUMENTS.words : MIN_DOCUMENTS.chars)) continue;
    columns[bucket] = idf.length;
    idf.push(Math.log((1 + texts.length) / (1 + seenIn)) + 1);
  }
  return { columns, idf: Float32Array.from(idf), size: idf.length };
}

/** Logarithms of the counts that can occur. */
const DAMPED = Float64Array.from({ length: 256 }, (_, count) => (count === 0 ? 0 : 1 + Math.log(count)));

/** Writes one text's columns and weights from `at` on and returns where they end; words and characters are each of length one. */
export function weigh(text: Grams, vocabulary: Vocabulary, into: Weighted, at: number): number {
  let end = at;
  for (const [from, to] of [
    [0, text.charsAt],
    [text.charsAt, text.buckets.length],
  ] as const) {
    const blockAt = end;
    let square = 0;
    for (let i = from; i < to; i++) {
      const column = vocabulary.columns[text.buckets[i]!]!;
      if (column < 0) continue;
      const value = DAMPED[text.counts[i]!]! * vocabulary.idf[column]!;
      into.columns[end] = column;
      into.values[end++] = value;
      square += value * value;
    }
    const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
    for (let i = blockAt; i < end; i++) into.values[i]! *= scale;
  }
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
