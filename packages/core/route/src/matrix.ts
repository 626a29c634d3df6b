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
  let known = Float64Array.from(bucketsOf(documents, isWord));
  // What many texts have comes first, so that half of what a request reads of any table by column lies in its first twentieth. Where columns stand for random
  // directions, their order stays that of the buckets.
  if (!wordsOnly) known = known.map((bucket) => (texts.length - documents[bucket]!) * BUCKETS + bucket).sort();
  const columns = new Int32Array(2 * BUCKETS);
  const idf = new Float32Array(columns.buffer);
  known.forEach((key, column) => {
    const bucket = key % BUCKETS;
    columns[2 * bucket] = column + 1;
    idf[2 * bucket + 1] = Math.log((1 + texts.length) / (1 + documents[bucket]!)) + 1;
  });
  return { columns, idf, size: known.length };
}

/** Buckets of grams that occur in enough documents. */
function* bucketsOf(documents: Int32Array, isWord: Uint8Array): Generator<number> {
  for (let bucket = 0; bucket < BUCKETS; bucket++)
    if (documents[bucket]! >= (isWord[bucket] === 1 ? MIN_DOCUMENTS.words : MIN_DOCUMENTS.chars)) yield bucket;
}

/**
 * A vocabulary as it is read. Its table is 2 MB, read at random, one place for each gram; these are a fifth of it, and of the last two a request reads mostly the
 * beginning.
 */
interface Index {
  /** Of 32 buckets side by side: one bit for each that is known, then how many are known before them. */
  readonly marks: Int32Array;
  /** Column of each known bucket, in the order of the buckets. */
  readonly columns: Int32Array;
  /** Inverse document frequency by column. */
  readonly idf: Float32Array;
}

/** Made when a vocabulary is first read, from what is stored of it. */
const indexes = new WeakMap<Vocabulary, Index>();

function indexOf(vocabulary: Vocabulary): Index {
  const made = indexes.get(vocabulary);
  if (made !== undefined) return made;
  const marks = new Int32Array(BUCKETS / 16);
  const columns = new Int32Array(vocabulary.size);
  const idf = new Float32Array(vocabulary.size);
  let known = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    if ((bucket & 31) === 0) marks[bucket / 16 + 1] = known;
    const column = vocabulary.columns[2 * bucket]! - 1;
    if (column < 0) continue;
    marks[(bucket >> 5) * 2]! |= 1 << (bucket & 31);
    columns[known++] = column;
    idf[column] = vocabulary.idf[2 * bucket + 1]!;
  }
  const index = { marks, columns, idf };
  indexes.set(vocabulary, index);
  return index;
}

/** How many bits are set (Warren, Hacker's Delight, 5-1). */
function bitsIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Logarithms of the counts that can occur. */
const DAMPED = Float64Array.from({ length: 256 }, (_, count) => (count === 0 ? 0 : 1 + Math.log(count)));

/** Writes one text's columns and weights from `at` on and returns where they end; words and characters are each of length one. */
export function weigh(text: Grams, vocabulary: Vocabulary, into: Weighted, at: number): number {
  const index = indexOf(vocabulary);
  const words = weighBlock(text, { from: 0, to: text.charsAt }, index, into, at);
  return weighBlock(text, { from: text.charsAt, to: text.buckets.length }, index, into, words);
}

/** Writes the weights of a text's single words alone, as `weigh` does. */
export const weighWords = (text: Grams, vocabulary: Vocabulary, into: Weighted, at: number): number =>
  weighBlock(text, { from: 0, to: text.pairsAt }, indexOf(vocabulary), into, at);

interface Block {
  readonly from: number;
  readonly to: number;
}

/** Counts of the grams that a block has and the vocabulary knows; scratch of one call. */
const kept = new Uint8Array(65_536);

/** First which grams are known and where, then what they weigh: no branch hangs on memory, so that a processor waits for many places of it at once. */
function weighBlock({ buckets, counts }: Grams, { from, to }: Block, { marks, columns: columnOf, idf }: Index, into: Weighted, at: number): number {
  const { columns, values } = into;
  let known = 0;
  for (let i = from; i < to; i++) {
    const bucket = buckets[i]!;
    const entry = (bucket >> 5) * 2;
    const word = marks[entry]!;
    const bit = bucket & 31;
    columns[at + known] = marks[entry + 1]! + bitsIn(word & ((1 << bit) - 1));
    kept[known] = counts[i]!;
    known += (word >>> bit) & 1;
  }
  const end = at + known;
  let square = 0;
  for (let i = 0; i < known; i++) {
    const column = columnOf[columns[at + i]!]!;
    const value = DAMPED[kept[i]!]! * idf[column]!;
    columns[at + i] = column;
    values[at + i] = value;
    square += value * value;
  }
  const scale = square === 0 ? 0 : 1 / Math.sqrt(square);
  for (let i = at; i < end; i++) values[i]! *= scale;
  return end;
}

/** What `fetch` read, kept so that no compiler leaves it out. */
const fetched = new Float32Array(1);
/** Numbers to a line of cache. */
const LINE = 16;

/**
 * Reads ahead the rows of `width` numbers that the columns from `from` to `to` stand for. They lie at random in megabytes; this loop is short enough for a processor to
 * wait for a dozen of them at once, where sums over them wait for two or three.
 */
export function fetch(rows: Float32Array, width: number, { columns }: Pick<Weighted, "columns">, from: number, to: number): void {
  let sum = 0;
  for (let i = from; i < to; i++) {
    const at = columns[i]! * width;
    for (let k = 0; k < width; k += LINE) sum += rows[at + k]!;
    sum += rows[at + width - 1]!;
  }
  fetched[0] = sum;
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
