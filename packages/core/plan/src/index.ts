/**
 * The plan: where a job goes, when it is looked at again, what is packed together, and what follows a failure. One pure `decide`
 * for the dispatcher, the intake and the simulator alike. The rule is try, then rescue: the cheapest lane in expectation, with
 * real time started at the latest instant that still makes the deadline. What must be nearly certain is the rescue, not the batch.
 */
export { chainOf } from "./chain.ts";
export { admit, decide } from "./decide.ts";
export { estimateTokens } from "./estimate.ts";
export { createFairShares, type FairShares } from "./fair.ts";
export { createFairLine, type FairLine, type FairTurn } from "./fair-line.ts";
export type { PoolAhead, PoolView } from "./latency.ts";
export { learnTurnaround, type SeenBatch } from "./learn.ts";
export { closePack, maxPack, type OpenPack, type PackLimits, packKey } from "./pack.ts";
export { hasRoomForTwo, holdLookMs, markedShare, type PrimeQuestion, type PrimeVerdict, primeVerdict, readChance, twoBatchesCdf } from "./prime.ts";
export { type LearnedQuota, learnQuota, limitNow, unprovenLimit } from "./quota.ts";
export { dueAtMs, fitQuota, type QuotaLine, type QuotaTurn, type QuotaView, quotaLookMs, quotaTurns } from "./quota-turns.ts";
export { callsPerSecond, cancelPays, queueMs, rescueAtMs, rescueMove, rescueMs, restartPays } from "./rescue.ts";
export { type HeldJob, holdNano } from "./rescue-price.ts";
export { type FailedAttempt, isModelsOwn, type NotTaken, type RetryPlan, restMs, retryPlan } from "./retry.ts";
export { type LaneRoom, type LaneView, type PlanJob, roomKey, type Snapshot, type TriedLane, type Verdict } from "./snapshot.ts";
export { batchCdf, batchCdfGiven, batchQuantile, type Turnaround } from "./turnaround.ts";
