/** Buckets that n-grams are hashed into. */
export const BUCKETS = 2 ** 18;
/** Of a longer text the beginning and the end are read: what is asked stands there. */
const HEAD_CHARS = 4_096;
const TAIL_CHARS = 2_048;
/** Of these, character grams are taken from the first and the last so many: they are the most and say the least. */
const CHAR_GRAM_CHARS = 1_024;

const WORD_SALT = 0x811c9dc5;
const PAIR_SALT = 0x2f0b4c47;
const CHAR_SALT = 0x51ed270b;
const PRIME = 0x01000193;

/** A text as counts of hashed n-grams: single words, pairs of words, and 3 to 5 characters within a word. */
export interface Grams {
  /** Bucket of every distinct gram: words first, then pairs, then characters. */
  readonly buckets: Int32Array;
  /** How often it occurs, 255 at most. */
  readonly counts: Uint8Array;
  /** Where the pairs begin in `buckets`. */
  readonly pairsAt: number;
  /** Where the characters begin. */
  readonly charsAt: number;
}

/** What is read of a text: all of it, or its two ends. */
export const readable = (text: string): string =>
  text.length <= HEAD_CHARS + TAIL_CHARS ? text : `${text.slice(0, HEAD_CHARS)} ${text.slice(-TAIL_CHARS)}`;

// Scratch of one call, so that a request leaves nothing behind for the collector; `seen` is all zero between calls.
const codes = new Uint16Array(HEAD_CHARS + TAIL_CHARS + 1);
const words = new Int32Array(codes.length);
const seen = new Uint8Array(BUCKETS);
const touched = new Int32Array(8 * codes.length);
const counted = new Uint8Array(touched.length);
let end = 0;

function note(hash: number): void {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const bucket = (mixed ^ (mixed >>> 13)) & (BUCKETS - 1);
  const count = seen[bucket]!;
  if (count === 0) touched[end++] = bucket;
  if (count < 255) seen[bucket] = count + 1;
}

/** Takes the counts of the grams from `from` on; the next kind is counted anew. */
function settle(from: number): number {
  for (let i = from; i < end; i++) {
    const bucket = touched[i]!;
    counted[i] = seen[bucket]!;
    seen[bucket] = 0;
  }
  return end;
}

const isWordChar = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 95 || (code > 127 && code !== 0xa0 && (code < 0x2000 || code > 0x206f));
const isSpace = (code: number): boolean => code <= 32 || code === 0xa0;

/** Hashes the words of `codes` into `words` and notes them; returns how many there are. */
function noteWords(length: number): number {
  let count = 0;
  for (let i = 0; i < length; i++) {
    if (!isWordChar(codes[i]!)) continue;
    let hash = WORD_SALT;
    for (; i < length && isWordChar(codes[i]!); i++) hash = Math.imul(hash ^ codes[i]!, PRIME);
    note(hash);
    words[count++] = hash;
  }
  return count;
}

function notePairs(count: number): void {
  for (let i = 1; i < count; i++) {
    const before = words[i - 1]!;
    if (before !== 0) note(Math.imul(before ^ PAIR_SALT, PRIME) ^ Math.imul(words[i]!, 0x85ebca6b));
  }
}

/** Notes 3 to 5 characters within each word from `from` to `to`. */
function noteChars(from: number, to: number): void {
  let past = from;
  for (let start = from; start < to; start = past) {
    while (start < to && isSpace(codes[start]!)) start++;
    for (past = start; past < to && !isSpace(codes[past]!); ) past++;
    // A blank on either side belongs to the word, so that its beginning and its end are told from its middle.
    for (let i = start - 1; i <= past; i++) {
      let hash = CHAR_SALT;
      for (let at = i; at < i + 5 && at <= past; at++) {
        hash = Math.imul(hash ^ (at < start || at === past ? 32 : codes[at]!), PRIME);
        if (at >= i + 2) note(hash);
      }
    }
  }
}

/** Hashes a text's n-grams into 2^18 buckets. Case does not matter; nothing of the text can be read back. */
export const gramsOf = (text: string): Grams => lowerGrams(readable(text).toLowerCase());

/** The grams of what `readable` left of a text, in lower case. */
export function lowerGrams(lower: string): Grams {
  const length = Math.min(lower.length, codes.length);
  for (let i = 0; i < length; i++) codes[i] = lower.charCodeAt(i);
  end = 0;
  const count = noteWords(length);
  const pairsAt = settle(0);
  notePairs(count);
  const charsAt = settle(pairsAt);
  if (length <= 2 * CHAR_GRAM_CHARS) noteChars(0, length);
  else {
    noteChars(0, CHAR_GRAM_CHARS);
    noteChars(length - CHAR_GRAM_CHARS, length);
  }
  settle(charsAt);
  return { buckets: touched.slice(0, end), counts: counted.slice(0, end), pairsAt, charsAt };
}
