import { type EndedJob, endJobs, keepReusable, type NewResult, type ReuseEntry, recordResults, type Sql, settleAttempts } from "@slowboat/store";
import type { SettlementFacts } from "./outcome.ts";

const DAY_MS = 86_400_000;

/**
 * Writes what the facts say about results and jobs: one result a job, the job's end by the legal transitions, the answer kept for exact
 * reuse where the job asked for it, the attempt closed. Returns the jobs that ended now.
 */
export async function recordOutcomes(tx: Sql, facts: readonly SettlementFacts[], nowMs: number): Promise<{ id: string; batchId: string | null }[]> {
  const ends = facts.filter((fact) => fact.kind === "settle");
  const results: NewResult[] = ends.map(({ row }) => ({
    jobId: row.jobId,
    tenantId: row.tenantId,
    attemptId: row.sourceAttemptId ?? row.attemptId,
    source: row.sourceAttemptId === null ? "lane" : "reuse",
    statusCode: row.statusCode,
    expiresAtMs: nowMs + row.retentionDays * DAY_MS,
  }));
  await recordResults(tx, results, nowMs);
  const kept: ReuseEntry[] = ends.flatMap(({ row, ok }) =>
    ok && row.reuseKey !== null && row.sourceAttemptId === null
      ? [
          {
            tenantId: row.tenantId,
            reuseKey: row.reuseKey,
            jobId: row.jobId,
            attemptId: row.attemptId,
            expiresAtMs: nowMs + row.retentionDays * DAY_MS,
          },
        ]
      : [],
  );
  await keepReusable(tx, kept, nowMs);
  const ended: EndedJob[] = ends.map(({ row, ok }) => ({ jobId: row.jobId, state: ok ? "completed" : "failed", error: null }));
  const done = await endJobs(tx, ended, nowMs);
  await settleAttempts(
    tx,
    facts.map(({ row, usage, tier }) => ({ attemptId: row.attemptId, usage: usage === null ? null : JSON.stringify(usage), tier })),
    nowMs,
  );
  return done;
}
