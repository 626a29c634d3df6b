import { expect, test } from "vitest";
import { nextTry, restMs, retryAfterMs } from "./schedule.ts";

const still = { float: () => 0, u32: () => 0 };

test("Retry-After is read as seconds or as a date, and anything else is no wish", () => {
  const now = Date.UTC(2026, 10, 1);
  expect(retryAfterMs("120", now)).toBe(120_000);
  expect(retryAfterMs("Sun, 01 Nov 2026 00:05:00 GMT", now)).toBe(300_000);
  expect(retryAfterMs("Sat, 31 Oct 2026 00:00:00 GMT", now)).toBe(0);
  for (const odd of [undefined, "", "soon", "-5", "1e9", "99999999999"]) expect(retryAfterMs(odd, now)).toBeNull();
});

test("a wish shorter than the schedule's pause changes nothing, and one beyond a day counts as a day", () => {
  expect(nextTry(2, 503, 1_000, still)).toBe(300_000);
  expect(nextTry(2, 503, 999_999_999, still)).toBe(86_400_000);
});

test("a broken endpoint rests five minutes, then longer, and an hour at most", () => {
  expect([10, 11, 12, 13, 14, 500].map((failures) => restMs(failures) / 60_000)).toEqual([5, 10, 20, 40, 60, 60]);
});
