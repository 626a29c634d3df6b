import { type LaneId, laneClass } from "@slowboat/contract";
import { realtimeCdf, realtimeMeanMs, realtimeQ99Ms, realtimeQ999Ms } from "./latency.ts";
import { POLICY, type Policy, policyOf } from "./policy.ts";
import type { LaneView, Snapshot } from "./snapshot.ts";
import { batchCdf, batchCdfGiven, logNormalCdf, type Turnaround } from "./turnaround.ts";

/** What a rescue depends on. */
export interface RescueJob {
  readonly outputTokens: number;
  readonly deadlineAtMs: number;
  /** Jobs that would have to be rescued at the same instant, this one counted. */
  readonly together: number;
}

type RescueSnapshot = Pick<Snapshot, "tickMs" | "scale" | "policy">;

/** What a call is expected to take, in job ms: the published figure with our own part, or what was measured where that is longer. */
const callMs = (lane: LaneView, outputTokens: number, scale: number): number =>
  Math.max(realtimeMeanMs(outputTokens) + POLICY.callOverheadRealMs * scale, lane.callMs ?? 0);

/** Calls a second (job time) that a real-time lane gets through: what its width carries, within what its account's limits let pass. */
export const callsPerSecond = (lane: LaneView, outputTokens: number, scale: number): number =>
  Math.min((lane.concurrency * 1000) / callMs(lane, outputTokens, scale), lane.rate?.perSecond ?? Number.POSITIVE_INFINITY);

/** Job ms until a call handed to the lane now gets its turn: behind those beyond its width, and behind those that wait for the account's limits. */
export const queueMs = (lane: LaneView, outputTokens: number, scale: number): number => {
  const waiting = Math.max(0, lane.queued - lane.concurrency, lane.rate?.waiting ?? 0);
  return waiting === 0 ? 0 : (waiting / Math.max(1e-9, callsPerSecond(lane, outputTokens, scale))) * 1000;
};

/** What a real-time answer may take: the 99th percentile, or the 99.9th where a miss could not be mended in the time that is left. */
const answerMs = (outputTokens: number, slackMs: number, policy: Policy): number =>
  slackMs < policy.shortSlackMs ? realtimeQ999Ms(outputTokens) : realtimeQ99Ms(outputTokens);

const cancelLagMs = (lane: LaneId, policy: Policy): number => {
  if (laneClass(lane) !== "batch") return 0;
  return lane === "anthropic-batch" ? policy.anthropicCancelLagMs : policy.cancelLagMs;
};

const guardMs = (slackMs: number, snapshot: RescueSnapshot): number =>
  Math.max(policyOf(snapshot).guardMinMs, policyOf(snapshot).guardSlackShare * Math.max(0, slackMs)) +
  policyOf(snapshot).ticksOfGuard * snapshot.tickMs * snapshot.scale;

/**
 * How long before the deadline a rescue must start, in job ms: the time to get the work back (`cancel` waits for the batch to
 * end, `hedge` does not), the 99th percentile of a real-time answer (the 99.9th below 15 minutes of slack; or twice what calls take here, if longer), the queue in front and all that are rescued together, a
 * poll, and a guard of max(10 s, 1 % of the slack) and two ticks of the scheduler.
 */
export function rescueMs(
  lane: LaneId,
  how: "cancel" | "hedge",
  rescueLane: LaneView,
  job: RescueJob,
  snapshot: RescueSnapshot,
  nowMs: number,
): number {
  const policy = policyOf(snapshot);
  const lag = how === "cancel" ? cancelLagMs(lane, policy) : 0;
  const poll = laneClass(lane) === "batch" ? policy.pollMs : 0;
  const herd = (Math.max(0, job.together - 1) / Math.max(1e-9, callsPerSecond(rescueLane, job.outputTokens, snapshot.scale))) * 1000;
  return (
    lag +
    poll +
    Math.max(
      answerMs(job.outputTokens, job.deadlineAtMs - nowMs, policy) + policy.callOverheadRealMs * snapshot.scale,
      policy.slowCall * (rescueLane.callMs ?? 0),
    ) +
    queueMs(rescueLane, job.outputTokens, snapshot.scale) +
    herd +
    guardMs(job.deadlineAtMs - nowMs, snapshot)
  );
}

/**
 * P(a rescue that starts now has its answer within `ms`): what `rescueMs` keeps free for it without the guard, so that what this leaves open at the deadline
 * is the chance that the rescue itself is late.
 */
export function rescueCdf(ms: number, lane: LaneId, how: "cancel" | "hedge", rescueLane: LaneView, job: RescueJob, snapshot: RescueSnapshot): number {
  const { outputTokens } = job;
  const herd = (Math.max(0, job.together - 1) / Math.max(1e-9, callsPerSecond(rescueLane, outputTokens, snapshot.scale))) * 1000;
  const policy = policyOf(snapshot);
  const lag = how === "cancel" ? cancelLagMs(lane, policy) : 0;
  const poll = laneClass(lane) === "batch" ? policy.pollMs : 0;
  const before = lag + poll + queueMs(rescueLane, outputTokens, snapshot.scale) + herd + policy.callOverheadRealMs * snapshot.scale;
  // Where calls take longer here than is published, all of them do.
  const stretch = Math.max(1, (rescueLane.callMs ?? 0) / realtimeMeanMs(outputTokens));
  return realtimeCdf((ms - before) / stretch, outputTokens);
}

