import { isFault } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { type BodyShare, bodyBudget } from "./body-budget.ts";

const MIB = 1024 * 1024;
const fits = (share: BodyShare, bytes: number): boolean => {
  try {
    share.set(bytes);
    return true;
  } catch (error) {
    expect(isFault(error) && error.code === "overloaded" && error.status === 503 && error.retryable).toBe(true);
    return false;
  }
};

test("bodies fit until the budget is full, and again after one has gone", () => {
  const budget = bodyBudget(96 * MIB);
  const [a, b, c] = [budget.open(), budget.open(), budget.open()];
  expect([fits(a, 32 * MIB), fits(b, 32 * MIB), fits(c, 2 * MIB)]).toEqual([true, true, false]);
  a.close();
  expect(fits(c, 32 * MIB)).toBe(true);
});

test("large bodies leave room for small ones, up to the budget itself", () => {
  const budget = bodyBudget(64 * MIB);
  expect(fits(budget.open(), 32 * MIB)).toBe(true);
  expect(fits(budget.open(), 2 * MIB)).toBe(false);
  for (let i = 0; i < 32; i++) expect(fits(budget.open(), MIB)).toBe(true);
  expect(fits(budget.open(), 1)).toBe(false);
});

test("a share grows and shrinks, a refused growth takes nothing, and a closed one takes nothing more", () => {
  const budget = bodyBudget(64 * MIB);
  const share = budget.open();
  for (const bytes of [10 * MIB, 30 * MIB, 1 * MIB]) expect(fits(share, bytes)).toBe(true);
  expect(fits(share, 100 * MIB)).toBe(false);
  share.close();
  share.close();
  share.set(32 * MIB);
  expect(fits(budget.open(), 32 * MIB)).toBe(true);
});
