import type { Grams } from "./grams.ts";
import { signsIn, wordsIn } from "./tally.ts";

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
  const { upper, symbols, questions, commas, lines, letters, percents, numbers, negations, sentences: ends, blank } = signsIn(text);
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
    blank ? 1 : 0,
    found.ifs,
    found.each,
    found.totals,
    found.than,
    percents + found.ratios,
    perWord / sentences,
    sentences,
  );
}
