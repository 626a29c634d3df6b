import { type Decision, type Endpoint, type EventType, eventPayload, laneClass, laneProvider } from "@slowboat/contract";
import { type FaultCode, newId } from "@slowboat/kernel";
import {
  callsPerSecond,
  candidatesOf,
  closePack,
  decide,
  decisionInputs,
  lanesBefore,
  onModel,
  type PlanJob,
  packKey,
  rescueMs,
  type Snapshot,
  type Verdict,
  withInputs,
} from "@slowboat/plan";
import {
  announceEvents,
  claimDue,
  type DecidedAsk,
  type DueJob,
  endJobs,
  findReusable,
  type ReplannedJob,
  type ReuseHit,
  readTried,
  type Sql,
  type TriedAttempt,
} from "@slowboat/store";
import { type Delayed, type DelayReason, deferDelayed, delayedAs, noteRefusals } from "./decisions/delays.ts";
import { fitBudgets } from "./fit-budgets.ts";
import { leavePool } from "./leave-pool.ts";
import { type Bell, laneDueAtMs, type Placement, place } from "./place.ts";
import { isGivenUp, isPastPatience, roleAfter, toPlanJob } from "./plan-job.ts";
import type { PlanDeps } from "./planner-deps.ts";
import type { PoolLine } from "./pool-line.ts";
import { holdPrimed } from "./prompt-cache/hold-primed.ts";
import { planBatches } from "./prompt-cache/plan-batches.ts";
import { planCalls } from "./prompt-cache/plan-calls.ts";
import { sharedPrefixes } from "./prompt-cache/rates-of.ts";
import { openBoard, type QuotaBoard } from "./quota/board.ts";
import { wakeForRoom } from "./quota/wake.ts";
import { rescueDue } from "./rescue-due.ts";
import { restartSlow } from "./restart-slow.ts";
import { askUntil, closeAsks, halfTime, readAsks, withReuse } from "./semantic-reuse.ts";
import { readSnapshot } from "./snapshot.ts";

/** Jobs claimed in one transaction: enough to pack provider batches well, few enough to hold the locks for well under a second. */
export const CLAIM_JOBS = 1_000;
/** The time (job ms) that a job without a latest start waits for another one's answer before it goes itself. */
const FOLLOW_MS = 300_000;
/** When (job time) a job is looked at again whose lanes are all away. */
const AWAY_MS = 30_000;

const GIVEN_UP: Extract<Verdict, { kind: "refuse" }> = {
  kind: "refuse",
  code: "attempts-exhausted",
  message: "No lane took the request until a day after its deadline.",
  earliestFeasibleAtMs: null,
};

type Refused = {
  readonly job: DueJob;
  readonly verdict: { readonly code: FaultCode; readonly message: string };
  readonly looked?: DelayReason["looked"];
};

/**
 * Plans everything that is due: one transaction a claim, in which the jobs' locks are held, the decisions taken and written down. Bells ring after
 * the commit. Returns how many jobs it looked at.
 */
export async function planDue(deps: PlanDeps, signal: AbortSignal): Promise<number> {
  let total = 0;
  await wakeForRoom(deps);
  await restartSlow(deps);
  while (!signal.aborted) {
    const startedMs = performance.now();
    const { seen, more, bells, failedBatches, settle, committed } = await deps.store.begin((tx) => planOnce(tx, deps));
    committed();
    deps.meter.noteLook(performance.now() - startedMs);
    for (const bell of bells) await deps.queue.ring(bell.queue, [bell.payload] as never);
    for (const batchId of failedBatches) await deps.queue.ring("finalise", [{ batchId }]);
    if (settle) await deps.queue.ring("settle", [{ dispatchId: null }]);
    total += seen;
    if (!more) return total;
  }
  return total;
}

interface Planned {
  readonly seen: number;
  /** More were due than one claim takes. */
  readonly more: boolean;
  readonly bells: readonly Bell[];
  readonly failedBatches: readonly string[];
  /** Reuse hits wait for settlement. */
  readonly settle: boolean;
  /** What this process remembers of it, once it is written down. */
  readonly committed: () => void;
}

