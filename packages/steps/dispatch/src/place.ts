import { type Decision, type Endpoint, type LaneId, laneClass } from "@slowboat/contract";
import { LIMITS, newId } from "@slowboat/kernel";
import { maxPack, packKey } from "@slowboat/plan";
import { resolveModel, routeOn } from "@slowboat/pricing";
import type { Payload, QueueName } from "@slowboat/queue";
import {
  type DueJob,
  insertAttempts,
  insertDispatches,
  type NewAttempt,
  type NewDispatch,
  type PlacedJob,
  placeJobs,
  type Sql,
} from "@slowboat/store";
import type { LaneOffer, PlanDeps } from "./planner-deps.ts";

/** A job with the decision taken for it. */
export interface Placement {
  readonly job: DueJob;
  readonly decision: Decision;
  /** The attempt whose answer is given again, for lane `cache`. */
  readonly sourceAttemptId: string | null;
}

/** Our own bound on a provider batch: below the provider's on purpose, so that a cancel or an expiry concerns few. Bytes are held in memory once. */
const BATCH_LINES = 5_000;
const BATCH_BYTES = 48 * 1024 * 1024;

/** One bell to ring once the transaction has committed. */
export type Bell = { readonly queue: QueueName; readonly payload: Payload<"lane-call"> };

/**
 * Writes placements: an attempt a job with its intent and its decision, a dispatch a chunk or a provider batch, the job `placed`. A reuse hit is born
 * answered and waits for settlement only. Returns the bells to ring after the commit.
 */
export async function place(tx: Sql, deps: PlanDeps, placements: readonly Placement[]): Promise<Bell[]> {
  const nowMs = deps.time.clock.job();
  const attempts: NewAttempt[] = [];
  const placed: PlacedJob[] = [];
  const dispatches: NewDispatch[] = [];
  for (const chunk of chunks(deps, placements, nowMs)) {
    const dispatchId = chunk.offer === null ? null : newId("dispatch", nowMs, deps.time.rng);
    if (chunk.offer !== null && dispatchId !== null) {
      const { offer, model, endpoint } = chunk;
      dispatches.push({
        id: dispatchId,
        lane: offer.id,
        account: offer.account,
        endpoint,
        model,
        jobs: chunk.members.length,
        emulated: offer.emulated,
        createdAtMs: nowMs,
      });
    }
    for (const { job, decision, sourceAttemptId } of chunk.members) {
      const id = newId("attempt", nowMs, deps.time.rng);
      const price = decision.candidates.find((c) => c.lane === decision.lane)?.priceNano ?? null;
      attempts.push({
        id,
        jobId: job.id,
        tenantId: job.tenantId,
        seq: job.attempts + 1,
        lane: decision.lane,
        account: chunk.offer?.account ?? "reuse",
        dispatchId,
        state: sourceAttemptId === null ? "intent" : "answered",
        role: decision.role,
        decision: JSON.stringify(decision),
        estimateNano: price === null ? null : BigInt(price),
        pricesVersion: decision.pricesVersion,
        emulated: chunk.offer?.emulated ?? false,
        createdAtMs: nowMs,
        sourceAttemptId,
      });
      placed.push({ jobId: job.id, lane: decision.lane, attemptId: id, nextDecisionAtMs: decision.latestStartAtMs });
    }
  }
  await insertDispatches(tx, dispatches, deps.time.clock.real());
  await insertAttempts(tx, attempts, deps.time.clock.real());
  await placeJobs(tx, placed);
  return dispatches.map((dispatch) => ({ queue: laneQueue(dispatch.lane as LaneId), payload: { dispatchId: dispatch.id } }));
}

/** The queue that serves a lane. */
export const laneQueue = (lane: LaneId): "lane-call" | "lane-batch" | "lane-pool" =>
  lane === "pool" ? "lane-pool" : laneClass(lane) === "batch" ? "lane-batch" : "lane-call";

interface Chunk {
  /** `null` for reuse hits, which ride in no dispatch. */
  readonly offer: LaneOffer | null;
  readonly model: string;
  readonly endpoint: string;
  readonly members: Placement[];
}

/** Groups placements by what may ride together, and cuts the groups to what one dispatch may hold. */
function chunks(deps: PlanDeps, placements: readonly Placement[], nowMs: number): Chunk[] {
  const groups = new Map<string, { chunk: Chunk; bytes: number; tokens: number }>();
  const done: Chunk[] = [];
  for (const placement of placements) {
    const { job, decision } = placement;
    const lane = decision.lane;
    if (lane === "cache") {
      done.push({ offer: null, model: job.model, endpoint: job.endpoint, members: [placement] });
      continue;
    }
    const offer = deps.lanes.find((known) => known.id === lane);
    if (!offer) throw new Error(`the decision names lane ${lane}, which this installation does not have`);
    const model = routeOn(lane, resolveModel(deps.book, job.model)?.candidates ?? [])?.model ?? job.model;
    const isBatch = laneClass(lane) === "batch";
    const slackMs = isBatch && job.deadlineAtMs !== null ? job.deadlineAtMs - nowMs : null;
    const key = packKey({ lane, account: offer.account, endpoint: job.endpoint as Endpoint, model, slackMs });
    const limits = isBatch ? maxPack(lane) : { lines: LIMITS.chunkJobs, bytes: Number.POSITIVE_INFINITY, inputTokens: Number.POSITIVE_INFINITY };
    let open = groups.get(key);
    const full =
      open &&
      (open.chunk.members.length >= Math.min(limits.lines, isBatch ? BATCH_LINES : limits.lines) ||
        open.bytes + job.bodyBytes > Math.min(limits.bytes, isBatch ? BATCH_BYTES : limits.bytes) ||
        open.tokens + job.inputTokensEst > limits.inputTokens);
    if (!open || full) {
      open = { chunk: { offer, model, endpoint: job.endpoint, members: [] }, bytes: 0, tokens: 0 };
      groups.set(key, open);
      done.push(open.chunk);
    }
    open.chunk.members.push(placement);
    open.bytes += job.bodyBytes;
    open.tokens += job.inputTokensEst;
  }
  return done;
}
