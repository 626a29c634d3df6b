import type { Sql } from "./connect.ts";

/** An answered attempt with what its settlement needs of its job. */
export interface AnsweredRow {
  readonly attemptId: string;
  readonly jobId: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly batchId: string | null;
  readonly customId: string | null;
  readonly endpoint: string;
  readonly lane: string;
  readonly model: string;
  readonly baselineModel: string;
  readonly pricesVersion: string;
  readonly emulated: boolean;
  readonly statusCode: number;
  readonly answer: string;
  readonly sourceAttemptId: string | null;
  /** Usage of the source attempt as stored JSON, for a reuse hit. */
  readonly sourceUsage: string | null;
  readonly answeredAtMs: number;
  readonly sentAtMs: number | null;
  readonly jobState: string;
  readonly attempts: number;
  readonly deadlineAtMs: number | null;
  readonly callbackUrl: string | null;
  readonly metadata: string | null;
  readonly reuseKey: Uint8Array | null;
  readonly version: number;
  readonly retentionDays: number;
}

/**
 * Takes answered attempts, oldest first, and locks them and their jobs until the transaction ends. A reuse hit comes with the
 * source's answer in place of its own.
 */
export async function claimAnswered(tx: Sql, input: { readonly limit: number }): Promise<AnsweredRow[]> {
  return await tx<AnsweredRow[]>`
    with taken as (
      select id, job_id, source_attempt_id from attempt where state = 'answered' order by answered_real_ms limit ${input.limit} for update skip locked)
    select a.id as "attemptId", a.job_id as "jobId", a.tenant_id as "tenantId", j.key_id as "keyId", j.batch_id as "batchId", j.custom_id as "customId",
      j.endpoint, a.lane, j.model, j.baseline_model as "baselineModel", a.prices_version as "pricesVersion", a.emulated,
      coalesce(a.status_code, s.status_code) as "statusCode", coalesce(a.answer, s.answer) as answer, a.source_attempt_id as "sourceAttemptId",
      s.usage as "sourceUsage", a.answered_at_ms as "answeredAtMs", a.sent_at_ms as "sentAtMs", j.state as "jobState", j.attempts,
      j.deadline_at_ms as "deadlineAtMs", j.callback_url as "callbackUrl", j.metadata, j.reuse_key as "reuseKey", j.version, n.retention_days as "retentionDays"
    from taken t join attempt a on a.id = t.id join job j on j.id = t.job_id join tenant n on n.id = a.tenant_id
      left join attempt s on s.id = t.source_attempt_id
    for update of j`;
}