async function planOnce(tx: Sql, deps: PlanDeps): Promise<Planned> {
  const nowMs = deps.time.clock.job();
  const askedMs = performance.now();
  const { jobs: due, more } = await claimDue(tx, { nowMs, limit: CLAIM_JOBS });
  deps.meter.noteClaim(performance.now() - askedMs);
  if (due.length === 0) return { seen: 0, more: false, bells: [], failedBatches: [], settle: false, committed: () => undefined };
  const sighting = await readSnapshot(deps, tx, nowMs);
  const { snapshot, pool } = sighting;
  const left = await leavePool(tx, sighting, nowMs);
  await deps.meter.standings.keep(tx, { snapshot, lanes: deps.lanes }, deps.time.clock.real());
  const waiting = due.filter((job) => job.state === "placed");
  const rescued = waiting.length === 0 ? { hedges: [], free: [] } : await rescueDue(tx, deps, snapshot, waiting, nowMs);
  const fresh = [...due.filter((job) => job.state === "accepted"), ...rescued.free];
  const tried = Map.groupBy(
    await readTried(
      tx,
      fresh.filter((job) => job.attempts > 0).map((job) => job.id),
    ),
    (row) => row.jobId,
  );
  // In the order in which they came, whatever becomes of them.
  const yields = deps.meter.naive.judge(fresh, snapshot, nowMs);
  const reuse = await readReuse(tx, fresh, nowMs);
  const asks = await readAsks(tx, fresh, nowMs);
  const board = await openBoard(tx, deps, fresh, nowMs);
  const { placements, refused, deferred } = decideAll({ snapshot, board, pool, deps }, fresh, tried, { exact: reuse, asks }, nowMs);
  const { ready, held } = holdPacks(deps, { snapshot, board }, placements, nowMs);
  const isBatch = ({ decision }: Placement): boolean => laneClass(decision.lane) === "batch";
  const calls = planCalls(deps, [...ready.filter((one) => !isBatch(one)), ...rescued.hedges], nowMs);
  const fitting = await board.fit(ready.filter(isBatch));
  const batches = await planBatches(tx, deps, fitting.ready, nowMs);
  const funded = await fitBudgets(tx, deps, [...calls.ready, ...batches.ready], nowMs);
  const placing = promisedFirst(funded.ready).map((one) => ({ ...one, yields: yields.get(one.job.id) ?? null }));
  const { bells, dispatchOf } = await place(tx, deps, placing);
  await closeAsks(tx, asks, placing, nowMs);
  const primed = await holdPrimed(tx, batches.held, dispatchOf, nowMs);
  const decisionOf = new Map(placements.map(({ job, decision }) => [job.id, decision]));
  await deferDelayed(
    tx,
    due,
    [
      ...deferred,
      ...funded.delayed,
      ...delayedAs(held, decisionOf, "hold", () => "waits for more lines to share its batch"),
      ...delayedAs(fitting.held, decisionOf, "quota", () => "waits for room in its account's queue"),
      ...delayedAs(calls.later, decisionOf, "pace", () => "goes a little later, since each cache key takes so many calls at a time"),
      ...delayedAs(primed, decisionOf, "prime", () => "waits for the batch that brings the beginning of its prompt into the cache"),
    ].map((row) => ({ ...row, yields: yields.get(row.jobId) ?? null })),
    nowMs,
  );
  await deps.shadow?.write(tx, nowMs);
  const failedBatches = await refuse(tx, deps, [...refused, ...funded.refused], nowMs);
  const lanes: Record<string, number> = {};
  for (const { decision } of funded.ready) lanes[decision.lane] = (lanes[decision.lane] ?? 0) + 1;
  deps.logger.info(
    {
      due: due.length,
      lanes,
      held: held.length,
      noRoom: fitting.held.length,
      unfunded: funded.delayed.length,
      following: deferred.length,
      refused: refused.length + funded.refused.length,
      hedged: rescued.hedges.length,
      paced: calls.later.length,
      primed: primed.length,
      leftPool: left,
    },
    "jobs-planned",
  );
  return {
    seen: due.length,
    more,
    bells,
    failedBatches,
    settle: lanes["cache"] !== undefined,
    committed: () => board.charge(placing.filter(isBatch)),
  };
}

const reuseId = (tenantId: string, hex: string): string => `${tenantId} ${hex}`;
const hexOf = (key: Uint8Array): string => Buffer.from(key).toString("hex");

