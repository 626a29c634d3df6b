import { expect, test } from "vitest";
import { lostOf, type Relation, scoresOf } from "./relations.ts";

const BASE = "dear";
const is = (to: Relation["to"], by: Relation["by"] = "judge"): Relation => ({ to, by });
const graded = (of: Readonly<Record<string, Relation>>, given: string | null = "cheap", said: number | null = null) =>
  scoresOf(BASE, { given, of }, said);

test("the baseline is the measure: who says the same has its grade, who says something else or worse has none", () => {
  expect(graded({ cheap: is("same") })).toEqual({ dear: 1, cheap: 1 });
  expect(graded({ cheap: is("different", "exact") })).toEqual({ dear: 1, cheap: 0 });
  expect(graded({ cheap: is("worse") })).toEqual({ dear: 1, cheap: 0 });
});

test("where an answer is better than the baseline's, the baseline's grade goes, and with it that of who says the same", () => {
  expect(graded({ cheap: is("better"), middle: is("same"), small: is("worse") })).toEqual({ dear: 0, cheap: 1, middle: 0, small: 0 });
});

test("a user's word replaces the grade of the answer that was given, and of those that say the very same", () => {
  expect(graded({ cheap: is("same") }, "cheap", 0)).toEqual({ dear: 1, cheap: 0 });
  expect(graded({ cheap: is("same", "exact") }, "cheap", 0.2)).toEqual({ dear: 0.2, cheap: 0.2 });
  expect(graded({ cheap: is("worse") }, "cheap", 1)).toEqual({ dear: 1, cheap: 1 });
  expect(graded({ cheap: is("same", "exact"), small: is("worse") }, "dear", 0)).toEqual({ dear: 0, cheap: 0, small: 0 });
  expect(graded({ cheap: is("worse") }, null, 1)).toEqual({ dear: 1, cheap: 0 });
});

test("what the given answer lost is never negative, and nothing can be said of a stranger's", () => {
  const lost = (of: Readonly<Record<string, Relation>>, given: string | null) => lostOf(BASE, { given, of }, graded(of, given));
  expect(lost({ cheap: is("worse") }, "cheap")).toBe(1);
  expect(lost({ cheap: is("worse") }, "dear")).toBe(0);
  expect(lost({ cheap: is("better") }, "cheap")).toBe(0);
  expect(lost({ cheap: is("worse") }, null)).toBeNull();
});
