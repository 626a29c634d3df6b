import { MOST_CHARS } from "./grams.ts";

/**
 * What is counted of a prompt, sign by sign and word by word. A walk over all code units counts each and notes, without a branch, where something has to be
 * looked at; then those places alone are looked at.
 */

// What a code unit is, as bits of `KINDS`.
/** A letter, digit or low line of ASCII: what words are made of. */
const WORD = 1;
/** Looked at wherever it stands: a digit, or a sign that is not counted by itself. */
const SIGN = 2;
/** Looked at where it begins a word: a negation begins with it. */
const NEGATES = 4;
/** Looked at where it begins a word: a word that is counted begins with it. */
const COUNTS = 8;

const NEGATIONS = ["not", "NOT", "EXCEPT", "never", "no"];

/** Words of arithmetic and logic, by the feature that they count for. */
const COUNTED = {
  statements: ["statement", "statements"],
  ifs: ["if"],
  each: ["each"],
  totals: ["total", "altogether", "in all"],
  than: ["than"],
  ratios: ["half", "twice", "double", "triple", "times", "percent", "third", "quarter"],
} as const;
type Counted = keyof typeof COUNTED;

const counted = (Object.entries(COUNTED) as [Counted, readonly string[]][]).flatMap(([counts, words]) => words.map((word) => ({ word, counts })));
/** The counted words that begin with a letter. */
const BY_LETTER = Array.from({ length: 128 }, (_, code) => counted.filter(({ word }) => word.charCodeAt(0) === code));

const isLetter = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** By code unit, all beyond ASCII in one. */
const KINDS = Uint8Array.from({ length: 129 }, (_, code) => {
  const sign = code < 128 ? String.fromCharCode(code) : "";
  if (sign === "") return 0;
  const word = isLetter(code) || isDigit(code) || sign === "_" ? WORD : 0;
  const looked = isDigit(code) || "'?.!_".includes(sign) ? SIGN : 0;
  const negates = NEGATIONS.some((one) => one.startsWith(sign)) ? NEGATES : 0;
  return word | looked | negates | (BY_LETTER[code]!.length > 0 ? COUNTS : 0);
});
const kindOf = (code: number): number => KINDS[Math.min(code, 128)]!;

// Scratch of one call; in lower case a letter may come to two code units.
const counts = new Int32Array(129);
const places = new Int32Array(2 * MOST_CHARS);

/** True where the text has the word at `at` and the word ends there. */
function standsAt(text: string, word: string, at: number): boolean {
  const end = at + word.length;
  if (end > text.length) return false;
  for (let i = 0; i < word.length; i++) if (text.charCodeAt(at + i) !== word.charCodeAt(i)) return false;
  return end === text.length || (kindOf(text.charCodeAt(end)) & WORD) === 0;
}

function negatesAt(text: string, at: number): boolean {
  for (let i = 0; i < NEGATIONS.length; i++) if (standsAt(text, NEGATIONS[i]!, at)) return true;
  return false;
}

const isBlank = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || (code > 127 && /\s/.test(String.fromCharCode(code)));

/** True where a text has the same sign from `from` to `to`. */
function runs(text: string, from: number, to: number): boolean {
  if (from < 0) return false;
  for (let i = from; i < to; i++) if (text.charCodeAt(i) !== text.charCodeAt(to)) return false;
  return true;
}

/** Signs, letters and numbers of a text, its negations and the ends of its sentences; `blank`: two low lines or four points in a row. */
export function signsIn(text: string) {
  counts.fill(0);
  let found = 0;
  let before = 0;
  for (let i = 0, { length } = text; i < length; i++) {
    const code = Math.min(text.charCodeAt(i), 128);
    counts[code]!++;
    const kind = KINDS[code]!;
    places[found] = i;
    found += ((kind >> 1) | ((kind >> 2) & ~before)) & 1;
    before = kind;
  }
  const seen = { numbers: 0, negations: 0, sentences: 0, blank: false };
  for (let p = 0; p < found; p++) look(text, places[p]!, seen);
  return { ...seen, ...sumsOf(counts) };
}

interface Looked {
  numbers: number;
  negations: number;
  sentences: number;
  blank: boolean;
}

/** Counts what stands at a place of a text that more than its code unit decides on. */
function look(text: string, at: number, seen: Looked): void {
  const code = text.charCodeAt(at);
  if (isDigit(code)) seen.numbers += goesOn(text, at) ? 0 : 1;
  else if (code === 39) seen.negations += at > 0 && text.charCodeAt(at - 1) === 110 && standsAt(text, "t", at + 1) ? 1 : 0;
  else if (code === 95) seen.blank ||= runs(text, at - 1, at);
  else if (isLetter(code)) seen.negations += negatesAt(text, at) ? 1 : 0;
  else {
    if (code === 46) seen.blank ||= runs(text, at - 3, at);
    if (at + 1 === text.length || isBlank(text.charCodeAt(at + 1))) seen.sentences++;
  }
}

/** True where a digit belongs to a number that began before it: points and commas end none. */
function goesOn(text: string, at: number): boolean {
  for (let i = at - 1; i >= 0; i--) {
    const code = text.charCodeAt(i);
    if (code !== 44 && code !== 46) return isDigit(code);
  }
  return false;
}

/** What the counts of code units come to; `letters` are digits and all beyond ASCII too, a low line is a symbol. */
function sumsOf(counts: Int32Array) {
  let upper = 0;
  let letters = counts[128]!;
  let symbols = 0;
  for (let code = 33; code < 128; code++) {
    const count = counts[code]!;
    if (isLetter(code) || isDigit(code)) letters += count;
    else symbols += count;
    if (code >= 65 && code <= 90) upper += count;
  }
  return { upper, letters, symbols, lines: 1 + counts[10]!, questions: counts[63]!, commas: counts[44]!, percents: counts[37]! + counts[47]! };
}

/** How often words of arithmetic and logic stand in a text in lower case. */
export function wordsIn(lower: string): Readonly<Record<Counted, number>> {
  let found = 0;
  let before = 0;
  for (let i = 0, { length } = lower; i < length; i++) {
    const kind = kindOf(lower.charCodeAt(i));
    places[found] = i;
    found += (kind >> 3) & ~before & 1;
    before = kind;
  }
  const tally = { statements: 0, ifs: 0, each: 0, totals: 0, than: 0, ratios: 0 };
  for (let p = 0; p < found; p++) {
    const at = places[p]!;
    const words = BY_LETTER[lower.charCodeAt(at)]!;
    for (let w = 0; w < words.length; w++) if (standsAt(lower, words[w]!.word, at)) tally[words[w]!.counts]++;
  }
  return tally;
}
