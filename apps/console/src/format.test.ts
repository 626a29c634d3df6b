import { expect, test } from "vitest";
import { deadlineWords, decimalsOf, percent, shortId, signedUsd, usd } from "./format.ts";

test("a column's amounts are exact and have one number of decimals", () => {
  const column = [76_000n, 38_000n, 10_000n];
  expect(column.map((nano) => usd(nano, decimalsOf(column)))).toEqual(["$0.000076", "$0.000038", "$0.000010"]);
  expect(usd(1n, decimalsOf([1n]))).toBe("$0.000000001");
  expect(usd(1_284_500_000_000n, 2)).toBe("$1,284.50");
  expect(usd(1_234_567_000_000_000n)).toBe("$1,234,567.00");
  expect(decimalsOf([0n, 5_000_000_000n])).toBe(2);
});

test("an amount is never rounded, however few decimals are asked for", () => {
  expect(usd(123_456_789n, 2)).toBe("$0.123456789");
  expect(usd(-123_456_789n, 2)).toBe("−$0.123456789");
});

test("a percentage carries the sign of its amount and is rounded to the nearest tenth", () => {
  expect(percent(-38_000n, 76_000n)).toBe("−50.0 %");
  expect(percent(2n, 3n)).toBe("66.7 %");
  expect(percent(1n, 100_000n)).toBe("0.0 %");
  expect(percent(-1n, 100_000n)).toBe("0.0 %");
  expect(percent(5n, 0n)).toBe("0.0 %");
  expect(signedUsd(5_000_000n, 3)).toBe("+$0.005");
});

test("work that ended after its deadline is missed, whether or not it brought an answer", () => {
  const late = { deadlineAtMs: 0, endedAtMs: 300_000 };
  expect(deadlineWords({ ...late, state: "failed" }, 0)).toEqual({ text: "missed by 5 min", tone: "bad" });
  expect(deadlineWords({ ...late, state: "completed" }, 0).tone).toBe("bad");
  expect(deadlineWords({ deadlineAtMs: 0, endedAtMs: null, state: "placed" }, 60_000).text).toBe("missed, late by 1 min");
  expect(deadlineWords({ deadlineAtMs: 600_000, endedAtMs: 0, state: "failed" }, 0).text).toBe("failed, without an answer");
});

test("a shortened id keeps its kind and its end", () => {
  expect(shortId("msgbatch_01a2138fb0b47abc8def0123456789ab")).toBe("msgbatch_01a2…6789ab");
  expect(shortId("short")).toBe("short");
});
