import type { Grams } from "./grams.ts";

/** Names of the lexical features, in the order of their values. */
export const LEXICAL = [
  "length",
  "words",
  "lines",
  "numbers",
  "numbers a word",
  "word length",
  "distinct words",
  "upper case",
  "symbols",
  "question marks",
  "commas",
  "negations",
  "option length",
  "option length spread",
  "longest option",
  "digit in an option",
  "which of the following",
  "statement",
  "blank to fill",
  "if",
  "each",
  "total",
  "than",
  "ratio words",
  "sentence length",
  "sentences",
] as const;

const has = (text: string, pattern: RegExp): number => (pattern.test(text) ? 1 : 0);

const isAsciiWord = (code: number): boolean => (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95;

const NEGATIONS = ["not", "NOT", "EXCEPT", "never", "no"];
/** Letters that a negation begins with. */
const NEGATES = new Uint8Array(128);
for (const word of NEGATIONS) NEGATES[word.charCodeAt(0)] = 1;

/** Counts that one walk over the code units gives. */
function walk(text: string) {
  const counts = { upper: 0, symbols: 0, questions: 0, commas: 0, lines: 1, letters: 0, percents: 0, numbers: 0, negations: 0, sentences: 0 };
  let inNumber = false;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const digit = code >= 48 && code <= 57;
    if (digit && !inNumber) counts.numbers++;
    inNumber = digit || (inNumber && (code === 44 || code === 46));
    const word = isAsciiWord(code);
    if (word && !inWord && NEGATES[code] === 1 && NEGATIONS.some((one) => standsAt(text, one, i))) counts.negations++;
    inWord = word;
    if (digit || code > 127 || (code >= 97 && code <= 122)) counts.letters++;
    else if (code >= 65 && code <= 90) {
      counts.upper++;
      counts.letters++;
    } else if (code === 10) counts.lines++;
    else if (code > 32) mark(counts, text, i);
  }
  return counts;
}

/** Counts the sign at `i`. */
function mark(
  counts: { symbols: number; questions: number; commas: number; percents: number; negations: number; sentences: number },
  text: string,
  i: number,
): void {
  counts.symbols++;
  const code = text.charCodeAt(i);
  if (code === 44) counts.commas++;
  else if (code === 37 || code === 47) counts.percents++;
  else if (code === 39) counts.negations += text.charCodeAt(i - 1) === 110 && standsAt(text, "t", i + 1) ? 1 : 0;
  if (code === 63) counts.questions++;
  if ((code === 63 || code === 46 || code === 33) && (i + 1 === text.length || /\s/.test(text[i + 1]!))) counts.sentences++;
}

/** True where the text has the word at `at` and the word ends there. */
const standsAt = (text: string, word: string, at: number): boolean =>
  text.startsWith(word, at) && (at + word.length === text.length || !isAsciiWord(text.charCodeAt(at + word.length)));

/** Words that are counted, by the feature that they count for. */
const COUNTED = {
  statements: ["statement", "statements"],
  ifs: ["if"],
  each: ["each"],
  totals: ["total", "altogether", "in all"],
  than: ["than"],
  ratios: ["half", "twice", "double", "triple", "times", "percent", "third", "quarter"],
} as const;
type Counted = keyof typeof COUNTED;

const BY_LETTER: (readonly { readonly word: string; readonly counts: Counted }[] | undefined)[] = new Array(128);
for (const [counts, words] of Object.entries(COUNTED) as [Counted, readonly string[]][])
  for (const word of words) BY_LETTER[word.charCodeAt(0)] = [...(BY_LETTER[word.charCodeAt(0)] ?? []), { word, counts }];

/** How often words of arithmetic and logic stand in a text in lower case. */
function wordsIn(lower: string): Record<Counted, number> {
  const found = { statements: 0, ifs: 0, each: 0, totals: 0, than: 0, ratios: 0 };
  let inWord = false;
  for (let i = 0; i < lower.length; i++) {
    const code = lower.charCodeAt(i);
    const word = isAsciiWord(code);
    if (word && !inWord) for (const one of BY_LETTER[code] ?? NONE) if (standsAt(lower, one.word, i)) found[one.counts]++;
    inWord = word;
  }
  return found;
}

const NONE: readonly never[] = [];

function optionsOf(text: string): { mean: number; spread: number; longest: number; digit: number } {
  const options = text.includes("\nB") || text.includes("\n(B") ? (text.match(/^\(?[A-J][.):]\s.*$/gm) ?? []) : [];
  if (options.length < 2) return { mean: 0, spread: 0, longest: 0, digit: 0 };
  const lengths = options.map((option) => option.length - 3);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const variance = lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length;
  return { mean, spread: Math.sqrt(variance), longest: Math.max(...lengths), digit: has(options.map((option) => option.slice(2)).join("\n"), /\d/) };
}

/** What the figures are taken from: the prompt's length, and what `readable` left of it, as it stands and in lower case. */
interface Read {
  readonly chars: number;
  readonly text: string;
  readonly lower: string;
}

/** 26 figures of a prompt that need no vocabulary: lengths, numbers, negations, options, words of arithmetic. `grams` are the same prompt's. */
export function lexicalOf({ chars, text, lower }: Read, grams: Grams): Float64Array {
  const { upper, symbols, questions, commas, lines, letters, percents, numbers, negations, sentences: ends } = walk(text);
  const found = wordsIn(lower);
  const options = optionsOf(text);
  const sentences = Math.max(1, ends);
  let words = 0;
  for (let i = 0; i < grams.pairsAt; i++) words += grams.counts[i]!;
  const perWord = Math.max(1, words);
  const perChar = Math.max(1, text.length);
  return Float64Array.of(
    Math.log1p(chars),
    Math.log1p(words),
    lines,
    numbers,
    numbers / perWord,
    letters / perWord,
    grams.pairsAt / perWord,
    upper / perChar,
    symbols / perChar,
    questions,
    commas,
    negations,
    options.mean,
    options.spread,
    options.longest,
    options.digit,
    lower.includes("which of the following") ? 1 : 0,
    found.statements > 0 ? 1 : 0,
    has(text, /_{2,}|\.{4,}/),
    found.ifs,
    found.each,
    found.totals,
    found.than,
    percents + found.ratios,
    perWord / sentences,
    sentences,
  );
}