/** The latest instant (job ms) at which the rescue of work on `lane` can start and still make the deadline. */
export const rescueAtMs = (
  lane: LaneId,
  how: "cancel" | "hedge",
  rescueLane: LaneView,
  job: RescueJob,
  snapshot: RescueSnapshot,
  nowMs: number,
): number => Math.floor(job.deadlineAtMs - rescueMs(lane, how, rescueLane, job, snapshot, nowMs));

/**
 * What to do with work on a batch lane when its rescue instant has come: cancel the batch and run what it did not finish,
 * while that is likely to end in time (cancels mostly take less than half of the longest documented one, and the hedge still
 * stands behind them); else leave it, and at the last instant run the urgent lines beside it. `wait` when it is not yet time.
 */
export function rescueMove(lane: LaneId, rescueLane: LaneView, job: RescueJob, snapshot: RescueSnapshot, nowMs: number): "wait" | "cancel" | "hedge" {
  const hedgeAt = rescueAtMs(lane, "hedge", rescueLane, job, snapshot, nowMs);
  if (nowMs >= hedgeAt) return "hedge";
  const lag = cancelLagMs(lane, policyOf(snapshot));
  return nowMs >= hedgeAt - lag && nowMs < hedgeAt - lag / 2 ? "cancel" : "wait";
}

/** A batch that is out, as far as its provider tells. */
export interface OpenBatch {
  readonly ageMs: number;
  readonly lines: number;
  /** Lines that its provider says are done; absent or few where it does not tell. */
  readonly done?: number | undefined;
  readonly seen?: Turnaround | undefined;
  /** The house's own where absent. */
  readonly policy?: Policy | undefined;
}

/**
 * P(the batch ends within a further `ms`). Where its progress can be seen, what is left is expected to go at the pace of what is done, standstills counted in, as
 * Wu et al. do it for divisible work (NSDI 2024); where it cannot, its age alone speaks.
 */
export function endsWithin({ ageMs, lines, done = 0, seen, policy = POLICY }: OpenBatch, ms: number): number {
  if (ms <= 0) return 0;
  if (done < Math.min(lines, policy.progressLines)) return batchCdfGiven(ageMs, ms, lines, seen);
  const leftMs = (ageMs * Math.max(0, lines - done)) / done;
  return leftMs === 0 ? 1 : logNormalCdf(ms, leftMs, policy.progressSigma);
}

/** A batch with some lines whose rescue is due. Amounts are what the lines cost on the batch lane, in nano-USD. */
export interface LateBatch extends OpenBatch {
  readonly urgentNano: bigint;
  readonly restNano: bigint;
  /** Job ms that the other lines still have. */
  readonly restSlackMs: number;
}

const DAY_MS = 86_400_000;

/**
 * Whether cancelling a late batch costs less than running its urgent lines beside it. A cancel takes the half price from the rest, as far
 * as the batch would still have made their deadlines; a hedge pays the urgent lines twice, as far as the batch still finishes them.
 */
export function cancelPays(batch: LateBatch): boolean {
  const lost = Number(batch.restNano) * endsWithin(batch, batch.restSlackMs);
  const doubled = Number(batch.urgentNano) * endsWithin(batch, DAY_MS - batch.ageMs);
  return lost <= doubled;
}

/** A batch that has been out for a while, all of its lines with time left. Amounts are sums over those lines, in nano-USD. */
export interface SlowBatch extends OpenBatch {
  readonly lane: LaneId;
  readonly batchNano: bigint;
  readonly realtimeNano: bigint;
  /** Job ms until the first of them would have to be rescued. */
  readonly roomMs: number;
}

/**
 * Whether a batch that is still out should be cancelled and its lines sent again, well before any rescue is due: turnarounds are a fast crowd and a
 * slow tail, so that one which has been out for long is less likely to come in time than a new one. Never while an incident makes all of them slow.
 */
export function restartPays(batch: SlowBatch): boolean {
  const policy = policyOf(batch);
  const lag = cancelLagMs(batch.lane, policy) + policy.pollMs;
  if (batch.roomMs <= lag) return false;
  const cheap = Number(batch.batchNano);
  const late = Number(batch.realtimeNano) + policy.wasteCancelled * cheap;
  const kept = endsWithin(batch, batch.roomMs);
  const anew = batchCdf(batch.roomMs - lag, batch.lines, batch.seen);
  const keeps = kept * cheap + (1 - kept) * late;
  const restarts = policy.wasteCancelled * cheap + anew * cheap + (1 - anew) * late;
  return restarts < keeps * (1 - policy.restartGain);
}
