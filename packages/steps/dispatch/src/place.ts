import { chosenOf, type Decision, type Endpoint, type LaneId, laneClass } from "@slowboat/contract";
import { LIMITS, newId } from "@slowboat/kernel";
import { maxPack, type PackLimits, packKey } from "@slowboat/plan";
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
  /** Whether that answer is an emulator's; absent where there is none. */
  readonly sourceEmulated?: boolean;
  /** A line that writes its prompt prefix for others that are held until its batch has ended: it rides in a batch of such lines. */
  readonly prime?: true;
  /** The account's quota of enqueued tokens for the model, where it is known: its batches are cut to a part of it. */
  readonly quotaTokens?: number;
  /** Whether the job would have been late in real time, too; absent or `null` where it is not told now. */
  readonly yields?: boolean | null;
}

/** Jobs of one deadline share a chunk of the pool, and no more of them than its engine takes together: whoever is due earlier waits for one chunk at most. */
const POOL_CHUNK = 128;

/** Our own bound on a provider batch: below the provider's on purpose, so that a cancel or an expiry concerns few. Bytes are held in memory once. */
const BATCH_LINES = 5_000;
const BATCH_BYTES = 48 * 1024 * 1024;

/** What was written: the bells to ring after the commit, and the dispatch that each job rides in. */
export interface Placed {
  readonly bells: readonly Bell[];
  readonly dispatchOf: ReadonlyMap<string, string>;
}

/** One bell to ring once the transaction has committed. */
export type Bell = { readonly queue: QueueName; readonly payload: Payload<"lane-call"> };

/**
 * Writes placements: an attempt a job with its intent and its decision, a dispatch a chunk or a provider batch, the job `placed`. A reuse hit is born
 * answered and waits for settlement only.
 */
export async function place(tx: Sql, deps: PlanDeps, placements: readonly Placement[]): Promise<Placed> {
  const nowMs = deps.time.clock.job();
  const attempts: NewAttempt[] = [];
  const placed: PlacedJob[] = [];
  const dispatches: NewDispatch[] = [];
  const dispatchOf = new Map<string, string>();
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
        inputTokens: laneClass(offer.id) === "batch" ? chunk.members.reduce((sum, { job }) => sum + job.inputTokensEst, 0) : 0,
        ...(laneClass(offer.id) === "batch" ? {} : turnOf(chunk.members)),
        emulated: offer.emulated,
        createdAtMs: nowMs,
      });
    }
    for (const { job, decision, sourceAttemptId, sourceEmulated, yields } of chunk.members) {
      const id = newId("attempt", nowMs, deps.time.rng);
      const price = chosenOf(decision)?.priceNano ?? null;
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
        emulated: chunk.offer?.emulated ?? sourceEmulated ?? false,
        createdAtMs: nowMs,
        sourceAttemptId,
        ...asksOther(decision, job.endpoint),
      });
      if (dispatchId !== null) dispatchOf.set(job.id, dispatchId);
      const nextDecisionAtMs = decision.latestStartAtMs ?? unbackedLook(decision, nowMs);
      placed.push({ jobId: job.id, lane: decision.lane, attemptId: id, nextDecisionAtMs, yields: yields ?? null });
    }
  }
  await insertDispatches(tx, dispatches, deps.time.clock.real());
  await insertAttempts(tx, attempts, deps.time.clock.real());
  await placeJobs(tx, placed);
  const bells = dispatches.map((dispatch): Bell => ({ queue: laneQueue(dispatch.lane as LaneId), payload: { dispatchId: dispatch.id } }));
  return { bells, dispatchOf };
}

/** What orders the line of a lane that answers by itself: the deadline, or for urgent work the instant of its acceptance. */
export const laneDueAtMs = (job: Pick<DueJob, "deadlineAtMs" | "acceptedAtMs">): number => job.deadlineAtMs ?? job.acceptedAtMs;

/** A chunk's place in its lane's line, and its work. */
const turnOf = (members: readonly Placement[]): Pick<NewDispatch, "dueAtMs" | "workTokens"> => ({
  dueAtMs: Math.min(...members.map(({ job }) => laneDueAtMs(job))),
  workTokens: members.reduce((sum, { job }) => sum + job.inputTokensEst + job.outputTokensEst, 0),
});

/** Model and endpoint of an attempt that asks another model than its job does; nothing for any other. */
export const asksOther = ({ fallback, model }: Decision, asked: string): Pick<NewAttempt, "model" | "endpoint"> =>
  fallback === undefined ? {} : { model, endpoint: fallback.endpoint === asked ? null : fallback.endpoint };

/** Where real time was away when a batch was chosen (it may be back long before the deadline), the job is looked at this long before it (job ms). */
const UNBACKED_LOOK_MS = 15 * 60_000;
const LOOK_LEAST_MS = 60_000;

