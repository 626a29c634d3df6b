import { readable } from "./grams.ts";

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
function walk(text: string): { upper: number; symbols: number; questions: number; commas: number; lines: number } {
  let upper = 0;
  let symbols = 0;
  let questions = 0;
  let commas = 0;
  let lines = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 65 && code <= 90) upper++;
    else if (code === 10) lines++;
    else if (code > 32 && code < 128 && !(code >= 97 && code <= 122) && !(code >= 48 && code <= 57)) {
      symbols++;
      if (code === 63) questions++;
      else if (code === 44) commas++;
    }
  }
  return { upper, symbols, questions, commas, lines };
}

function optionsOf(text: string): { mean: number; spread: number; longest: number; digit: number } {
  const options = text.match(/^\(?[A-J][.):]\s.*$/gm) ?? [];
  if (options.length < 2) return { mean: 0, spread: 0, longest: 0, digit: 0 };
  const lengths = options.map((option) => option.length - 3);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const variance = lengths.reduce((sum, length) => sum + (length - mean) ** 2, 0) / lengths.length;
  return { mean, spread: Math.sqrt(variance), longest: Math.max(...lengths), digit: has(options.map((option) => option.slice(2)).join("\n"), /\d/) };
}

/** 26 figures of a prompt that need no vocabulary: lengths, numbers, negations, options, words of arithmetic. */
export function lexicalOf(prompt: string): Float64Array {
  const text = readable(prompt);
  const words = text.match(/[\p{L}\p{N}'_]+/gu) ?? [];
  const lower = text.toLowerCase();
  const { upper, symbols, questions, commas, lines } = walk(text);
  const numbers = count(text, /\d[\d,]*(?:\.\d+)?/g);
  const options = optionsOf(text);
  const sentences = Math.max(1, count(text, /[.?!](?=\s|$)/g));
  let letters = 0;
  for (const word of words) letters += word.length;
  const perWord = Math.max(1, words.length);
  const perChar = Math.max(1, text.length);
  return Float64Array.of(
    Math.log1p(prompt.length),
    Math.log1p(words.length),
    lines,
    numbers,
    numbers / perWord,
    letters / perWord,
    new Set(words).size / perWord,
    upper / perChar,
    symbols / perChar,
    questions,
    commas,
    count(text, /\b(?:not|NOT|EXCEPT|never|no)\b|n't\b/g),
    options.mean,
    options.spread,
    options.longest,
    options.digit,
    has(lower, /which of the following/),
    has(lower, /\bstatements?\b/),
    has(text, /_{2,}|\.{4,}/),
    count(lower, /\bif\b/g),
    count(lower, /\beach\b/g),
    count(lower, /\b(?:total|altogether|in all)\b/g),
    count(lower, /\bthan\b/g),
    count(lower, /\b(?:half|twice|double|triple|times|percent|third|quarter)\b|[%/]/g),
    perWord / sentences,
    sentences,
  );
}
