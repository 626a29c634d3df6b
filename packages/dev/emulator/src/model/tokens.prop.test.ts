import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { expect, test } from "vitest";
import { createTokenizer, pieces } from "./tokens.ts";

const seed = 20_261_125;

test(`cutting a text loses no character, and costs no token where there are words (seed ${seed})`, () => {
  const tokens = createTokenizer();
  const word = fc.constantFrom("boat", "river", "1234567", "naïve", "日本語", "don't", "…", "\n\n", "C++", "🚢", "  ", "x=1;");
  fc.assert(
    fc.property(fc.array(word, { minLength: 1_500, maxLength: 6_000 }), (words) => {
      const text = words.join(" ");
      expect([...pieces(text)].join("")).toBe(text);
      expect(tokens.count(text)).toBe(countTokens(text, { disallowedSpecial: new Set() }));
    }),
    { seed, numRuns: 15 },
  );
});

test("one endless word and special-token names are counted without a fault", () => {
  const tokens = createTokenizer();
  expect(tokens.count("a".repeat(50_000))).toBeGreaterThan(1_000);
  expect(tokens.count("<|endoftext|>")).toBeGreaterThan(1);
  expect(tokens.head("one two three four", 2)).toEqual({ text: "one two", tokens: 2 });
});
