import { expect, test } from "vitest";
import { languageOf } from "./language.ts";
import { realisedError } from "./realised-error.ts";
import { readReuseWish, storedSemantic, storedWish, usualWish, wishOf, writeWish } from "./wish.ts";

const SETTINGS = { on: true, maxError: 0.05, ttlMs: 3_600_000, judge: null };

test("a header's terms are read, and what is left out is the tenant's own", () => {
  expect(readReuseWish("semantic; max-error=0.02; ttl=1d")).toEqual({ mode: "exact", semantic: { maxError: 0.02, ttlMs: 86_400_000, asked: true } });
  expect(readReuseWish(" semantic ;max_error=.02", SETTINGS)).toEqual({ mode: "exact", semantic: { maxError: 0.02, ttlMs: 3_600_000, asked: true } });
  expect(readReuseWish("semantic", SETTINGS)).toMatchObject({ semantic: { maxError: 0.05 } });
  expect(readReuseWish("exact")).toEqual({ mode: "exact", semantic: null });
  expect(readReuseWish("never", SETTINGS)).toEqual({ mode: "off", semantic: null });
});

test.each([
  ["semantik", "not a cache mode"],
  ["semantic; max-error=0", "max_error"],
  ["semantic; max-error=0.5", "max_error"],
  ["semantic; max-error=1%", "max_error"],
  ["semantic; ttl=soon", "ttl"],
  ["semantic; threshold=0.9", "known: max-error, ttl"],
  ["exact; max-error=0.01", "mode 'semantic' alone"],
])("'%s' is refused, and it is said what would do", (text, says) => {
  expect(readReuseWish(text)).toEqual({ wrong: expect.stringContaining(says) });
});

test("the object of a job means the same as the line of a header", () => {
  expect(wishOf({ mode: "semantic", maxError: 0.02, ttl: "1d" })).toEqual(readReuseWish("semantic; max-error=0.02; ttl=1d"));
  expect(wishOf({ mode: "off", ttl: "1d" })).toEqual({ wrong: expect.stringContaining("semantic") });
});

test("a batch keeps a wish as it was, and an older batch's mode is still read", () => {
  for (const wish of [usualWish(SETTINGS), usualWish(), wishOf({ mode: "semantic" })]) {
    if ("wrong" in wish) throw new Error(wish.wrong);
    expect(storedWish(writeWish(wish))).toEqual(wish);
  }
  expect(storedWish("exact")).toEqual({ mode: "exact", semantic: null });
  expect(storedWish("something else")).toEqual({ mode: "auto", semantic: null });
});

test("a tenant without settings, or with unreadable ones, reuses nothing by meaning", () => {
  expect(usualWish(storedSemantic(null))).toEqual({ mode: "auto", semantic: null });
  expect(usualWish(storedSemantic("{"))).toEqual({ mode: "auto", semantic: null });
  expect(usualWish(storedSemantic('{"on":true,"maxError":0.02}'))).toEqual({ mode: "auto", semantic: { maxError: 0.02, ttlMs: null, asked: false } });
});

test("the languages that the same letters write are told apart, and English is what says nothing", () => {
  expect(languageOf("How do I reset my password?")).toBe("en");
  expect(languageOf("reset password")).toBe("en");
  expect(languageOf("Wie kann ich mein Passwort ändern und wann?")).toBe("de");
  expect(languageOf("Comment est-ce que je change le mot de passe, et pourquoi?")).toBe("fr");
  expect(languageOf("パスワードを変更する方法")).toBe("Japanese");
  expect(languageOf("Как изменить пароль?")).toBe("Cyrillic");
});

test("the realised error weighs each explored answer by its chance, and has a width even where none was wrong", () => {
  const counts = { asked: 1_000, reused: 380, explored: 20, weight: 400, weightSquares: 8_000, wrongWeight: 20 };
  expect(realisedError(counts)).toMatchObject({ error: expect.closeTo(0.02, 6), labels: 20 });
  const none = realisedError({ ...counts, wrongWeight: 0 });
  expect(none?.error).toBe(0);
  expect(none?.high).toBeGreaterThan(0.01);
  expect(realisedError({ ...counts, weight: 0 })).toBeNull();
});