async function readReuse(tx: Sql, jobs: readonly DueJob[], nowMs: number): Promise<Map<string, ReuseHit>> {
  const keyed = jobs.flatMap((job) => (job.reuseKey === null ? [] : [{ tenantId: job.tenantId, reuseKey: job.reuseKey }]));
  return new Map((await findReusable(tx, keyed, nowMs)).map((hit) => [reuseId(hit.tenantId, hit.reuseKey), hit]));
}

/** What decisions rest on: the lanes as they stand, and the room that batches have. */
interface Sight {
  readonly snapshot: Snapshot;
  readonly board: QuotaBoard;
}

function decideAll(
  { snapshot, board, pool, deps }: Sight & { readonly pool: PoolLine | null; readonly deps: PlanDeps },
  jobs: readonly DueJob[],
  triedByJob: ReadonlyMap<string, readonly TriedAttempt[]>,
  reuse: { readonly exact: ReadonlyMap<string, ReuseHit>; readonly asks: ReadonlyMap<string, DecidedAsk> },
  nowMs: number,
): { placements: Placement[]; refused: Refused[]; deferred: Delayed[] } {
  const placements: Placement[] = [];
  const refused: Refused[] = [];
  const deferred: Delayed[] = [];
  const leaders = new Map<string, string>();
  const together = countTogether(jobs);
  const sharedBy = sharedPrefixes(jobs);
  const lanesAt = lanesByMinute(snapshot);
  for (const job of jobs) {
    const key = job.reuseKey === null ? null : reuseId(job.tenantId, hexOf(job.reuseKey));
    const hit = key === null ? undefined : reuse.exact.get(key);
    const ask = reuse.asks.get(job.id);
    const near = hit?.attemptId == null && ask?.kind === "reuse" ? ask.attemptId : null;
    const source = hit?.attemptId ?? near;
    const tried = triedByJob.get(job.id) ?? [];
    if (isGivenUp(job, tried, nowMs)) {
      refused.push({ job, verdict: GIVEN_UP });
      continue;
    }
    const batchLines = (together.get(togetherKey(job)) ?? 1) + board.waitingLines(job);
    const view = { ...snapshot, lanes: lanesAt(job.deadlineAtMs), pool: pool?.view() ?? null, batchLines };
    const role = roleAfter(job, tried, view, nowMs);
    const facts = { cached: source !== null, tried, role, shared: sharedBy(job), rooms: board.roomsOf(job) };
    const asked = toPlanJob(job, view, facts);
    const startedMs = performance.now();
    const verdict = withInputs(decide(asked, view, nowMs), asked, view);
    deps.meter.noteDecision(performance.now() - startedMs);
    if (verdict.kind === "refuse") {
      const looked = lookedAt(asked, view, nowMs);
      // A lane that is away may come back: what was accepted waits for it, as long as anybody waits for its answer.
      if (verdict.code !== "lane-unavailable") refused.push({ job, verdict, looked });
      else if (isPastPatience(job, nowMs)) refused.push({ job, verdict: { ...verdict, message: `${GIVEN_UP.message} ${verdict.message}` }, looked });
      else {
        const why: DelayReason = { kind: "away", reason: verdict.message, looked };
        deferred.push({ jobId: job.id, atMs: nowMs + AWAY_MS, waitReason: verdict.message, why });
      }
      continue;
    }
    const { decision } = verdict;
    deps.shadow?.look(job.tenantId, { job: asked, snapshot: view, nowMs }, decision);
    const leader = key === null ? undefined : (leaders.get(key) ?? (hit?.leaderId === job.id ? undefined : (hit?.leaderId ?? undefined)));
    const untilMs = followUntil(job, decision, nowMs);
    if (leader !== undefined && source === null && decision.role === "try" && untilMs > nowMs) {
      const reason = `waits for the answer to the same request, which ${leader} asks for`;
      const why: DelayReason = { kind: "follow", reason, decision };
      deferred.push({ jobId: job.id, atMs: untilMs, leaderId: leader, waitReason: `${decision.lane}: ${reason}`, why });
      continue;
    }
    const askedUntilMs = source === null && decision.role === "try" ? askUntil(ask, job, { nowMs, scale: snapshot.scale, followMs: untilMs }) : null;
    if (askedUntilMs !== null) {
      const reason = "waits for an answer to a question that may mean the same";
      deferred.push({ jobId: job.id, atMs: askedUntilMs, waitReason: `cache: ${reason}`, why: { kind: "follow", reason, decision } });
      continue;
    }
    if (key !== null && source === null) leaders.set(key, job.id);
    if (decision.lane === "pool") pool?.add(laneDueAtMs(job), job.inputTokensEst + job.outputTokensEst);
    const told = near === null ? decision : withReuse(decision, ask);
    const sourceEmulated = (near === null ? hit?.emulated : ask?.emulated) ?? false;
    const kept = decision.lane === "cache" ? { sourceAttemptId: source, sourceEmulated } : { sourceAttemptId: null };
    placements.push({ job, decision: told, ...kept });
  }
  return { placements, refused, deferred };
}

