import { type EventType, eventPayload } from "@slowboat/contract";
import { newId, type Rng } from "@slowboat/kernel";
import { postSettlements, type SettlementRow } from "@slowboat/ledger";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import {
  type Declined,
  drawnPairs,
  judgeFirst,
  loggedOutcome,
  outcomeOf,
  recordLogged,
  recordOutcomes,
  type SettlementFacts,
} from "@slowboat/results";
import type { Clock, Logger } from "@slowboat/runtime";
import {
  type AnsweredRow,
  announceEvents,
  claimAnswered,
  claimLogged,
  escalateJobs,
  fileOldest,
  insertPairs,
  isNotFresh,
  type NewEvent,
  type RouteDesk,
  releaseEnded,
  type Sql,
  type Store,
  settleHolds,
  withoutLiveJobs,
} from "@slowboat/store";

export interface SettleDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly routes: RouteDesk;
}

/** Attempts settled at a time. Larger chunks are cheaper by a little, but each takes a core for as long, while callers wait beside it. */
const CHUNK = 400;
/** Answers taken at a time, held in memory here or at the server: one of embeddings may have tens of megabytes. */
const CHUNK_BYTES = 16 * 1024 * 1024;
/** What is taken out of the call log at a time: an intent and an answer a call. Calls that are cut apart where a chunk ends cost several times what others do. */
const LOG_CHUNK = { items: 2000, maxBytes: CHUNK_BYTES };

/** What a chunk did: how many attempts it took, and whether it left some because it was full. */
export interface Settled {
  readonly attempts: number;
  readonly more: boolean;
}

/**
 * The end of a job, in one function: a chunk of answered attempts becomes results, ledger entries, ended jobs and announcements in one
 * transaction. Run twice it changes nothing; stopped halfway it leaves nothing.
 */
export async function settleChunk(deps: SettleDeps): Promise<Settled> {
  const nowMs = deps.clock.job();
  const { batches, waiting, events, ...settled } = await deps.store.begin(async (tx) => {
    const { rows, more } = await claimAnswered(tx, { limit: CHUNK, maxBytes: CHUNK_BYTES });
    const declined = await judgeAll(tx, deps, rows, nowMs);
    const facts = firstAnswerWins(rows.map((row) => outcomeOf(row, deps.book, declined.has(row.attemptId))));
    await postSettlements(tx, facts.flatMap(toSettlementRow(deps.book)), nowMs);
    const ended = await recordOutcomes(tx, facts, nowMs);
    const done = new Set(ended.map((job) => job.id));
    await insertPairs(tx, drawnPairs(facts, done), nowMs);
    await escalateJobs(
      tx,
      [...declined.values()].map(({ escalated }) => escalated),
      nowMs,
    );
    // After the last write to a job: the planner, too, has its jobs locked when it takes a budget's lock.
    await settleBudgets(tx, deps, facts, nowMs);
    const announced = await announce(tx, deps, facts, done, nowMs);
    report(deps.logger, facts);
    const touched = new Set(ended.flatMap((job) => (job.batchId === null ? [] : [job.batchId])));
    // Most chunks leave work behind; a batch that another chunk ends at this very moment is found by the sweep.
    return {
      attempts: rows.length,
      more,
      batches: await withoutLiveJobs(tx, [...touched]),
      waiting: declined.size > 0 || facts.some((fact) => fact.row.reuseKey !== null),
      events: announced,
    };
  });
  for (const batchId of batches) await deps.queue.ring("finalise", [{ batchId }]);
  if (waiting) await deps.queue.ring("plan", [{}]);
  if (events > 0) await deps.queue.ring("deliver", [{}]);
  return settled;
}

/**
 * Calls that are logged become jobs and attempts, in one transaction with the settlement of those that are answered already: a call that was opened
 * and answered since the last look is written once, as it ended. Stopped halfway it leaves them in the log. Where one of them cannot be settled, all are
 * filed for `settleChunk`, so that it holds up no other call.
 */
export async function settleLogged(deps: SettleDeps): Promise<Settled> {
  try {
    return await settleFresh(deps);
  } catch (err) {
    deps.logger.error({ err }, "log-not-settled");
    const { filed, more } = await deps.store.begin((tx) => fileOldest(tx, LOG_CHUNK));
    return { attempts: filed, more };
  }
}

/** Nearly always no call of a chunk has a job yet. Where one has, since it was logged twice, the chunk is done with a look for each. */
async function settleFresh(deps: SettleDeps): Promise<Settled> {
  try {
    return await settleWhole(deps, true);
  } catch (err) {
    if (!isNotFresh(err)) throw err;
    return await settleWhole(deps, false);
  }
}

