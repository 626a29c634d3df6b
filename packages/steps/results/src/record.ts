import type { Endpoint } from "@slowboat/contract";
import { retentionMs } from "@slowboat/kernel";
import { mayKeep } from "@slowboat/reuse";
import {
  type EndedJob,
  endJobs,
  fileSettled,
  keepReusable,
  type NewResult,
  noteAnswered,
  type ReuseEntry,
  recordResults,
  type SettledCall,
  type Sql,
  settleAttempts,
  type WholeCall,
} from "@slowboat/store";
import type { SettlementFacts } from "./outcome.ts";

/** A call out of the log with what it comes to. */
export interface LoggedCall {
  readonly call: WholeCall;
  readonly facts: SettlementFacts;
}

/** An answer is not given again in its last minutes, so that none is taken away between the hit and its settlement. */
const REUSE_MARGIN_MS = 600_000;

/**
 * Writes what the facts say about results and jobs: one result a job, the job's end by the legal transitions, the answer kept for exact
 * reuse where the job asked for it, the model that it asked answered and the answer came to its natural end, the attempt closed. Returns the jobs that ended now.
 */
export async function recordOutcomes(tx: Sql, facts: readonly SettlementFacts[], nowMs: number): Promise<{ id: string; batchId: string | null }[]> {
  const ends = facts.filter((fact) => fact.kind === "settle");
  await keepAnswers(tx, ends, nowMs);
  const ended: EndedJob[] = ends.map(({ row, ok }) => ({ jobId: row.jobId, state: ok ? "completed" : "failed", error: null }));
  const done = await endJobs(tx, ended, nowMs);
  await settleAttempts(
    tx,
    facts.map(({ row, usage, tier }) => ({
      attemptId: row.attemptId,
      usage: usage === null ? null : JSON.stringify(usage),
      tier,
      keep: !row.forgotten,
    })),
    nowMs,
  );
  return done;
}

/**
 * Files calls that were logged from their beginning to their answer as they ended, and what became of their answers; the rows of the log are
 * done then. Returns the facts of those that are filed now; the others had a job already, and are settled like any other attempt.
 * `fresh`: none of them can have a job yet (`isNotFresh`).
 */
export async function recordLogged(
  tx: Sql,
  calls: readonly LoggedCall[],
  { logIds, nowMs, fresh }: { readonly logIds: readonly string[]; readonly nowMs: number; readonly fresh: boolean },
): Promise<SettlementFacts[]> {
  const ended: SettledCall[] = calls.map(({ call, facts: { ok, tier } }) => ({ call, state: ok ? "completed" : "failed", tier }));
  const filed = await fileSettled(tx, ended, { logIds, nowMs, fresh });
  const ends = calls.map(({ facts }) => facts).filter(({ row }) => filed.has(row.jobId));
  await keepAnswers(tx, ends, nowMs, fresh);
  return ends;
}

/** The results of jobs that end, and what is kept of their answers for others. */
async function keepAnswers(tx: Sql, ends: readonly SettlementFacts[], nowMs: number, fresh = false): Promise<void> {
  const results: NewResult[] = ends.map(({ row }) => ({
    jobId: row.jobId,
    tenantId: row.tenantId,
    attemptId: row.sourceAttemptId ?? row.attemptId,
    source: row.sourceAttemptId === null ? "lane" : "reuse",
    statusCode: row.statusCode,
    expiresAtMs: nowMs + retentionMs(row.retentionDays),
  }));
  await recordResults(tx, results, nowMs, fresh);
  const kept: ReuseEntry[] = ends.flatMap(({ row, finish }) =>
    row.reuseKey !== null &&
    row.otherModel === null &&
    row.sourceAttemptId === null &&
    row.retentionDays > 0 &&
    mayKeep(row.endpoint as Endpoint, row.statusCode, finish)
      ? [
          {
            tenantId: row.tenantId,
            reuseKey: row.reuseKey,
            jobId: row.jobId,
            attemptId: row.attemptId,
            expiresAtMs: nowMs + retentionMs(row.retentionDays) - REUSE_MARGIN_MS,
          },
        ]
      : [],
  );
  await keepReusable(tx, kept, nowMs);
  await noteAnswered(
    tx,
    ends.flatMap(({ row }) => (row.semantic === true ? [row.jobId] : [])),
  );
}
