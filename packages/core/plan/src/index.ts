/**
 * The plan: where a job goes, when it is looked at again, what is packed together, and what follows a failure. One pure `decide`
 * for the dispatcher, the intake and the simulator alike. The rule is try, then rescue: the cheapest lane in expectation, with
 * real time started at the latest instant that still makes the deadline. What must be nearly certain is the rescue, not the batch.
 */
export { candidatesOf, chainOf } from "./chain.ts";
export { admit, decide } from "./decide.ts";
export { estimateTokens } from "./estimate.ts";
export { createFairShares, type FairShares } from "./fair.ts";
export { createFairLine, type FairLine, type FairTurn } from "./fair-line.ts";
export { decisionInputs, type ReplayFacts, restoreInputs, withInputs } from "./inputs.ts";
export { type PoolAhead, type PoolView, poolBefore } from "./latency.ts";
export { hopelessFromMs, latestStartMs } from "./latest-start.ts";
export { learnTurnaround, type SeenBatch } from "./learn.ts";
export { type Arrival, createNaiveLine, type LineRate, type NaiveLine } from "./naive-line.ts";
export { learnOutputs, longOutput, type OutputModel, type OutputTokens, outputTokens, PUBLISHED_OUTPUTS } from "./outputs.ts";
export { closePack, maxPack, type OpenPack, type PackLimits, packKey } from "./pack.ts";
export { POLICY, type Policy, readPolicy } from "./policy.ts";
export { type PoolStander, turnIsLost } from "./pool-turn.ts";
export { hasRoomForTwo, holdLookMs, markedShare, type PrimeQuestion, type PrimeVerdict, primeVerdict, readChance, twoBatchesCdf } from "./prime.ts";
export {
  type AdmissionClass,
  classOf,
  type Demand,
  fits,
  judgePromise,
  type Piece,
  type PromiseAsk,
  type Promised,
  type PromiseVerdict,
  promisedOf,
} from "./promise.ts";
export { type LearnedQuota, learnQuota, limitNow, unprovenLimit } from "./quota.ts";
export {
  dueAtMs,
  fitQuota,
  type KnownRoom,
  type QuotaLine,
  type QuotaShares,
  type QuotaTurn,
  type QuotaView,
  quotaLookMs,
  quotaTurns,
} from "./quota-turns.ts";
export { type LaneQuote, type QuoteGroup, quoteWork, type WorkQuote } from "./quote.ts";
export type { QuoteKind, QuoteLine, Spread } from "./quote-line.ts";
export { callsPerSecond, cancelPays, endsWithin, queueMs, rescueAtMs, rescueMove, rescueMs, restartPays } from "./rescue.ts";
export { type HeldJob, holdNano } from "./rescue-price.ts";
export { type FailedAttempt, isModelsOwn, type NotTaken, type RetryPlan, restMs, retryPlan } from "./retry.ts";
export {
  type DueCalls,
  type LaneRate,
  type LaneRoom,
  type LaneView,
  lanesBefore,
  onModel,
  type PlanJob,
  roomKey,
  type Snapshot,
  type TriedLane,
  type Verdict,
} from "./snapshot.ts";
export { batchCdf, batchCdfGiven, batchQuantile, type Turnaround } from "./turnaround.ts";
