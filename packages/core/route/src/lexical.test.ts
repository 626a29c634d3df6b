import { hexOf, type Rng, seededRng, sha256 } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { askOf, gramsOf } from "./index.ts";
import { LEXICAL } from "./lexical.ts";

const SEED = 20_261_129;

const PIECES = [
  "not",
  "NOT",
  "EXCEPT",
  "never",
  "no",
  "n't",
  "isn't",
  "if",
  "each",
  "in all",
  "in  all",
  "total",
  "altogether",
  "than",
  "half",
  "third",
];
const MORE = ["statements", "statement", "__", "....", ".", "?", "!", " ", " ", "\n", "é", "İ", "\u2003", "_", "'", "x", "7", ",", "%", "/", "-"];

const makeText = (rng: Rng): string =>
  Array.from({ length: 40 }, () => [...PIECES, ...MORE][rng.u32() % (PIECES.length + MORE.length)] ?? "").join("");

/** The same figures by regular expressions, which say what is meant. */
const PATTERNS: Readonly<Record<string, (text: string, lower: string) => number>> = {
  negations: (text) => matches(text, /\b(?:not|NOT|EXCEPT|never|no)\b|n't\b/g),
  statement: (_, lower) => Math.min(1, matches(lower, /\bstatements?\b/g)),
  if: (_, lower) => matches(lower, /\bif\b/g),
  each: (_, lower) => matches(lower, /\beach\b/g),
  total: (_, lower) => matches(lower, /\b(?:total|altogether|in all)\b/g),
  than: (_, lower) => matches(lower, /\bthan\b/g),
  "ratio words": (_, lower) => matches(lower, /[%/]/g) + matches(lower, /\b(?:half|twice|double|triple|times|percent|third|quarter)\b/g),
  sentences: (text) => Math.max(1, matches(text, /[.?!](?=\s|$)/g)),
};
const matches = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

test(`words, negations and sentences are counted as regular expressions would count them (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  for (let round = 0; round < 400; round++) {
    const text = makeText(rng);
    const { lexical } = askOf(text, "");
    for (const [name, count] of Object.entries(PATTERNS))
      expect([name, text, lexical[(LEXICAL as readonly string[]).indexOf(name)]]).toEqual([name, text, count(text, text.toLowerCase())]);
  }
});

test("grams are the ones that kept labels and policies were learned from", () => {
  const long = `Which of the Following İs 1,234.5? ÉTÉ don't _x_\u00a0no ${"Harbour lights, 42 boats; ".repeat(300)} end`;
  const print = (text: string) => {
    const { buckets, counts, pairsAt, charsAt } = gramsOf(text);
    return [pairsAt, charsAt, buckets.length, hexOf(sha256(JSON.stringify([[...buckets], [...counts]]))).slice(0, 16)];
  };
  expect(print("Ahoy there, it's 3.14 été")).toEqual([7, 13, 61, "513b355f339562b0"]);
  expect(print(long)).toEqual([19, 39, 199, "0616223210df6027"]);
});
