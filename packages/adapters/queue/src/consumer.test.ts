import { expect, test } from "vitest";
import { isEndedLock } from "./consumer.ts";

test("a lock that could not be renewed troubles the queue where its handler still runs, and not where it has ended", () => {
  const lost = new Error("could not renew lock for job 2640");
  expect(isEndedLock(lost, new Set(["2640"]))).toBe(false);
  expect(isEndedLock(lost, new Set(["264"]))).toBe(true);
  expect(isEndedLock(new Error("Connection terminated"), new Set())).toBe(false);
});
