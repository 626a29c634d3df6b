import { seededRng } from "@slowboat/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeApiKey, readApiKey } from "./api-key.ts";

describe("an API key", () => {
  test("reads back, and any one changed character is found out without a database", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), fc.constantFrom(..."0123456789ABCxyz_-".split("")), (seed, at, other) => {
        const key = makeApiKey(seededRng(seed));
        expect(key.text).toMatch(/^slowboat_live_[0-9a-z]{8}_[0-9A-Za-z]{49}$/);
        expect(readApiKey(key.text)).toEqual(key);
        // The checksum covers all that follows the prefix by which a key of ours is told from another.
        const i = 14 + (at % (key.text.length - 14));
        const typo = key.text.slice(0, i) + other + key.text.slice(i + 1);
        if (typo !== key.text) expect(readApiKey(typo)).toBe("mistyped");
      }),
    );
  });

  test("of another format is not ours to judge", () => {
    expect(readApiKey("sk-something")).toBeNull();
    expect(readApiKey("slowboat_live_short")).toBe("mistyped");
  });
});
