import { LIMITS, seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import {
  closePack,
  estimateTokens,
  type FailedAttempt,
  type LaneView,
  maxPack,
  type OpenPack,
  packKey,
  rescueAtMs,
  rescueMove,
  rescueMs,
  retryPlan,
} from "./index.ts";

const HOUR = 3_600_000;
const open = (over: Partial<OpenPack> = {}): OpenPack => ({
  lane: "openai-batch",
  lines: 100,
  bytes: 100_000,
  inputTokens: 70_000,
  oldestAgeMs: 0,
  minSlackMs: 24 * HOUR,
  rescueMs: 900_000,
  rescuesPerSecond: 4,
  ...over,
});

test("a pack is sent when it is full by lines, bytes or queued tokens, below the provider's own limit", () => {
  const { lines, bytes, inputTokens } = maxPack("openai-batch");
  expect([lines < 50_000, bytes < 200_000_000]).toEqual([true, true]);
  for (const over of [{ lines }, { bytes }, { inputTokens }])
    expect(closePack(open({ ...over, rescuesPerSecond: 1e6 }))).toEqual({ close: true, why: "full" });
  expect(closePack(open())).toEqual({ close: false, why: "filling" });
  expect(maxPack("openai-batch", 90_000).inputTokens).toBe(22_500);
});

test("a pack is sent before it grows beyond what real time could rescue, gets old, or runs out of slack", () => {
  expect(closePack(open({ lines: 2400 })).why).toContain("rescued");
  expect(closePack(open({ oldestAgeMs: 600_000 })).why).toContain("held");
  expect(closePack(open({ minSlackMs: 2 * HOUR, oldestAgeMs: 1000 })).why).toContain("slack");
  expect(closePack(open({ minSlackMs: null })).close).toBe(false);
  expect(closePack(open({ minSlackMs: -1 })).close).toBe(true);
});

test("only jobs of one account, endpoint, model and deadline band share a batch", () => {
  const key = { lane: "openai-batch", account: "a", endpoint: "/v1/embeddings", model: "m", slackMs: 7 * HOUR } as const;
  expect(packKey({ ...key, slackMs: 8 * HOUR })).toBe(packKey(key));
  const others = [{ account: "b" }, { model: "n" }, { endpoint: "/v1/responses" }, { slackMs: 24 * HOUR }, { slackMs: null }] as const;
  expect(new Set(others.map((o) => packKey({ ...key, ...o }))).size).toBe(5);
  for (const o of others) expect(packKey({ ...key, ...o })).not.toBe(packKey(key));
});

const realtime: LaneView = { id: "openai", emulated: false, available: true, concurrency: 16, queued: 0 };
const tick = { tickMs: 250, scale: 1 };

test("a batch is left alone until its rescue instant, cancelled while that still fits, and hedged after", () => {
  const job = { outputTokens: 100, deadlineAtMs: 6 * HOUR, together: 10 };
  const at = rescueAtMs("openai-batch", "cancel", realtime, job, tick, 0);
  expect(rescueMove("openai-batch", realtime, job, tick, at - 400_000)).toBe("wait");
  const due = (nowMs: number) => rescueMove("openai-batch", realtime, job, tick, nowMs);
  let first = at - 400_000;
  while (due(first) === "wait") first += 1000;
  expect(due(first)).toBe("cancel");
  expect(job.deadlineAtMs - first).toBeGreaterThanOrEqual(rescueMs("openai-batch", "cancel", realtime, job, tick, first) - 1000);
  // Looked at a minute late, the cancel still fits; too late for it, the batch is left alone until the hedge.
  expect(due(first + 60_000)).toBe("cancel");
  expect(due(first + 400_000)).toBe("wait");
  expect(due(job.deadlineAtMs - 30_000)).toBe("hedge");
  expect(due(job.deadlineAtMs + 1)).toBe("hedge");
});

const failed = (over: Partial<FailedAttempt>): FailedAttempt => ({
  kind: "refused",
  retry: "later",
  lane: "openai",
  attempts: 1,
  laneTries: 1,
  deadlineAtMs: null,
  ...over,
});

test("a request that is wrong fails at once, and every job fails after its last attempt", () => {
  const rng = seededRng(1);
  expect(retryPlan(failed({ retry: "never" }), 0, rng)).toEqual({ kind: "fail", code: "provider-refused" });
  for (const kind of ["refused", "void", "unknown"] as const) {
    expect(retryPlan(failed({ kind, attempts: LIMITS.jobAttempts }), 0, rng)).toEqual({ kind: "fail", code: "attempts-exhausted" });
  }
});

test("a refusal pauses at least as long as the provider asks, a spend cap leaves the lane at once", () => {
  const rng = seededRng(1);
  expect(retryPlan(failed({ retryAfterMs: 30_000 }), 0, rng)).toMatchObject({ kind: "again", afterMs: 30_000, duplicateRisk: false });
  expect(retryPlan(failed({ retry: "park" }), 0, rng)).toMatchObject({ afterMs: 0, tried: { lane: "openai", outcome: "parked" } });
  expect(retryPlan(failed({ kind: "void" }), 0, rng)).toMatchObject({ kind: "again", tried: { outcome: "unsent" } });
});

test("a pause never eats more than half of what is left until the deadline", () => {
  const plan = retryPlan(failed({ retryAfterMs: 600_000, deadlineAtMs: 10_000 }), 0, seededRng(1));
  expect(plan).toMatchObject({ kind: "again", afterMs: 5000 });
  expect(retryPlan(failed({ retryAfterMs: 600_000, deadlineAtMs: -1 }), 0, seededRng(1))).toMatchObject({ afterMs: 0 });
});

test("an unheard call is sent again only after a wait and marked as a possible duplicate", () => {
  expect(retryPlan(failed({ kind: "unknown" }), 0, seededRng(1))).toEqual({
    kind: "again",
    afterMs: 60_000,
    tried: { lane: "openai", outcome: "unheard" },
    duplicateRisk: true,
  });
});

test("estimates come from sizes: above prose, the caller's limit for output, none for vectors", () => {
  expect(estimateTokens("/v1/chat/completions", 4200, 300)).toEqual({ inputTokens: 1200, outputTokens: 300 });
  expect(estimateTokens("/v1/messages", 10, null).outputTokens).toBe(512);
  expect(estimateTokens("/v1/embeddings", 0, 99)).toEqual({ inputTokens: 1, outputTokens: 0 });
});
