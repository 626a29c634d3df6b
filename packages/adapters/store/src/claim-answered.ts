import { BATCH_TERMINAL } from "@slowboat/job";
import type { Sql } from "./connect.ts";
import { fitting } from "./fitting.ts";

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
  /** Who was asked, and at which endpoint, where that is not what the job asks; else `null`. */
  readonly otherModel: string | null;
  readonly otherEndpoint: string | null;
  /** Which API it came in by; `errand` where Slowboat itself asks. */
  readonly surface: string;
  readonly pricesVersion: string;
  readonly emulated: boolean;
  readonly statusCode: number;
  /** Raw text; `null` for a reuse hit, whose settlement needs the source's usage alone. */
  readonly answer: string | null;
  readonly sourceAttemptId: string | null;
  /** Usage of the source attempt as stored JSON, for a reuse hit. */
  readonly sourceUsage: string | null;
  readonly answeredAtMs: number;
  readonly sentAtMs: number | null;
  readonly jobState: string;
  /** True when the job's batch has ended: its files are written and its counts told. */
  readonly batchEnded: boolean;
  /** True when retention has taken the job's content already. */
  readonly forgotten: boolean;
  readonly attempts: number;
  readonly deadlineAtMs: number | null;
  readonly callbackUrl: string | null;
  readonly metadata: string | null;
  readonly reuseKey: Uint8Array | null;
  /** True where its question is kept for those that mean the same. */
  readonly semantic: boolean | null;
  readonly version: number;
  readonly retentionDays: number;
  /** True where a budget was set for the tenant or one of its projects. */
  readonly budgeted: boolean;
  /** How the job was routed, as stored JSON, and its models that may stand in; `null` for a job that is not. */
  readonly route: string | null;
  readonly fallbacks: string | null;
}

/**
 * Takes answered attempts, oldest first, and locks their places in the queue and their jobs until the transaction ends: at most `limit`, and about `maxBytes` of
 * answers, whichever is less; one larger answer comes alone. A batch of a cancelled job is locked as well, so that it cannot end in between. `more`: some were
 * left because these are as many as may be taken at a time.
 */
export async function claimAnswered(
  tx: Sql,
  input: { readonly limit: number; readonly maxBytes: number },
): Promise<{ readonly rows: AnsweredRow[]; readonly more: boolean }> {
  const waiting = await tx<{ id: string; bytes: number }[]>`
    select attempt_id as id, bytes from unsettled order by attempt_id limit ${input.limit} for update skip locked`;
  const ids = fitting(waiting, { items: input.limit, maxBytes: input.maxBytes }).map((row) => row.id);
  if (ids.length === 0) return { rows: [], more: false };
  await tx`
    select from batch where id in (
      select j.batch_id from attempt a join job j on j.id = a.job_id
      where a.id = any(${ids}::text[]) and j.state = ${"cancelled"} and j.batch_id is not null)
    order by id for share`;
  const rows = await tx<AnsweredRow[]>`
    select a.id as "attemptId", a.job_id as "jobId", a.tenant_id as "tenantId", j.key_id as "keyId", j.batch_id as "batchId", j.custom_id as "customId",
      j.endpoint, j.surface, a.lane, j.model, j.baseline_model as "baselineModel", a.model as "otherModel",
      a.endpoint as "otherEndpoint", a.prices_version as "pricesVersion", a.emulated,
      coalesce(a.status_code, s.status_code) as "statusCode", a.answer, a.source_attempt_id as "sourceAttemptId",
      s.usage as "sourceUsage", a.answered_at_ms as "answeredAtMs", a.sent_at_ms as "sentAtMs", j.state as "jobState",
      coalesce(b.state = any(${BATCH_TERMINAL as string[]}::text[]), false) as "batchEnded", j.body is null and j.body_blob_key is null as forgotten, j.attempts,
      j.deadline_at_ms as "deadlineAtMs", j.callback_url as "callbackUrl", j.metadata, j.reuse_key as "reuseKey", j.version, j.semantic, n.retention_days as "retentionDays", n.budgeted,
      j.route, case when j.route is not null then j.fallbacks end as fallbacks
    from attempt a join job j on j.id = a.job_id join tenant n on n.id = a.tenant_id
      left join attempt s on s.id = a.source_attempt_id left join batch b on b.id = j.batch_id
    where a.id = any(${ids}::text[]) and a.state = 'answered'
    order by a.answered_real_ms, a.id for update of j`;
  return { rows, more: rows.length > 0 && (waiting.length === input.limit || ids.length < waiting.length) };
}
