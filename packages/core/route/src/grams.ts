/** Buckets that n-grams are hashed into. */
export const BUCKETS = 2 ** 18;
/** Of a longer text the beginning and the end are read: what is asked stands there. */
const HEAD_CHARS = 4_096;
const TAIL_CHARS = 2_048;
/** Code units of what is read at most: both ends and a blank between them. */
export const MOST_CHARS = HEAD_CHARS + TAIL_CHARS + 1;
/** Of these, character grams are taken from the first and the last so many: they are the most and say the least. */
const CHAR_GRAM_CHARS = 512;

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
const codes = new Uint16Array(MOST_CHARS);
const words = new Int32Array(codes.length);
const seen = new Uint8Array(BUCKETS);
/** One more than there can be grams: `note` writes before it knows whether the gram is new. */
const touched = new Int32Array(8 * codes.length + 1);
const counted = new Uint8Array(touched.length);

/** Counts a gram and returns the end of those touched. No branch asks whether it is new: half of them are, and no processor can foresee which. */
function note(hash: number, end: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const bucket = (mixed ^ (mixed >>> 13)) & (BUCKETS - 1);
  const count = seen[bucket]!;
  touched[end] = bucket;
  seen[bucket] = count + ((count - 255) >>> 31);
  return end + ((count - 1) >>> 31);
}

/** Takes the counts of the grams from `from` to `end`; the next kind is counted anew. */
function settle(from: number, end: number): void {
  for (let i = from; i < end; i++) {
    const bucket = touched[i]!;
    counted[i] = seen[bucket]!;
    seen[bucket] = 0;
  }
}

const isWordChar = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 95 || (code > 127 && code !== 0xa0 && (code < 0x2000 || code > 0x206f));
const isSpace = (code: number): boolean => code <= 32 || code === 0xa0;

/** Hashes the words of `codes` into `words`; returns how many there are. */
function hashWords(length: number): number {
  let count = 0;
  for (let i = 0; i < length; i++) {
    if (!isWordChar(codes[i]!)) continue;
    let hash = WORD_SALT;
    for (; i < length && isWordChar(codes[i]!); i++) hash = Math.imul(hash ^ codes[i]!, PRIME);
    words[count++] = hash;
  }
  return count;
}

/** Notes the words, then the pairs of them; returns where each kind ends. */
function noteWords(count: number): readonly [number, number] {
  let end = 0;
  for (let i = 0; i < count; i++) end = note(words[i]!, end);
  const pairsAt = end;
  settle(0, pairsAt);
  for (let i = 1; i < count; i++) {
    const before = words[i - 1]!;
    if (before !== 0) end = note(Math.imul(before ^ PAIR_SALT, PRIME) ^ Math.imul(words[i]!, 0x85ebca6b), end);
  }
  settle(pairsAt, end);
  return [pairsAt, end];
}

/** Notes 3 to 5 characters within each word from `from` to `to`, after the grams up to `noted`; returns where they end. */
function noteChars(from: number, to: number, noted: number): number {
  let end = noted;
  let past = from;
  for (let start = from; start < to; start = past) {
    while (start < to && isSpace(codes[start]!)) start++;
    for (past = start; past < to && !isSpace(codes[past]!); ) past++;
    // A blank on either side belongs to the word, so that its beginning and its end are told from its middle.
    for (let i = start - 1; i <= past - 2; i++) {
      let hash = Math.imul(CHAR_SALT ^ (i < start ? 32 : codes[i]!), PRIME);
      hash = Math.imul(hash ^ codes[i + 1]!, PRIME);
      hash = Math.imul(hash ^ (i + 2 === past ? 32 : codes[i + 2]!), PRIME);
      end = note(hash, end);
      if (i + 3 > past) continue;
      hash = Math.imul(hash ^ (i + 3 === past ? 32 : codes[i + 3]!), PRIME);
      end = note(hash, end);
      if (i + 4 > past) continue;
      hash = Math.imul(hash ^ (i + 4 === past ? 32 : codes[i + 4]!), PRIME);
      end = note(hash, end);
    }
  }
  return end;
}

/** Hashes a text's n-grams into 2^18 buckets. Case does not matter; nothing of the text can be read back. */
export const gramsOf = (text: string): Grams => lowerGrams(readable(text).toLowerCase());

/** The grams of what `readable` left of a text, in lower case. */
export function lowerGrams(lower: string): Grams {
  const length = Math.min(lower.length, codes.length);
  for (let i = 0; i < length; i++) codes[i] = lower.charCodeAt(i);
  const [pairsAt, charsAt] = noteWords(hashWords(length));
  let end = charsAt;
  if (length <= 2 * CHAR_GRAM_CHARS) end = noteChars(0, length, end);
  else {
    end = noteChars(0, CHAR_GRAM_CHARS, end);
    end = noteChars(length - CHAR_GRAM_CHARS, length, end);
  }
  settle(charsAt, end);
  return { buckets: touched.slice(0, end), counts: counted.slice(0, end), pairsAt, charsAt };
}
