/**
 * The store: Postgres, the one truth. One SQL verb a file; each takes `(tx, input)` and never reads a clock. Tenant-facing
 * verbs take the tenant and filter by it.
 */

export {
  type BatchCounts,
  type BatchRow,
  type BatchUsage,
  countBatchJobs,
  deleteMessageBatch,
  insertBatch,
  listBatches,
  readBatch,
  sumBatchUsage,
} from "./batches.ts";
export { type BudgetAt, budgetName } from "./budget-entries.ts";
export {
  type BudgetRow,
  type BudgetSetting,
  type BudgetStanding,
  findProject,
  insertProject,
  listBudgets,
  saveBudget,
} from "./budgets.ts";
export type { OpenedCall } from "./call-lines.ts";
export { claimLogged, fileCallLog, fileOldest, logCalls } from "./call-log.ts";
export { cancelBatch } from "./cancel-batch.ts";
export { type AnsweredRow, claimAnswered } from "./claim-answered.ts";
export { claimDue, type DueJob, explainClaim } from "./claim-due.ts";
export { readClock, type StoredClock, touchClock, writeClock } from "./clock-row.ts";
export { type Orm, openStore, orm, type Sql, type Store, type StoreOptions } from "./connect.ts";
export { type DelayRow, insertDelays, listDelays } from "./delays.ts";
export {
  type DispatchPatch,
  type DispatchRow,
  insertDispatches,
  leaseDispatch,
  leaseFirstDue,
  type NewDispatch,
  readDispatchTenant,
  readNeighbours,
  releaseDispatch,
  renewLease,
  sweepDispatches,
} from "./dispatches.ts";
export { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";
export { chooseLaunch } from "./embedded-user.ts";
export { isEmulatedBatch, isEmulatedFile } from "./emulated-answers.ts";
export { type EndedAttempt, endAttempts, type GoneAttempt } from "./end-attempts.ts";
export { type EndedJob, endJobs } from "./end-jobs.ts";
export { endLostCalls } from "./end-lost-calls.ts";
export {
  type HeldTokens,
  type KnownQuota,
  lockQuotas,
  noteProven,
  noteQuotas,
  type QuotaId,
  quotaKey,
  readHeldTokens,
  readQuotas,
  readTokensBefore,
  readWaitingTenants,
  readWaitingTokens,
  saveQuota,
  type TenantStake,
  type WaitingRow,
  wakeWaiting,
} from "./enqueued-quotas.ts";
export {
  countErrands,
  type EndedErrand,
  ERRAND_SURFACE,
  type ErrandKind,
  type ErrandRow,
  insertErrands,
  readErrandTerms,
  takeErrands,
} from "./errands.ts";
export { extendHolds } from "./extend-holds.ts";
export { insertFeedback, type NewFeedback } from "./feedback.ts";
export { fileCalls, fileSettled, type SettledCall, type WholeCall } from "./file-calls.ts";
export { deleteFile, type FileRow, forgettableFiles, insertFile, listFiles, markBlobGone, readFileRow } from "./files.ts";
export {
  type BatchLine,
  beginFinalise,
  type CancelGrace,
  endBatch,
  type FinalisingBatch,
  findFinalisable,
  leaseBatch,
  readBatchLines,
  renewBatchLease,
  type WrittenLines,
  withoutLiveJobs,
} from "./finalise-batch.ts";
export { findJob } from "./find-job.ts";
export { forgetEmulatedReuse } from "./forget-emulated.ts";
export { isNotFresh } from "./fresh.ts";
export { hintDispatch } from "./hint-dispatch.ts";
export { claimIdempotency, dropIdempotency, findIdempotency, type IdempotencyClaim, type IdempotencyOwner, sweepIdempotency } from "./idempotency.ts";
export {
  type CallClaim,
  type CallOutcome,
  type CallOwner,
  claimCall,
  finishCall,
  readCallOutcome,
  releaseCall,
  renewCall,
} from "./idempotent-calls.ts";
export { type AttemptRow, insertAttempts, type NewAttempt } from "./insert-attempts.ts";
export { insertJobs, type NewJob } from "./insert-jobs.ts";
export { endKeyCalls, type KeyAsk, type KeyGrant, renewKeyCalls, sweepKeyCalls, takeAllowances } from "./key-allowances.ts";
export { findKey, insertKey, insertTenant, type KeyLimits, type KeyOwner, markKeyRevoked } from "./keys.ts";
export { type ParkedLane, parkLane, readParked } from "./lane-parking.ts";
export { keepStandings, type LaneStandingRow, readStandings } from "./lane-standings.ts";
export { forgetLessons, keepLessons, readLessons } from "./lessons.ts";
export { type ListedKey, listKeys } from "./list-keys.ts";
export { isUsual, type LoggedAnswer, type Reading } from "./logged-lines.ts";
export { markSending } from "./mark-sending.ts";
export { migrate, migrationNames } from "./migrate.ts";
export { moveHolds } from "./move-holds.ts";
export { type OutputTokensRow, readOutputTokens } from "./output-tokens.ts";
export { unlessNull } from "./part.ts";
export { type PlacedJob, placeJobs } from "./place-jobs.ts";
export {
  type BacklogRow,
  cancelOrphanedBatches,
  type PlacedAttempt,
  type Riders,
  readBacklog,
  readPlaced,
  readPoolLine,
  readPoolStanders,
  readRiders,
  readTried,
  requestCancel,
  type TriedAttempt,
  wakeStanders,
} from "./plan-reads.ts";
export { beginProgress, failBatch, findUnpopulated, holdPopulate, leasePopulate, type PopulatingBatch, releasePopulate } from "./populate-batch.ts";
export { type LedgerPosting, postLedger } from "./post-ledger.ts";
export { recordPriceBook } from "./price-books.ts";
export { forgetPromises, insertPromises, lockPromises, type PromisedRow, type PromiseRow, readPromise, readPromised } from "./promises.ts";
export {
  beginPriming,
  endPriming,
  forgetPrefixes,
  type KnownPrefix,
  keepWarm,
  type PrefixId,
  readMarks,
  readPrefixes,
} from "./prompt-prefixes.ts";
export { type KeptAnswer, readAnswer } from "./read-answer.ts";
export { type ArrivalRow, readArrivals, readBookOf, readPaid } from "./read-arrivals.ts";
export { readChained } from "./read-chained.ts";
export { type ChunkRow, placeAttempts, readChunk, readLines, sendAsLines, voidLeftovers } from "./read-chunk.ts";
export {
  type BatchDetail,
  type BatchFault,
  type BatchFaults,
  countLateBatches,
  type JobMoney,
  readBatchDetail,
  readBatchFaults,
  readBatchReceipt,
  readJobMoney,
  readNewest,
} from "./read-console.ts";
export { readDueBacklog } from "./read-due-backlog.ts";
export { countLiveJobs, readHealth, type StoreHealth } from "./read-health.ts";
export {
  type JobRow,
  listAttempts,
  listJobs,
  type ReceiptRow,
  readJob,
  readJobReceipt,
  readResult,
  type ShownAttempt,
  type ShownJob,
  type ShownResult,
} from "./read-job.ts";
export { type BatchOverview, type JobOverview, type LaneOverview, type Overview, readOverview } from "./read-overview.ts";
export { findBatchTenant, type ReceiptFacts, readReceipt } from "./read-receipt.ts";
export { callLogReclaimer } from "./reclaim-call-log.ts";
export { type NewResult, recordResults } from "./record-results.ts";
export { deferJobs, type ReplannedJob, replanJobs } from "./replan-jobs.ts";
export { noteOpen, type Reservation, reserveBudgets } from "./reserve-budgets.ts";
export {
  type ForgettableBatch,
  findForgettableBatches,
  forgetDispatches,
  forgetEvents,
  forgetLines,
  forgetSingles,
  markForgotten,
  type RetentionBite,
} from "./retention.ts";
export { findReusable, keepReusable, type ReuseEntry, type ReuseHit } from "./reuse-entries.ts";
export { openRouteDesk, packed, type RouteBook, type RouteDesk, type StoredRoute, unpacked } from "./route-desk.ts";
export {
  claimTraining,
  closeRoute,
  delayTraining,
  lockRoute,
  readRouteLabel,
  saveDrift,
  type TaughtRoute,
  type TrainableRoute,
} from "./route-learning.ts";
export {
  claimPair,
  countOpenPairs,
  type DuePair,
  delayPair,
  forgetPairs,
  insertPairs,
  type NewPair,
  notePairErrands,
  type PairAnswer,
  type PairReport,
  type PairState,
  type PairStep,
  readPairAnswers,
  readPairReport,
  sayOfPair,
  stepPair,
} from "./route-pairs.ts";
export {
  addRouteLabels,
  deleteRoute,
  type EscalatedJob,
  escalateJobs,
  listRoutes,
  type RoutedOutcome,
  type RouteRow,
  readPolicy,
  readRouted,
  readRouteLabels,
  savePolicy,
  setRoute,
} from "./routes.ts";
export { type SavedAnswer, saveAnswers } from "./save-answers.ts";
export { readSeenBatches, type SeenBatchRow } from "./seen-batches.ts";
export {
  type AnsweredAsk,
  type AskDecision,
  anySemantic,
  claimAnsweredAsks,
  closeAsks,
  closeReused,
  type DecidedAsk,
  hasAnswered,
  type LoggedAsk,
  logAsks,
  type NewAsk,
  noteAnswered,
  noteEnded,
  readDecided,
  readUndecided,
  type StoredCodes,
  saveDecisions,
  type WaitingAsk,
} from "./semantic-asks.ts";
export {
  evictEntries,
  forgetEntries,
  insertEntries,
  type ListedEntry,
  listEntries,
  type NearEntry,
  type NewEntry,
  newestChange,
  readNear,
  readSpace,
  SEMANTIC_CHANNEL,
  type TailRow,
  tailEntries,
} from "./semantic-entries.ts";
export {
  type FamilyId,
  lockFamily,
  readFamilies,
  type StoredFamily,
  saveFamily,
} from "./semantic-families.ts";
export { countReuse, type GivenAnswer, listFamilies, type ReuseCounts, readGiven, type ShownFamily } from "./semantic-report.ts";
export {
  countVerdicts,
  type JudgedAsk,
  type JudgingAsk,
  missAsks,
  noteJudges,
  readJudging,
  saveVerdicts,
  type VerdictCounts,
} from "./semantic-verdicts.ts";
export { type SettledAttempt, settleAttempts } from "./settle-attempts.ts";
export { type PaidAttempt, releaseEnded, settleHolds } from "./settle-holds.ts";
export { addShadow, readShadow, type ShadowReport, shadowReports, type TenantTally } from "./shadow-tally.ts";
export { listOldBatches, readSlowBatches, type SlowBatchRow } from "./slow-batches.ts";
export {
  type BookedAttempt,
  type ClearedAttempt,
  clearSuspended,
  knownAttempts,
  listBooked,
  listSuspense,
  readSuspended,
  type SuspendedAttempt,
} from "./suspense.ts";
export { table } from "./tables.ts";
export { type ListedTenant, listTenants, readWeights, setTenant } from "./tenants.ts";
export {
  announceEvents,
  claimEvents,
  clearEndpoint,
  countFailure,
  type DeliveryOutcome,
  type DueEvent,
  type EventClaim,
  type NewEvent,
  pauseEndpoint,
  recordDelivery,
  type WebhookEventRow,
} from "./webhook-events.ts";
export { type CallWrites, writeCalls } from "./write-calls.ts";
