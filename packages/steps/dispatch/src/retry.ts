import type { Rng } from "@slowboat/kernel";
import type { LaneAnswer } from "@slowboat/lanes";
import { restMs } from "@slowboat/plan";
import type { EndedAttempt } from "@slowboat/store";

/** How long a call that was not heard of is given to be found again before it is sent a second time. */
const SUSPENSE_MS = 60_000;

type Unanswered = Exclude<LaneAnswer, { kind: "answered" }>;

const OUTCOME_OF = { park: "parked", later: "refused", never: "rejected" } as const;

/** How an attempt that brought nothing is ended, and how the planner counts it. */
export function endingOf(answer: Unanswered, from: { readonly cancelAtMs?: number | null }): EndedAttempt {
  const { attemptId, code } = answer;
  if (answer.kind === "unknown") return { attemptId, code, state: "unknown", outcome: "unheard" };
  if (answer.kind === "refused") return { attemptId, code, state: "void", outcome: OUTCOME_OF[answer.retry] };
  // What we took back was not missed: it may go into a batch again while there is time.
  if (answer.code === "cancelled" && from.cancelAtMs != null) return { attemptId, code, state: "void", outcome: "recalled" };
  return { attemptId, code, state: "void", outcome: answer.code === "expired" || answer.code === "cancelled" ? "missed" : "unsent" };
}

/**
 * When (job time) a job is planned again after its attempt ended without an answer, its deadline and latest start apart, which the store knows.
 * Pauses grow with the job's attempts; a provider's own delay is honoured; an account that refuses everything is left by the planner, so that nothing has to wait for it.
 */
export function retryAtMs(answer: Unanswered, attempt: { readonly lane: string; readonly seq: number }, nowMs: number, rng: Rng): number {
  if (answer.kind === "unknown") return nowMs + SUSPENSE_MS;
  if (answer.kind === "void" && answer.code !== "unsent") return nowMs;
  if (answer.kind === "refused" && answer.retry !== "later") return nowMs;
  const retryAfterMs = answer.kind === "refused" ? answer.retryAfterMs : null;
  return nowMs + restMs({ lane: attempt.lane, attempts: attempt.seq, retryAfterMs: retryAfterMs ?? null, latestStartAtMs: null }, nowMs, rng);
}
