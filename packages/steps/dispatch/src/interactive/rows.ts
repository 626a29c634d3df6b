import { chosenOf, type Decision, type LaneId } from "@slowboat/contract";
import { newId, type Rng } from "@slowboat/kernel";
import { chainOf, estimateTokens, type PlanJob, type TriedLane } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { NewAttempt, NewJob } from "@slowboat/store";
import { asksOther } from "../place.ts";
import { firstOf } from "../plan-job.ts";
import type { InteractiveRequest } from "./request.ts";

/** The job of a call: born `placed`, with its body inline; nobody else ever plans it. */
export function jobOf(request: InteractiveRequest, nowMs: number, rng: Rng, reuseKey: Uint8Array | null): NewJob {
  const bodyBytes = Buffer.byteLength(request.body);
  const estimate = estimateTokens(request.endpoint, bodyBytes, request.maxOutputTokens);
  return {
    id: newId("job", nowMs, rng),
    tenantId: request.tenantId,
    keyId: request.keyId,
    surface: request.surface,
    batchId: null,
    lineNo: null,
    customId: null,
    endpoint: request.endpoint,
    provider: request.model.provider,
    model: request.model.model,
    baselineModel: request.model.baselineModel,
    state: "placed",
    body: request.body,
    bodyBlobKey: null,
    bodyOffset: null,
    bodyBytes,
    inputTokensEst: estimate.inputTokens,
    outputTokensEst: estimate.outputTokens,
    deadlineAtMs: request.deadlineAtMs,
    lanesAllow: request.allow === null ? null : [...request.allow],
    lanesDeny: request.deny === null ? null : [...request.deny],
    maxCostNano: null,
    callbackUrl: null,
    metadata: null,
    reuseKey,
    nextDecisionAtMs: null,
    acceptedAtMs: nowMs,
    attempts: 1,
    fallbacks: request.fallbacks.length === 0 ? null : JSON.stringify(request.fallbacks),
    route: request.route ?? null,
  };
}

/** The job as the plan sees it. */
export function planJobOf(
  request: InteractiveRequest,
  job: NewJob,
  state: { readonly cached: boolean; readonly attempts: number; readonly tried: readonly TriedLane[]; readonly book: PriceBook },
): PlanJob {
  return {
    model: request.model.model,
    candidates: request.model.candidates,
    endpoint: request.endpoint,
    inputTokens: job.inputTokensEst,
    outputTokens: job.outputTokensEst,
    deadlineAtMs: request.deadlineAtMs,
    allow: request.allow,
    deny: request.deny,
    maxCostNano: null,
    allowUnpriced: request.allowUnpriced,
    cached: state.cached,
    interactive: true,
    attempts: state.attempts,
    lanesTried: state.tried,
    role: state.attempts === 0 ? "try" : "retry",
    fallbacks: chainOf(state.book, request.fallbacks),
    first: firstOf(job.route),
  };
}

/** Where an attempt runs. */
export interface Place {
  readonly account: string;
  readonly emulated: boolean;
  /** Set for a reuse hit, which is born answered. */
  readonly sourceAttemptId: string | null;
}

/** The attempt that a decision leads to, in the state in which it commits. */
export function attemptOf(
  job: NewJob,
  decision: Decision,
  seq: number,
  place: Place,
  nowMs: number,
  rng: Rng,
): NewAttempt & { readonly lane: LaneId } {
  const chosen = chosenOf(decision);
  return {
    id: newId("attempt", nowMs, rng),
    jobId: job.id,
    tenantId: job.tenantId,
    seq,
    lane: decision.lane,
    account: place.account,
    dispatchId: null,
    state: place.sourceAttemptId === null ? "sending" : "answered",
    sourceAttemptId: place.sourceAttemptId,
    role: decision.role,
    decision: JSON.stringify(decision),
    estimateNano: chosen?.priceNano == null ? null : BigInt(chosen.priceNano),
    pricesVersion: decision.pricesVersion,
    emulated: place.emulated,
    createdAtMs: nowMs,
    ...asksOther(decision, job.endpoint),
  };
}
