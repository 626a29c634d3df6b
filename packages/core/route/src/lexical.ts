import { type Grams, readable } from "./grams.ts";

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

const count = (text: string, pattern: RegExp): number => {
  let n = 0;
  pattern.lastIndex = 0;
  while (pattern.test(text)) n++;
  return n;
};

const has = (text: string, pattern: RegExp): number => (pattern.test(text) ? 1 : 0);

/** Counts that one walk over the code units gives. */
function walk(text: string) {
  const counts = { upper: 0, symbols: 0, questions: 0, commas: 0, lines: 1, letters: 0, percents: 0, numbers: 0 };
  let inNumber = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const digit = code >= 48 && code <= 57;
    if (digit && !inNumber) counts.numbers++;
    inNumber = digit || (inNumber && (code === 44 || code === 46));
    if (digit || code > 127 || (code >= 97 && code <= 122)) counts.letters++;
    else if (code >= 65 && code <= 90) {
      counts.upper++;
      counts.letters++;
    } else if (code === 10) counts.lines++;
    else if (code > 32) {
      counts.symbols++;
      if (code === 63) counts.questions++;
      else if (code === 44) counts.commas++;
      else if (code === 37 || code === 47) counts.percents++;
    }
  }
  return counts;
}

function optionsOf(text: string): { mean: number; spread: number; longest: number; digit: number } {
  const options = text.includes("\nB") || text.includes("\n(B") ? (text.match(/^\(?[A-J][.):]\s.*$/gm) ?? []) : [];
  if (options.length < 2) return { mean: 0, spread: 0, longest: 0, digit: 0 };
  const lengths = options.map((option) => option.length - 3);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const variance = lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length;
  return { mean, spread: Math.sqrt(variance), longest: Math.max(...lengths), digit: has(options.map((option) => option.slice(2)).join("\n"), /\d/) };
}

/** 26 figures of a prompt that need no vocabulary: lengths, numbers, negations, options, words of arithmetic. `grams` are the same prompt's. */
export function lexicalOf(prompt: string, grams: Grams): Float64Array {
  const text = readable(prompt);
  const lower = text.toLowerCase();
  const { upper, symbols, questions, commas, lines, letters, percents, numbers } = walk(text);
  const options = optionsOf(text);
  const sentences = Math.max(1, count(text, /[.?!](?=\s|$)/g));
  let words = 0;
  for (let i = 0; i < grams.pairsAt; i++) words += grams.counts[i]!;
  const perWord = Math.max(1, words);
  const perChar = Math.max(1, text.length);
  return Float64Array.of(
    Math.log1p(prompt.length),
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
    count(text, /\b(?:not|NOT|EXCEPT|never|no)\b|n't\b/g),
    options.mean,
    options.spread,
    options.longest,
    options.digit,
    lower.includes("which of the following") ? 1 : 0,
    has(lower, /\bstatements?\b/),
    has(text, /_{2,}|\.{4,}/),
    count(lower, /\bif\b/g),
    count(lower, /\beach\b/g),
    count(lower, /\b(?:total|altogether|in all)\b/g),
    count(lower, /\bthan\b/g),
    percents + count(lower, /\b(?:half|twice|double|triple|times|percent|third|quarter)\b/g),
    perWord / sentences,
    sentences,
  );
}
