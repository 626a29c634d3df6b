import type { ChunkRow } from "@slowboat/store";
import { expect, test } from "vitest";
import { dealt } from "./in-turn.ts";

let made = 0;
const row = (over: Partial<ChunkRow>): ChunkRow => ({
  attemptId: `att_${made++}`,
  jobId: "job_1",
  state: "intent",
  seq: 1,
  endpoint: "/v1/chat/completions",
  model: "gpt-5-mini",
  body: "{}",
  bodyBlobKey: null,
  bodyOffset: null,
  bodyBytes: 2,
  tenantId: "ten_1",
  role: "try",
  inputTokensEst: 10,
  outputTokensEst: 10,
  deadlineAtMs: 100_000,
  acceptedAtMs: 0,
  promptCache: null,
  yields: false,
  ...over,
});

test("rescues set out first, what yields last, and of the others what must start first", () => {
  const rows = [row({ yields: true, deadlineAtMs: 1 }), row({ deadlineAtMs: 90_000 }), row({ deadlineAtMs: 50_000 }), row({ role: "rescue" })];
  expect(dealt(rows)).toEqual([3, 2, 1, 0]);
});

test("of each prefix one sets out a round, and of its lines the one that must start first", () => {
  const rows = [
    row({ promptCache: "a", deadlineAtMs: 80_000 }),
    row({ promptCache: "a", deadlineAtMs: 20_000 }),
    row({ promptCache: "b", deadlineAtMs: 90_000, yields: true }),
    row({ promptCache: "b", deadlineAtMs: 95_000 }),
  ];
  expect(dealt(rows)).toEqual([1, 3, 0, 2]);
});
