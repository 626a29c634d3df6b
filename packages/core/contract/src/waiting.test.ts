import { expect, test } from "vitest";
import { waitingFor } from "./index.ts";

const refused = { lane: "openai", state: "void", errorCode: "rate_limit_exceeded" };

test("an accepted job always says what it waits for, and no other one does", () => {
  expect(waitingFor({ state: "accepted", waitReason: "openai-batch: waits for room" }, refused)).toBe("openai-batch: waits for room");
  expect(waitingFor({ state: "accepted", waitReason: null }, refused)).toBe("openai: rate_limit_exceeded; it is decided again");
  expect(waitingFor({ state: "accepted", waitReason: null }, { ...refused, errorCode: null })).toBe("openai: void; it is decided again");
  expect(waitingFor({ state: "accepted", waitReason: null }, undefined)).toBe("the scheduler has not looked at it yet");
  for (const state of ["placed", "completed", "failed", "cancelled"]) expect(waitingFor({ state, waitReason: "old" }, refused)).toBeNull();
});
