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

// Scratch of one call: all zero between calls.
const seen = new Uint8Array(BUCKETS);
const touched = new Int32Array(8 * (HEAD_CHARS + TAIL_CHARS));
let touchedCount = 0;

function bucketOf(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) & (BUCKETS - 1);
}

function note(hash: number): void {
  const bucket = bucketOf(hash);
  const count = seen[bucket]!;
  if (count === 0) touched[touchedCount++] = bucket;
  if (count < 255) seen[bucket] = count + 1;
}

const isWordChar = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 95 || (code > 127 && code !== 0xa0 && (code < 0x2000 || code > 0x206f));
const isSpace = (code: number): boolean => code <= 32 || code === 0xa0;

function noteWords(text: string, pairs: boolean): void {
  let before = 0;
  for (let i = 0; i < text.length; ) {
    if (!isWordChar(text.charCodeAt(i))) {
      i++;
      continue;
    }
    let hash = WORD_SALT;
    for (; i < text.length && isWordChar(text.charCodeAt(i)); i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
    if (!pairs) note(hash);
    else if (before !== 0) note(Math.imul(before ^ PAIR_SALT, PRIME) ^ Math.imul(hash, 0x85ebca6b));
    before = hash;
  }
}

function noteEnds(text: string): void {
  const whole = text.length <= 2 * CHAR_GRAM_CHARS;
  noteChars(whole ? text : text.slice(0, CHAR_GRAM_CHARS));
  if (!whole) noteChars(text.slice(-CHAR_GRAM_CHARS));
}

function noteChars(text: string): void {
  const codes = scratchCodes(text);
  let end = 0;
  for (let start = 0; start < text.length; start = end) {
    while (start < text.length && isSpace(codes[start + 1]!)) start++;
    for (end = start; end < text.length && !isSpace(codes[end + 1]!); ) end++;
    // A blank on either side belongs to the word, so that its beginning and its end are told from its middle.
    for (let i = start; i < end + 2; i++) {
      let hash = CHAR_SALT;
      for (let n = 1; n <= 5 && i + n <= end + 2; n++) {
        const at = i + n - 1;
        hash = Math.imul(hash ^ (at === start || at === end + 1 ? 32 : codes[at]!), PRIME);
        if (n >= 3) note(hash);
      }
    }
  }
}

const codesOf = new Uint16Array(HEAD_CHARS + TAIL_CHARS + 3);

/** The text's code units from place 1 on, with a blank before and after. */
function scratchCodes(text: string): Uint16Array {
  codesOf[0] = 32;
  for (let i = 0; i < text.length; i++) codesOf[i + 1] = text.charCodeAt(i);
  codesOf[text.length + 1] = 32;
  return codesOf;
}

/** Hashes a text's n-grams into 2^18 buckets. Case does not matter; nothing of the text can be read back. */
export function gramsOf(text: string): Grams {
  const lower = readable(text)
    .toLowerCase()
    .slice(0, HEAD_CHARS + TAIL_CHARS + 1);
  const parts: { buckets: Int32Array; counts: Uint8Array }[] = [];
  for (const take of [() => noteWords(lower, false), () => noteWords(lower, true), () => noteEnds(lower)]) {
    touchedCount = 0;
    take();
    const buckets = touched.slice(0, touchedCount);
    const counts = new Uint8Array(touchedCount);
    for (let i = 0; i < touchedCount; i++) {
      counts[i] = seen[buckets[i]!]!;
      seen[buckets[i]!] = 0;
    }
    parts.push({ buckets, counts });
  }
  const [words, pairs, chars] = parts as [(typeof parts)[0], (typeof parts)[0], (typeof parts)[0]];
  const pairsAt = words.buckets.length;
  const charsAt = pairsAt + pairs.buckets.length;
  const buckets = new Int32Array(charsAt + chars.buckets.length);
  const counts = new Uint8Array(buckets.length);
  for (const [part, at] of [
    [words, 0],
    [pairs, pairsAt],
    [chars, charsAt],
  ] as const) {
    buckets.set(part.buckets, at);
    counts.set(part.counts, at);
  }
  return { buckets, counts, pairsAt, charsAt };
}