/** `lanesBefore` of a look, which differs by the minute. */
function lanesByMinute({ lanes }: Snapshot): (deadlineAtMs: number | null) => Snapshot["lanes"] {
  const known = new Map<number, Snapshot["lanes"]>();
  return (deadlineAtMs) => {
    const minute = deadlineAtMs === null ? Number.POSITIVE_INFINITY : Math.floor(deadlineAtMs / 60_000);
    const found = known.get(minute) ?? lanesBefore(lanes, deadlineAtMs);
    known.set(minute, found);
    return found;
  };
}

const CLASSES: readonly (string | null)[] = ["guaranteed", "likely", null];

/** What was promised goes first where lanes are short; for everybody else the order stays. */
function promisedFirst(placements: readonly Placement[]): readonly Placement[] {
  if (placements.every(({ job }) => job.admission === null)) return placements;
  return [...placements].sort((a, b) => CLASSES.indexOf(a.job.admission) - CLASSES.indexOf(b.job.admission));
}

/** What was looked at where no lane was found. */
const lookedAt = (job: PlanJob, view: Snapshot, nowMs: number) => () => {
  const candidates = candidatesOf(job, view, nowMs);
  return { candidates, inputs: decisionInputs(job, view, candidates) };
};

/** Until when (job ms) a job may wait for another one's answer: its latest start, or a small part of its slack; urgent work never waits. */
function followUntil(job: DueJob, decision: Decision, nowMs: number): number {
  if (job.deadlineAtMs === null) return nowMs;
  const slackMs = Math.max(0, job.deadlineAtMs - nowMs);
  const patience = nowMs + Math.min(slackMs / 4, Math.max(FOLLOW_MS, slackMs / 20));
  return decision.latestStartAtMs ?? Math.min(patience, halfTime(job, job.deadlineAtMs));
}

const togetherKey = (job: DueJob): string => `${job.endpoint} ${job.model}`;

/** How many jobs of this claim would share a provider batch, and so a rescue. */
function countTogether(jobs: readonly DueJob[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const job of jobs) counts.set(togetherKey(job), (counts.get(togetherKey(job)) ?? 0) + 1);
  return counts;
}

/** Keeps back placements on batch lanes whose pack is better filled a little longer; they are decided anew when they are due again. */
function holdPacks(deps: PlanDeps, sight: Sight, placements: readonly Placement[], nowMs: number): { ready: Placement[]; held: ReplannedJob[] } {
  const ready = placements.filter(({ decision }) => laneClass(decision.lane) !== "batch");
  const riders = placements.filter(({ decision }) => laneClass(decision.lane) === "batch");
  const packs = Map.groupBy(riders, ({ job, decision }) => {
    const account = deps.lanes.find((lane) => lane.id === decision.lane)?.account ?? "";
    const slackMs = job.deadlineAtMs === null ? null : job.deadlineAtMs - nowMs;
    const endpoint = decision.fallback?.endpoint ?? (job.endpoint as Endpoint);
    return packKey({ lane: decision.lane, account, endpoint, model: decision.fallback ? decision.model : job.model, slackMs });
  });
  const held: ReplannedJob[] = [];
  for (const pack of packs.values()) {
    const until = holdUntil(sight, pack, nowMs);
    if (until === null) ready.push(...pack);
    else held.push(...pack.map((rider) => ({ jobId: rider.job.id, atMs: until, waitReason: companyReason(rider, pack.length) })));
  }
  return { ready, held };
}

