import { type Decision, type Endpoint, type LaneId, laneProvider, storedFallbacks, storedRoute } from "@slowboat/contract";
import { chainOf, onModel, type PlanJob, rescueAtMs, type Snapshot, type TriedLane } from "@slowboat/plan";
import { type ModelRef, resolveModel } from "@slowboat/pricing";
import type { DueJob, TriedAttempt } from "@slowboat/store";

/** The row of a due job in the planner's terms. */
export function toPlanJob(
  job: DueJob,
  snapshot: Snapshot,
  facts: {
    readonly cached: boolean;
    readonly tried: readonly TriedAttempt[];
    readonly role: Decision["role"];
    readonly shared?: PlanJob["shared"];
    readonly rooms?: PlanJob["rooms"];
  },
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
    shared: facts.shared ?? null,
    rooms: facts.rooms,
    interactive: false,
    attempts: counted(facts.tried),
    lanesTried: facts.tried.map(toTried),
    role: facts.role,
    fallbacks: chainOf(snapshot.book, storedFallbacks(job.fallbacks)),
    first: firstOf(job.route),
  };
}

/** The model that routing puts before the asked one. */
export function firstOf(route: string | null | undefined): { readonly name: string; readonly why: string } | null {
  const stored = storedRoute(route);
  return stored === null || stored.first === null ? null : { name: stored.first, why: stored.why };
}

/** What the job may still cost: attempts in suspense may have been charged, and what still runs will be; both count with their estimate. */
const leftOf = (maxCostNano: bigint, tried: readonly TriedAttempt[]): bigint =>
  tried.reduce((left, attempt) => (attempt.state === "void" ? left : left - (attempt.estimateNano ?? 0n)), maxCostNano);

/** An unheard call may have been paid for: three of them are as much as a job may risk. */
const UNHEARD_WEIGHT = 2;

/** What counts towards the bound of attempts: runs that were lost. What was refused or never left costs nothing and is bounded by time. */
const counted = (tried: readonly TriedAttempt[]): number =>
  tried.reduce((sum, { outcome }) => sum + (outcome === "unheard" ? UNHEARD_WEIGHT : outcome === "missed" ? 1 : 0), 0);

/** How long (job ms) work is tried again after its deadline, or without one after it was accepted, before it fails for want of a lane. */
const PATIENCE_MS = 24 * 3_600_000;

/** Whether nobody waits for the job any more: a day after its deadline, or without one after its acceptance. */
export const isPastPatience = (job: Pick<DueJob, "deadlineAtMs" | "acceptedAtMs">, nowMs: number): boolean =>
  nowMs > Math.max(job.deadlineAtMs ?? 0, job.acceptedAtMs) + PATIENCE_MS;

/**
 * True for a job that was tried and refused until nobody waits for it any more. One that a lane had and did not answer, such as a line of a batch that
 * took a whole day to expire, was not refused: it is tried again, within its attempts. One that was never tried may have waited for this installation to
 * start, and has its first look.
 */
export function isGivenUp(
  job: Pick<DueJob, "attempts" | "deadlineAtMs" | "acceptedAtMs">,
  tried: readonly Pick<TriedAttempt, "outcome">[],
  nowMs: number,
): boolean {
  const last = tried.at(-1)?.outcome;
  return job.attempts > 0 && last !== "missed" && last !== "recalled" && last !== "unheard" && isPastPatience(job, nowMs);
}

/** The role of the next attempt: a rescue where its batch was taken back and no time is left for another one, a retry after anything else. */
export function roleAfter(
  job: DueJob,
  tried: readonly Pick<TriedAttempt, "lane" | "outcome">[],
  snapshot: Snapshot,
  nowMs: number,
): Decision["role"] {
  const last = tried.at(-1);
  if (!last) return "try";
  const view = snapshot.lanes.find(({ id }) => id === laneProvider(last.lane));
  if (last.outcome !== "recalled" || view === undefined || job.deadlineAtMs === null) return "retry";
  const facts = { outputTokens: job.outputTokensEst, deadlineAtMs: job.deadlineAtMs, together: snapshot.batchLines };
  return rescueAtMs(last.lane, "cancel", onModel(view, job.model), facts, snapshot, nowMs) <= nowMs ? "rescue" : "retry";
}

const OUTCOMES: readonly string[] = ["refused", "rejected", "parked", "missed", "recalled", "unsent", "unheard"] satisfies TriedLane["outcome"][];

/** A row from before outcomes were kept counts as refused: it may go again. */
const toTried = ({ lane, model, outcome }: TriedAttempt): TriedLane => ({
  lane,
  model,
  outcome: outcome !== null && OUTCOMES.includes(outcome) ? (outcome as TriedLane["outcome"]) : "refused",
});
