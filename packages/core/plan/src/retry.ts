import { type LaneId, laneClass } from "@slowboat/contract";
import { type Backoff, backoffMs, type FaultCode, LIMITS, type Rng } from "@slowboat/kernel";
import { POLICY } from "./policy.ts";
import type { TriedLane } from "./snapshot.ts";

const PAUSE: Backoff = { baseMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.25 };
const FLEX_PAUSE: Backoff = { baseMs: 10_000, factor: 2, maxMs: 300_000, jitter: 0.25 };
/** How long an unheard call is given to be found again before it is sent a second time. */
const SUSPENSE_MS = 60_000;

/** An attempt that brought no answer, and where the job stands. */
export interface FailedAttempt {
  readonly kind: "refused" | "void" | "unknown";
  /** For `refused`: whether the same request may go again. */
  readonly retry?: "never" | "later" | "park";
  readonly retryAfterMs?: number | null;
  readonly lane: LaneId;
  /** Attempts of the job so far, this one counted. */
  readonly attempts: number;
  /** Of these, how many were on this lane. */
  readonly laneTries: number;
  readonly deadlineAtMs: number | null;
  /** The exact id where it was not the model asked for. */
  readonly model?: string | null;
  /** Set where the job names other models: `code` and status then tell whether the refusal was this model's alone. */
  readonly chain?: { readonly code: string; readonly statusCode: number };
}

/** Words for a model that is not there, or not for this key: nothing that another model would say. */
const MODEL_GONE: ReadonlySet<string> = new Set(["model_not_found", "not_found_error"]);

/**
 * Whether a final refusal is no verdict on the request itself, so that a chain goes on: a model that stands in for another may refuse what the
 * asked one would have taken, and a model that does not exist has judged nothing.
 */
export const isModelsOwn = (refused: { readonly fallback: boolean; readonly code: string; readonly statusCode: number }): boolean =>
  refused.fallback || (MODEL_GONE.has(refused.code) && refused.statusCode >= 400);

/**
 * What comes next.
 * - `again`: decide again after `afterMs` (job time) with `tried` added to the job's lanes; `duplicateRisk` marks a second
 *   sending of something that may have been paid for
 * - `fail`: the job ends with this fault
 */
export type RetryPlan =
  | { readonly kind: "again"; readonly afterMs: number; readonly tried: TriedLane; readonly duplicateRisk: boolean }
  | { readonly kind: "fail"; readonly code: Extract<FaultCode, "provider-refused" | "attempts-exhausted"> };

/** Plans what follows a refused, void or unheard attempt. A pause never outlasts half of what is left until the deadline. */
export function retryPlan(failed: FailedAttempt, nowMs: number, rng: Rng): RetryPlan {
  const { chain, model } = failed;
  const final = failed.kind === "refused" && failed.retry === "never";
  if (final && !(chain && isModelsOwn({ ...chain, fallback: model != null }))) return { kind: "fail", code: "provider-refused" };
  if (failed.attempts >= LIMITS.jobAttempts) return { kind: "fail", code: "attempts-exhausted" };
  const left = failed.deadlineAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, (failed.deadlineAtMs - nowMs) / 2);
  const again = (outcome: TriedLane["outcome"], afterMs: number, duplicateRisk = false): RetryPlan => ({
    kind: "again",
    afterMs: Math.round(Math.min(afterMs, left)),
    tried: { lane: failed.lane, outcome, ...(model == null ? {} : { model }) },
    duplicateRisk,
  });
  if (final) return again("rejected", 0);
  if (failed.kind === "unknown") return again("unheard", SUSPENSE_MS, true);
  if (failed.kind === "void") return again("unsent", backoffMs(PAUSE, failed.laneTries - 1, rng));
  if (failed.retry === "park") return again("parked", 0);
  // The last try on a lane goes on elsewhere at once; the pause is for going back to the same one.
  if (failed.laneTries >= POLICY.laneTries) return again("refused", 0);
  const pause = backoffMs(laneClass(failed.lane) === "flex" ? FLEX_PAUSE : PAUSE, failed.laneTries - 1, rng);
  return again("refused", Math.max(failed.retryAfterMs ?? 0, pause));
}

/** Job time: a provider's rate limits move in it, and so does the emulator. */
const LATER: Backoff = { baseMs: 2_000, factor: 2, maxMs: 60_000, jitter: 0.25 };
/** Work on a cheap lane can wait longer for it to have room. */
const CHEAP_LATER: Backoff = { baseMs: 15_000, factor: 2, maxMs: 600_000, jitter: 0.25 };

/** An attempt that a lane did not take, of a job that nobody holds a connection open for. */
export interface NotTaken {
  readonly lane: LaneId;
  /** Attempts of the job so far, this one counted. */
  readonly attempts: number;
  /** What the provider asked for. */
  readonly retryAfterMs: number | null;
  /** The latest start that the job was placed with; `null` where it had none. */
  readonly latestStartAtMs: number | null;
}

/**
 * How long (job ms) such a job rests before it is planned again. Pauses grow with its attempts, and a provider's own delay is honoured, but nothing
 * rests beyond its latest start: then it must be rescued, whatever the cheap lane said.
 */
export function restMs(job: NotTaken, nowMs: number, rng: Rng): number {
  const kind = laneClass(job.lane);
  const pause = backoffMs(kind === "realtime" || kind === "pool" ? LATER : CHEAP_LATER, Math.min(10, job.attempts - 1), rng);
  const ms = Math.max(job.retryAfterMs ?? 0, pause);
  return job.latestStartAtMs === null || job.latestStartAtMs <= nowMs ? ms : Math.min(ms, Math.ceil(job.latestStartAtMs - nowMs));
}
