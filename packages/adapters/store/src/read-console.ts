import type { Sql } from "./connect.ts";

/** What a tenant did last, in job ms; `null` when it never did anything. */
export async function readNewest(tx: Sql, input: { readonly tenantId: string }): Promise<number | null> {
  const { tenantId } = input;
  const [row] = await tx<{ atMs: number | null }[]>`
    select greatest(
      (select accepted_at_ms from job where tenant_id = ${tenantId} order by id desc limit 1),
      (select created_at_ms from batch where tenant_id = ${tenantId} and deleted_at_ms is null order by id desc limit 1),
      (select at_ms from ledger_txn where tenant_id = ${tenantId} order by at_ms desc limit 1)) as "atMs"`;
  return row?.atMs ?? null;
}

/** What the ledger holds against one job; `priced` is false when its model had no price, and then the sum says nothing. */
export interface JobMoney {
  readonly jobId: string;
  readonly paidNano: bigint;
  readonly priced: boolean;
}

/** What was paid for the given jobs, in nano-USD; a job that is not settled has no row. */
export async function readJobMoney(tx: Sql, input: { readonly tenantId: string; readonly ids: readonly string[] }): Promise<JobMoney[]> {
  if (input.ids.length === 0) return [];
  return await tx<JobMoney[]>`
    select t.job_id as "jobId", coalesce(sum(e.amount_nano) filter (where e.account like 'payable.%'), 0)::int8 as "paidNano", bool_and(t.priced) as priced
    from ledger_txn t left join ledger_entry e on e.txn_id = t.id
    where t.job_id = any(${input.ids as string[]}::text[]) and t.tenant_id = ${input.tenantId} group by t.job_id`;
}

/** Batches of the window that were not ready at their deadline: they ended later, or still run past it. */
export async function countLateBatches(
  tx: Sql,
  input: { readonly tenantId: string; readonly sinceMs: number; readonly nowMs: number },
): Promise<number> {
  const [row] = await tx<{ late: number }[]>`
    select count(*)::int as late from batch
    where tenant_id = ${input.tenantId} and deleted_at_ms is null and created_at_ms >= ${input.sinceMs}::float8 and state <> 'failed'
      and coalesce(ended_at_ms, ${input.nowMs}::float8) > deadline_at_ms`;
  return row?.late ?? 0;
}

/** What is wrong with a batch's input, as it was found; `line` is 1-based, `null` where the whole input is meant. */
export interface BatchFault {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

/** How many faults a refused batch has, and the first of them. */
export interface BatchFaults {
  readonly id: string;
  readonly count: number;
  readonly first: readonly BatchFault[];
}

/** The first `most` faults of each given batch that was refused for its input. The list is read whole, which 50,000 bad lines make slow. */
export async function readBatchFaults(
  tx: Sql,
  input: { readonly tenantId: string; readonly ids: readonly string[]; readonly most: number },
): Promise<BatchFaults[]> {
  if (input.ids.length === 0) return [];
  return await tx<BatchFaults[]>`
    select id, json_array_length(list)::int as count,
      (select coalesce(json_agg(one.fault), '[]'::json) from (select fault from json_array_elements(list) as fault limit ${input.most}) one) as first
    from (select id, errors::json as list from batch
      where id = any(${input.ids as string[]}::text[]) and tenant_id = ${input.tenantId} and errors is not null) b`;
}

/** A batch as its panel shows it; counts are those of its jobs. */
export interface BatchDetail {
  readonly id: string;
  readonly endpoint: string;
  readonly surface: string;
  readonly state: string;
  readonly model: string | null;
  readonly total: number;
  readonly completionWindow: string;
  readonly deadlineAtMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  readonly inputFileId: string | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
}

/** A tenant's batch, or `null`; a deleted one is gone. */
export async function readBatchDetail(tx: Sql, input: { readonly tenantId: string; readonly id: string }): Promise<BatchDetail | null> {
  const [row] = await tx<BatchDetail[]>`
    select id, endpoint, surface, state, model, total, completion_window as "completionWindow", deadline_at_ms as "deadlineAtMs",
      created_at_ms as "createdAtMs", ended_at_ms as "endedAtMs", input_file_id as "inputFileId", output_file_id as "outputFileId",
      error_file_id as "errorFileId"
    from batch where id = ${input.id} and tenant_id = ${input.tenantId} and deleted_at_ms is null`;
  return row ?? null;
}

/** A batch's ledger entries summed by account, with what a job's receipt says beside them. */
export async function readBatchReceipt(
  tx: Sql,
  input: { readonly tenantId: string; readonly batchId: string },
): Promise<{ account: string | null; amountNano: bigint | null; priced: boolean; emulated: boolean }[]> {
  return await tx`
    select e.account, sum(e.amount_nano)::int8 as "amountNano", bool_and(t.priced) as priced, bool_or(t.emulated) as emulated
    from job j join ledger_txn t on t.job_id = j.id left join ledger_entry e on e.txn_id = t.id
    where j.batch_id = ${input.batchId} and j.tenant_id = ${input.tenantId} and t.tenant_id = ${input.tenantId} group by e.account`;
}
