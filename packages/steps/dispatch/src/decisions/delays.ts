import type { Candidate, Decision, DecisionInputs, DelayDecision, DelayKind } from "@slowboat/contract";
import { type DueJob, deferJobs, insertDelays, type ReplannedJob, type Sql } from "@slowboat/store";

/** Why a job waits, and what was looked at. */
export interface DelayReason {
  readonly kind: DelayKind;
  readonly reason: string;
  /** The placing that was put off. */
  readonly decision?: Decision;
  /** What was looked at where nothing could be placed; asked only when it is written down. */
  readonly looked?: () => { readonly candidates: readonly Candidate[]; readonly inputs: DecisionInputs };
}

/** A job that is not placed now. */
export type Delayed = ReplannedJob & { readonly why?: DelayReason | undefined };

/** What a delay is known by: the same kind on the same lane is not written down twice in a row. */
const keyOf = ({ kind, decision }: DelayReason): string => (decision === undefined ? kind : `${kind} ${decision.lane}`);

/**
 * Puts jobs off, and writes down why for those whose reason is another than before: one more statement where there is any. What is placed at once never
 * comes here.
 */
export async function deferDelayed(tx: Sql, jobs: readonly DueJob[], delayed: readonly Delayed[], nowMs: number): Promise<void> {
  if (delayed.length === 0) return;
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const changed = delayed.filter(({ jobId, why }) => why !== undefined && byId.get(jobId)?.delayed !== keyOf(why));
  await insertDelays(
    tx,
    changed.flatMap((row) => (row.why === undefined ? [] : [{ jobId: row.jobId, record: recordOf(row.why, row.atMs, nowMs) }])),
  );
  await deferJobs(
    tx,
    delayed.map(({ why, ...row }) => (why === undefined ? row : { ...row, delayed: keyOf(why) })),
  );
}

/** Writes down why jobs end without a placing. */
export async function noteRefusals(tx: Sql, refused: readonly { readonly jobId: string; readonly why: DelayReason }[], nowMs: number): Promise<void> {
  await insertDelays(
    tx,
    refused.map(({ jobId, why }) => ({ jobId, record: recordOf(why, null, nowMs) })),
  );
}

function recordOf({ kind, reason, decision, looked }: DelayReason, untilMs: number | null, nowMs: number): string {
  const seen = decision ?? looked?.();
  const record: DelayDecision = {
    kind,
    role: decision?.role ?? "try",
    reason,
    decidedAtMs: nowMs,
    untilMs,
    lane: decision?.lane ?? null,
    candidates: seen?.candidates ?? [],
    ...(seen?.inputs === undefined ? {} : { inputs: seen.inputs }),
  };
  return JSON.stringify(record);
}

/** Rows that wait for one reason, each with the placing that it puts off. */
export const delayedAs = (
  rows: readonly ReplannedJob[],
  decisionOf: ReadonlyMap<string, Decision>,
  kind: DelayKind,
  reasonOf: (row: ReplannedJob) => string,
): Delayed[] =>
  rows.map((row) => {
    const decision = decisionOf.get(row.jobId);
    return { ...row, why: { kind, reason: row.waitReason ?? reasonOf(row), ...(decision === undefined ? {} : { decision }) } };
  });