async function settleWhole({ store, clock, book, logger }: SettleDeps, fresh: boolean): Promise<Settled> {
  const nowMs = clock.job();
  return await store.begin(async (tx) => {
    const { whole, logIds, filed, more } = await claimLogged(tx, LOG_CHUNK);
    const calls = whole.map((call) => ({ call, facts: loggedOutcome(call, book) }));
    const facts = await recordLogged(tx, calls, { logIds, nowMs, fresh });
    await postSettlements(tx, facts.flatMap(toSettlementRow(book)), nowMs, fresh);
    report(logger, facts);
    return { attempts: whole.length + filed, more };
  });
}

/** Gives back what budgets hold for work that ended without a settlement; returns how much it looked at. */
export async function releaseChunk({ store, clock }: Pick<SettleDeps, "store" | "clock">): Promise<number> {
  return await store.begin((tx) => releaseEnded(tx, { limit: CHUNK }, { nowMs: clock.job(), realMs: clock.real() }));
}

/** Answers of cheaper models that do not stand: what they cost is waste, and their jobs are asked again of the baseline. */
async function judgeAll(tx: Sql, deps: SettleDeps, rows: readonly AnsweredRow[], nowMs: number): Promise<ReadonlyMap<string, Declined>> {
  const declined = new Map<string, Declined>();
  for (const row of rows) {
    if (row.route === null) continue;
    const verdict = judgeFirst(row, await deps.routes.load(row.tenantId, tx), nowMs);
    if (verdict !== null) declined.set(row.attemptId, verdict);
  }
  return declined;
}

/** Two answers of one job in the same chunk, a hedge and what it hedged: the second is waste. */
function firstAnswerWins(facts: readonly SettlementFacts[]): SettlementFacts[] {
  const seen = new Set<string>();
  return facts.filter((fact) => {
    if (fact.kind !== "settle") return true;
    const first = !seen.has(fact.row.jobId);
    seen.add(fact.row.jobId);
    // Left for the next chunk, which sees the job ended and posts it as waste.
    return first;
  });
}

const toSettlementRow =
  (book: PriceBook) =>
  ({ row, kind, settlement }: SettlementFacts): SettlementRow[] =>
    settlement === null
      ? []
      : [
          {
            kind,
            tenantId: row.tenantId,
            jobId: row.jobId,
            attemptId: row.attemptId,
            lane: row.lane,
            model: row.otherModel ?? row.model,
            pricesVersion: book.version,
            emulated: row.emulated,
            settlement,
          },
        ];

/** What the chunk's attempts were paid, where a budget may hold for their jobs. */
async function settleBudgets(tx: Sql, deps: SettleDeps, facts: readonly SettlementFacts[], nowMs: number): Promise<void> {
  const counted = facts.filter(({ row }) => row.budgeted);
  await settleHolds(
    tx,
    {
      subjects: counted.map(({ row }) => row.jobId),
      paid: counted.flatMap(({ row, settlement }) =>
        settlement?.priced ? [{ jobId: row.jobId, attemptId: row.attemptId, nano: settlement.waterfall.paidNano }] : [],
      ),
    },
    { nowMs, realMs: deps.clock.real() },
  );
}

async function announce(tx: Sql, deps: SettleDeps, facts: readonly SettlementFacts[], ended: ReadonlySet<string>, nowMs: number): Promise<number> {
  const events: NewEvent[] = facts.flatMap(({ row, ok, kind }) => {
    if (kind !== "settle" || row.callbackUrl === null || row.batchId !== null || !ended.has(row.jobId)) return [];
    const type: EventType = ok ? "job.completed" : "job.failed";
    const eventId = newId("event", nowMs, deps.rng);
    const deadlineMet = row.deadlineAtMs === null ? null : row.answeredAtMs <= row.deadlineAtMs;
    const payload = eventPayload({
      eventId,
      type,
      createdAtMs: nowMs,
      subjectId: row.jobId,
      version: row.version + 1,
      customId: row.customId,
      metadata: row.metadata,
      deadlineMet,
    });
    return [{ id: eventId, tenantId: row.tenantId, keyId: row.keyId, subjectId: row.jobId, url: row.callbackUrl, type, payload }];
  });
  await announceEvents(tx, events, { nowMs, realMs: deps.clock.real() });
  return events.length;
}

function report(logger: Logger, facts: readonly SettlementFacts[]): void {
  for (const { row, quarantine } of facts) {
    if (quarantine !== null)
      logger.warn({ attemptId: row.attemptId, jobId: row.jobId, lane: row.lane, model: row.model, reason: quarantine }, "usage-quarantined");
  }
  if (facts.length > 0) logger.debug({ attempts: facts.length }, "chunk-settled");
}
