import { expect, test } from "vitest";
import { chooseWindow } from "./window.ts";

const nowMs = Date.parse("2026-11-28T12:00:00Z");
const daysAgo = (days: number): number => nowMs - days * 86_400_000;

test("without a wish the narrowest window that holds the newest work is taken", () => {
  expect(chooseWindow(undefined, { nowMs, newestAtMs: daysAgo(0.5) }).key).toBe("24h");
  expect(chooseWindow(undefined, { nowMs, newestAtMs: daysAgo(2) }).key).toBe("7d");
  expect(chooseWindow(undefined, { nowMs, newestAtMs: daysAgo(30) })).toEqual({ key: "all", chosen: false, sinceMs: 0 });
});

test("a wish is kept even when its window is empty, and an unknown one counts as none", () => {
  expect(chooseWindow("24h", { nowMs, newestAtMs: daysAgo(30) })).toEqual({ key: "24h", chosen: true, sinceMs: daysAgo(1) });
  expect(chooseWindow("5 years", { nowMs, newestAtMs: daysAgo(2) })).toMatchObject({ key: "7d", chosen: false });
});

test("an installation where nothing was ever done shows the last day", () => {
  expect(chooseWindow(undefined, { nowMs, newestAtMs: null }).key).toBe("24h");
});
