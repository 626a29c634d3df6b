import type { Decision, Endpoint, LaneId } from "@slowboat/contract";
import type { PlanJob, Snapshot, TriedLane } from "@slowboat/plan";
import { type ModelRef, resolveModel } from "@slowboat/pricing";
import type { DueJob, TriedAttempt } from "@slowboat/store";

/** The row of a due job in the planner's terms. */
export function toPlanJob(
  job: DueJob,
  snapshot: Snapshot,
  facts: { readonly cached: boolean; readonly tried: readonly TriedAttempt[]; readonly role: Decision["role"] },
): PlanJob {
  const known = resolveModel(snapshot.book, job.model);
  const pinned: ModelRef[] = [{ provider: job.provider as ModelRef["provider"], model: job.model }];
  return {
    model: job.model,
    candidates: known?.candidates ?? pinned,
    endpoint: job.endpoint as Endpoint,
    inputTokens: job.inputTokensEst,
    outputTokens: job.outputTokensEst,
    deadlineAtMs: job.deadlineAtMs,
    allow: job.lanesAllow as LaneId[] | null,
    deny: job.lanesDeny as LaneId[] | null,
    maxCostNano: job.maxCostNano === null ? null : leftOf(job.maxCostNano, facts.tried),
    // Intake has refused unpriced models where the tenant does not allow them.
    allowUnpriced: known === null,
    cached: facts.cached,
    interactive: false,
    attempts: job.attempts,
    lanesTried: facts.tried.map(toTried),
    role: facts.role,
  };
}

/** What the job may still cost: attempts in suspense may have been charged and count with their estimate. */
const leftOf = (maxCostNano: bigint, tried: readonly TriedAttempt[]): bigint =>
  tried.reduce((left, attempt) => (attempt.state === "unknown" ? left - (attempt.estimateNano ?? 0n) : left), maxCostNano);

/** The role of the next attempt: a rescue after a batch that did not deliver, a retry after anything else. */
export function roleAfter(tried: readonly TriedAttempt[]): Decision["role"] {
  const last = tried.at(-1);
  if (!last) return "try";
  return last.lane.endsWith("-batch") && !["quota_full", "batch_failed"].includes(last.errorCode ?? "") ? "rescue" : "retry";
}

const PARKED = new Set([
  "insufficient_quota",
  "enforced_spend_limit_reached",
  "spend_limit",
  "invalid_api_key",
  "authentication_error",
  "permission_error",
]);
const REFUSED = new Set([
  "rate_limit_exceeded",
  "rate_limit_error",
  "resource_unavailable",
  "overloaded_error",
  "server_error",
  "api_error",
  "quota_full",
]);

function toTried(attempt: TriedAttempt): TriedLane {
  const code = attempt.errorCode ?? "";
  const outcome = attempt.state === "unknown" ? "unknown" : PARKED.has(code) ? "parked" : REFUSED.has(code) ? "refused" : "void";
  return { lane: attempt.lane as LaneId, outcome };
}
