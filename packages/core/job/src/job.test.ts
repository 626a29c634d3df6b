import { expect, test } from "vitest";
import { attemptMay, BATCH_TERMINAL, batchMay, JOB_TERMINAL, type JobState, jobMay, sourcesOf } from "./index.ts";

test("completed and failed jobs never move again", () => {
  for (const to of ["accepted", "placed", "completed", "failed", "cancelled"] as JobState[]) {
    expect(jobMay("completed", to)).toBe(false);
    expect(jobMay("failed", to)).toBe(false);
  }
});

test("a cancelled job is superseded only by an answer that was paid for", () => {
  expect(JOB_TERMINAL.filter((state) => jobMay("cancelled", state))).toEqual(["completed"]);
  expect(sourcesOf("completed")).toEqual(["accepted", "placed", "cancelled"]);
});

test("nothing is sent before an intent is committed, and an unknown outcome can still be found again", () => {
  expect(attemptMay("intent", "answered")).toBe(false);
  expect(attemptMay("unknown", "answered")).toBe(true);
  expect(attemptMay("settled", "answered")).toBe(false);
});

test("a terminal batch has no way out", () => {
  for (const from of BATCH_TERMINAL)
    for (const to of ["validating", "in_progress", "finalizing", "cancelling"] as const) expect(batchMay(from, to)).toBe(false);
});
