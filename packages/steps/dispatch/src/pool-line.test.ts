import { poolBefore } from "@slowboat/plan";
import { expect, test } from "vitest";
import { openPoolLine } from "./pool-line.ts";

const MINUTE = 60_000;

test("a job waits in the pool's line for what is due before it and for nothing else, what the same look put there included", () => {
  const line = openPoolLine(100, [
    { minute: 10, tokens: 500 },
    { minute: 90, tokens: 7_000 },
  ]);
  const before = (minute: number): number => poolBefore(line.view(), minute * MINUTE).backlogTokens;
  expect([before(5), before(30), before(120)]).toEqual([0, 500, 7_500]);
  line.add(20 * MINUTE + 5, 300);
  line.add(90 * MINUTE, 50);
  expect([before(15), before(30), before(120)]).toEqual([500, 800, 7_850]);
  expect(line.view().backlogTokens).toBe(7_850);
});

test("an empty line makes nobody wait", () => {
  expect(poolBefore(openPoolLine(100, []).view(), MINUTE).backlogTokens).toBe(0);
});
