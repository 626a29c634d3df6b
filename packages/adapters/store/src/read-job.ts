import type { Sql } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";
import type * as schema from "./schema.ts";

export type JobRow = typeof schema.job.$inferSelect;

/** A job without its request body, which is never shown again. */
export type ShownJob = Omit<JobRow, "body" | "bodyBlobKey" | "bodyOffset" | "reuseKey"> & {
  /** Status of the refusal that ended a failed job whose `error` is empty, since the provider's own words say it; `null` for any other job. */
  readonly refusedStatus: number | null;
  /** The refusal's raw body; `null` where it is no longer kept or too long to be an error. */
  readonly refusal: string | null;
};

/** A refusal's body longer than this is no error message. */
const REFUSAL_CHARS = 65_536;

/** One attempt as it is shown: no answer, and the decision as stored JSON. */
export type ShownAttempt = Pick<
  typeof schema.attempt.$inferSelect,
  | "id"
  | "seq"
  | "lane"
  | "state"
  | "role"
  | "decision"
  | "emulated"
  | "requestId"
  | "statusCode"
  | "model"
  | "endpoint"
  | "usage"
  | "tier"
  | "errorCode"
  | "createdAtMs"
  | "sentAtMs"
  | "answeredAtMs"
  | "settledAtMs"
>;

/** The answer of a job: raw text, as the provider wrote it. */
export interface ShownResult {
  readonly statusCode: number;
  readonly source: string;
  readonly answer: string | null;
  /** Whether an emulator gave it. */
  readonly emulated: boolean;
  /** Who was asked, and at which endpoint, where that is not what the job asks; else `null`. */
  readonly otherModel: string | null;
  readonly otherEndpoint: string | null;
  readonly answeredAtMs: number | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** What the ledger holds on a job, by account; amounts in nano-USD. */
export interface ReceiptRow {
  readonly account: string | null;
  readonly amountNano: bigint | null;
  readonly priced: boolean;
  readonly emulated: boolean;
}

const columns = (tx: Sql) => tx`
  id, tenant_id as "tenantId", key_id as "keyId", surface, batch_id as "batchId", line_no as "lineNo", custom_id as "customId", endpoint, provider,
  model, baseline_model as "baselineModel", state, version, body_bytes as "bodyBytes", input_tokens_est as "inputTokensEst",
  output_tokens_est as "outputTokensEst", deadline_at_ms as "deadlineAtMs", lanes_allow as "lanesAllow", lanes_deny as "lanesDeny",
  max_cost_nano as "maxCostNano", callback_url as "callbackUrl", metadata, leader_id as "leaderId", next_decision_at_ms as "nextDecisionAtMs",
  lane, attempt_id as "attemptId", attempts, error, fallbacks, route, accepted_at_ms as "acceptedAtMs", ended_at_ms as "endedAtMs",
  case when state = 'accepted' then wait_reason end as "waitReason", delayed, admission,
  case when state = 'failed' and error is null then (select a.status_code from attempt a
    where a.id = coalesce((select r.attempt_id from result r where r.job_id = job.id), job.attempt_id)) end as "refusedStatus",
  case when state = 'failed' and error is null then (select a.answer from result r join attempt a on a.id = r.attempt_id
    where r.job_id = job.id and length(a.answer) <= ${REFUSAL_CHARS}) end as refusal`;

/** A tenant's job, or `null`. `lock` holds the row until the transaction ends. */
export async function readJob(tx: Sql, input: { readonly tenantId: string; readonly id: string; readonly lock?: boolean }): Promise<ShownJob | null> {
  const rows = await tx<ShownJob[]>`
    select ${columns(tx)} from job where id = ${input.id} and tenant_id = ${input.tenantId} ${input.lock ? tx`for update` : tx``}`;
  return rows[0] ?? null;
}

/** A page of the jobs that a tenant itself asked, newest first; one row more than `limit` when there are more. */
export async function listJobs(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly after?: string;
    readonly limit: number;
    readonly states?: readonly string[];
    readonly batchId?: string;
  },
): Promise<ShownJob[]> {
  return await tx<ShownJob[]>`
    select ${columns(tx)} from job
    where tenant_id = ${input.tenantId} and surface <> ${ERRAND_SURFACE}
      ${input.after === undefined ? tx`` : tx`and id < ${input.after}`}
      ${input.batchId === undefined ? tx`` : tx`and batch_id = ${input.batchId}`}
      ${input.states === undefined ? tx`` : tx`and state = any(${input.states as string[]}::text[])`}
    order by id desc limit ${input.limit + 1}`;
}

/** A job's attempts in order. */
export async function listAttempts(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<ShownAttempt[]> {
  return await tx<ShownAttempt[]>`
    select id, seq, lane, state, role, decision, emulated, request_id as "requestId", status_code as "statusCode", model, endpoint, usage, tier, error_code as "errorCode",
      created_at_ms as "createdAtMs", sent_at_ms as "sentAtMs", answered_at_ms as "answeredAtMs", settled_at_ms as "settledAtMs"
    from attempt where job_id = ${input.jobId} and tenant_id = ${input.tenantId} order by seq`;
}

/** A job's result with the raw answer; `null` while there is none, or when it was removed at the end of its retention. */
export async function readResult(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<ShownResult | null> {
  const rows = await tx<ShownResult[]>`
    select r.status_code as "statusCode", r.source, a.answer, coalesce(a.emulated, false) as emulated, a.model as "otherModel", a.endpoint as "otherEndpoint",
      a.answered_at_ms as "answeredAtMs", r.created_at_ms as "createdAtMs", r.expires_at_ms as "expiresAtMs"
    from result r left join attempt a on a.id = r.attempt_id where r.job_id = ${input.jobId} and r.tenant_id = ${input.tenantId}`;
  return rows[0] ?? null;
}

/** A job's ledger entries summed by account; a transaction without entries (an unpriced model) gives one row without account. */
export async function readJobReceipt(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<ReceiptRow[]> {
  return await tx<ReceiptRow[]>`
    select e.account, sum(e.amount_nano)::int8 as "amountNano", bool_and(t.priced) as priced, bool_or(t.emulated) as emulated
    from ledger_txn t left join ledger_entry e on e.txn_id = t.id
    where t.job_id = ${input.jobId} and t.tenant_id = ${input.tenantId} group by e.account`;
}