/** Why a job waits for others to ride with. */
const companyReason = ({ decision }: Placement, lines: number): string =>
  `${decision.lane}: ${decision.reason}; waits for others to share a batch with (${lines} so far), no longer than ten minutes`;

/** Until when (job ms) a pack should wait for more lines; `null` to send it now. */
function holdUntil({ snapshot, board }: Sight, pack: readonly Placement[], nowMs: number): number | null {
  const first = pack[0] as Placement;
  const { lane } = first.decision;
  const enqueuedTokens = board.limitFor(first);
  const rescueView = snapshot.lanes.find((view) => view.id === laneProvider(lane));
  if (!rescueView) return null;
  const rescueLane = onModel(rescueView, first.decision.model);
  const slacks = pack.flatMap(({ job }) => (job.deadlineAtMs === null ? [] : [job.deadlineAtMs - nowMs]));
  const minSlackMs = slacks.length === 0 ? null : Math.min(...slacks);
  const outputTokens = Math.max(...pack.map(({ job }) => job.outputTokensEst));
  const oldestAgeMs = nowMs - Math.min(...pack.map(({ job }) => job.acceptedAtMs));
  const rescue = rescueMs(
    lane,
    "cancel",
    rescueLane,
    { outputTokens, deadlineAtMs: nowMs + (minSlackMs ?? 86_400_000), together: pack.length },
    snapshot,
    nowMs,
  );
  const verdict = closePack({
    lane,
    ...(enqueuedTokens === null ? {} : { enqueuedTokens }),
    lines: pack.length,
    bytes: pack.reduce((sum, { job }) => sum + job.bodyBytes, 0),
    inputTokens: pack.reduce((sum, { job }) => sum + job.inputTokensEst, 0),
    oldestAgeMs,
    minSlackMs,
    rescueMs: rescue,
    rescuesPerSecond: callsPerSecond(rescueLane, outputTokens, snapshot.scale),
    seen: snapshot.turnaround?.get(lane),
  });
  if (verdict.close) return null;
  // Bulk work comes complete: only single jobs that trickle in wait for company, and they wait no longer than the pack may age.
  if (pack.every(({ job }) => job.batchId !== null)) return null;
  return Math.min(nowMs - oldestAgeMs + Math.min(600_000, 0.03 * (minSlackMs ?? 0)), nowMs + 60_000) + 1;
}

/** Ends jobs that no lane can take, with the reason in the job's error and in the announcement. Returns the batches that may have ended with them. */
async function refuse(tx: Sql, deps: PlanDeps, refused: readonly Refused[], nowMs: number): Promise<string[]> {
  if (refused.length === 0) return [];
  const rows = refused.map(({ job, verdict }) => ({
    jobId: job.id,
    state: "failed" as const,
    error: JSON.stringify({ code: verdict.code, message: verdict.message }),
  }));
  await noteRefusals(
    tx,
    refused.map(({ job, verdict, looked }) => ({ jobId: job.id, why: { kind: "refuse", reason: verdict.message, ...(looked ? { looked } : {}) } })),
    nowMs,
  );
  const ended = new Set((await endJobs(tx, rows, nowMs)).map((job) => job.id));
  const events = refused.flatMap(({ job }) => {
    if (job.callbackUrl === null || job.batchId !== null || !ended.has(job.id)) return [];
    const type: EventType = "job.failed";
    const eventId = newId("event", nowMs, deps.time.rng);
    const payload = eventPayload({ eventId, type, createdAtMs: nowMs, subjectId: job.id, version: job.version + 1, metadata: job.metadata });
    return [{ id: eventId, tenantId: job.tenantId, keyId: job.keyId, subjectId: job.id, url: job.callbackUrl, type, payload }];
  });
  await announceEvents(tx, events, { nowMs, realMs: deps.time.clock.real() });
  for (const { job, verdict } of refused) deps.logger.warn({ jobId: job.id, tenantId: job.tenantId, code: verdict.code }, "job-refused");
  return [...new Set(refused.flatMap(({ job }) => (job.batchId === null ? [] : [job.batchId])))];
}
