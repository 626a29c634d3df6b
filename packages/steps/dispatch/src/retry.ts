import { type Backoff, backoffMs, type Rng } from "@slowboat/kernel";
import type { LaneAnswer } from "@slowboat/lanes";

/** Job time: a provider's rate limits move in it, and so does the emulator. */
const LATER: Backoff = { baseMs: 2_000, factor: 2, maxMs: 60_000, jitter: 0.25 };
const PARKED: Backoff = { baseMs: 300_000, factor: 2, maxMs: 3_600_000, jitter: 0.25 };

/** When (job time) a job is planned again after its attempt ended without an answer. A provider's own delay is honoured. */
export function retryAtMs(answer: LaneAnswer, nowMs: number, rng: Rng): number {
  if (answer.kind === "refused" && answer.retry === "later") return nowMs + Math.max(answer.retryAfterMs ?? 0, backoffMs(LATER, 1, rng));
  if (answer.kind === "refused" && answer.retry === "park") return nowMs + Math.max(answer.retryAfterMs ?? 0, backoffMs(PARKED, 0, rng));
  if (answer.kind === "void" && answer.code === "unsent") return nowMs + backoffMs(LATER, 1, rng);
  return nowMs;
}
