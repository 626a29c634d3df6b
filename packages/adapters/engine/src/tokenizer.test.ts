import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { createTokenizer, isBlank, readVocabulary, type Tokenizer } from "./tokenizer.ts";
import { locateModelPackage } from "./weights.ts";

// Ids as the tokenizer that comes with the model's own JavaScript runtime gives them.
const GOLDEN: readonly (readonly [text: string, ids: readonly number[]])[] = [
  ["How do I reset my password?", [728, 64, 16, 137, 1383, 69, 5969, 54]],
  [
    "Hello, world: 3.14 and naïve café — “quotes”.",
    [341, 4125, 8, 311, 57, 1766, 2363, 12, 1216, 0, 105, 976, 209, 1133, 405, 77, 1699, 5070, 7, 236, 6],
  ],
  ["see https://example.com/a?b=c", [158, 290, 7, 255, 773, 1563, 147, 6, 167, 68, 86, 54, 151, 413, 131]],
  ["A: b :) c", [74, 57, 464, 658, 598]],
  ["ﬁne ＡＢＣ ①", [839, 74, 2512, 207]],
  ["日本語のテキスト", [30, 0]],
  ["emoji 🚢🚢 slowboat 🌊!", [299, 451, 2501, 30, 0, 1882, 806, 313, 30, 0, 78]],
  ["lone \ud800 half", [1148, 296, 30, 0, 776]],
];

let tokenize: Tokenizer;
beforeAll(async () => {
  const { folder } = await locateModelPackage();
  tokenize = createTokenizer(await readVocabulary(folder));
});

describe("tokenizer", () => {
  test.each(GOLDEN)("gives %j the ids of the model's own tokenizer", (text, ids) => {
    expect(tokenize(text, 128)).toEqual(ids);
  });

  test("takes any run of white space, and none at the ends, as one word mark", () => {
    expect(tokenize("\n\tHow  do\u00a0I\r\n reset my password?  ", 128)).toEqual(GOLDEN[0]?.[1]);
  });

  test("gives no token exactly where nothing is visible", () => {
    for (const text of ["", " ", "\n\t\u2003\ufeff"]) {
      expect(tokenize(text, 128)).toEqual([]);
      expect(isBlank(text)).toBe(true);
    }
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(tokenize(text, 8).length > 0).toBe(!isBlank(text));
      }),
      { seed: 20261125, verbose: 1 },
    );
  });

  test("stops at the bound, and the cut text begins like the whole", () => {
    const text = "the quick brown fox jumps over the lazy dog ".repeat(50);
    expect(tokenize(text, 20)).toEqual(tokenize(text, 1_000).slice(0, 20));
    expect(tokenize(text, 20)).toHaveLength(20);
  });

  test("spends a bounded time on a text of any length", () => {
    // Ten megabytes without a space took 6 ms when this was written; a quadratic search would take days.
    const begun = performance.now();
    expect(tokenize("x".repeat(10_000_000), 1_024)).toHaveLength(1_024);
    expect(tokenize(`${" ".repeat(10_000_000)}a`, 1_024)).toHaveLength(1);
    expect(tokenize("\ufdfa".repeat(1_000_000), 1_024).length).toBeLessThanOrEqual(1_024);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