/** When (job ms) a line of a provider batch that no rescue backs is looked at again: a batch may hang for a day. */
function unbackedLook({ lane, deadlineAtMs }: Decision, nowMs: number): number | null {
  if (laneClass(lane) !== "batch" || deadlineAtMs === null) return null;
  return Math.max(nowMs + LOOK_LEAST_MS, deadlineAtMs - UNBACKED_LOOK_MS);
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

interface Ride {
  readonly key: string;
  readonly offer: LaneOffer;
  readonly model: string;
  /** At which the lane is asked. */
  readonly endpoint: string;
  readonly limits: PackLimits;
}

/** With whom a placement may share a dispatch, and how much that may hold. */
function rideOf(deps: PlanDeps, { job, decision, prime, quotaTokens }: Placement, nowMs: number): Ride {
  const { lane } = decision;
  const offer = deps.lanes.find((known) => known.id === lane);
  if (!offer) throw new Error(`the decision names lane ${lane}, which this installation does not have`);
  const model = decision.fallback ? decision.model : (routeOn(lane, resolveModel(deps.book, job.model)?.candidates ?? [])?.model ?? job.model);
  const endpoint = decision.fallback?.endpoint ?? (job.endpoint as Endpoint);
  const isBatch = laneClass(lane) === "batch";
  const slackMs = isBatch && job.deadlineAtMs !== null ? job.deadlineAtMs - nowMs : null;
  const key = packKey({ lane, account: offer.account, endpoint, model, slackMs }) + (prime ? " prime" : "");
  if (!isBatch)
    return {
      key,
      offer,
      model,
      endpoint,
      limits: { lines: lane === "pool" ? POOL_CHUNK : LIMITS.chunkJobs, bytes: Number.POSITIVE_INFINITY, inputTokens: Number.POSITIVE_INFINITY },
    };
  const most = maxPack(lane, quotaTokens);
  return { key, offer, model, endpoint, limits: { ...most, lines: Math.min(most.lines, BATCH_LINES), bytes: Math.min(most.bytes, BATCH_BYTES) } };
}

interface Load {
  lines: number;
  bytes: number;
  tokens: number;
}

const fits = (limits: PackLimits, a: Load, b: Load): boolean =>
  a.lines + b.lines <= limits.lines && a.bytes + b.bytes <= limits.bytes && a.tokens + b.tokens <= limits.inputTokens;

/**
 * Groups placements by what may ride together, jobs with one prompt prefix side by side, and cuts the groups to what one dispatch may hold:
 * before a prefix rather than within it, where it fits into a dispatch of its own.
 */
function chunks(deps: PlanDeps, placements: readonly Placement[], nowMs: number): Chunk[] {
  const done: Chunk[] = [];
  const floods = floodsOf(placements);
  const rides = new Map<string, { ride: Ride; groups: Map<string, { members: Placement[]; load: Load }> }>();
  for (const placement of placements) {
    const { job, decision } = placement;
    if (decision.lane === "cache") {
      done.push({ offer: null, model: job.model, endpoint: job.endpoint, members: [placement] });
      continue;
    }
    const found = rideOf(deps, placement, nowMs);
    const own = laneClass(decision.lane) !== "batch" && floods.has(job.tenantId);
    const ride = own ? { ...found, key: `${found.key} ${job.tenantId}` } : found;
    const known = rides.get(ride.key) ?? { ride, groups: new Map() };
    rides.set(ride.key, known);
    const name = decision.promptCache?.group ?? "";
    const group = known.groups.get(name) ?? { members: [], load: { lines: 0, bytes: 0, tokens: 0 } };
    known.groups.set(name, group);
    group.members.push(placement);
    add(group.load, { lines: 1, bytes: job.bodyBytes, tokens: job.inputTokensEst });
  }
  for (const { ride, groups } of rides.values()) {
    if (ride.offer.id === "pool") for (const { members } of groups.values()) members.sort((a, b) => laneDueAtMs(a.job) - laneDueAtMs(b.job));
    done.push(...fill(ride, [...groups.values()]));
  }
  return done;
}

/** From so many calls in one look on, a tenant's go in chunks of their own, so that others' wait behind none of them; few tenants have as many. */
const FLOOD = 100;

function floodsOf(placements: readonly Placement[]): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const { job, decision } of placements) if (laneClass(decision.lane) !== "batch") counts.set(job.tenantId, (counts.get(job.tenantId) ?? 0) + 1);
  return new Set([...counts].filter(([, count]) => count >= FLOOD).map(([tenant]) => tenant));
}

const add = (to: Load, more: Load): void => {
  to.lines += more.lines;
  to.bytes += more.bytes;
  to.tokens += more.tokens;
};

function fill({ offer, model, endpoint, limits }: Ride, groups: readonly { members: readonly Placement[]; load: Load }[]): Chunk[] {
  const out: Chunk[] = [];
  let open: { chunk: Chunk & { members: Placement[] }; load: Load } | null = null;
  const none: Load = { lines: 0, bytes: 0, tokens: 0 };
  for (const { members, load } of groups) {
    if (open !== null && members.length > 1 && !fits(limits, open.load, load) && fits(limits, none, load)) open = null;
    for (const placement of members) {
      const { job } = placement;
      const one = { lines: 1, bytes: job.bodyBytes, tokens: job.inputTokensEst };
      if (open === null || !fits(limits, open.load, one)) {
        open = { chunk: { offer, model, endpoint, members: [] }, load: { ...none } };
        out.push(open.chunk);
      }
      open.chunk.members.push(placement);
      add(open.load, one);
    }
  }
  return out;
}
