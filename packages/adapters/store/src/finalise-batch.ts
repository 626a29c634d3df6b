import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

export type BatchRow = typeof schema.batch.$inferSelect;

/** What the finaliser needs of a batch that it holds. */
export type FinalisingBatch = Pick<BatchRow, "id" | "tenantId" | "keyId" | "surface" | "callbackUrl" | "metadata" | "version" | "deadlineAtMs"> & {
  readonly to: "completed" | "cancelled";
};

/**
 * Takes a batch whose jobs have all ended for finalising: `in_progress` becomes `finalizing`, a cancelling one stays so. `null` when a
 * job is still alive, the lines are not all in, or the batch has ended.
 */
export async function beginFinalise(tx: Sql, input: { readonly batchId: string; readonly nowMs: number }): Promise<FinalisingBatch | null> {
  const rows = await tx<FinalisingBatch[]>`
    update batch b set state = case when b.state = 'cancelling' then b.state else 'finalizing' end,
      finalizing_at_ms = coalesce(b.finalizing_at_ms, ${input.nowMs}::float8),
      version = b.version + case when b.state = 'in_progress' then 1 else 0 end
    where b.id = ${input.batchId} and b.state in ('in_progress', 'finalizing', 'cancelling')
      and not exists (select 1 from job j where j.batch_id = b.id and j.state in ('accepted', 'placed'))
      and (b.state = 'cancelling' or (select count(*)::int from job j where j.batch_id = b.id) = b.total)
    returning b.id, b.tenant_id as "tenantId", b.key_id as "keyId", b.surface, b.callback_url as "callbackUrl", b.metadata, b.version,
      b.deadline_at_ms as "deadlineAtMs", case when b.state = 'cancelling' then 'cancelled' else 'completed' end as "to"`;
  return rows[0] ?? null;
}

/** Ends a finalised batch with the files of its answers. False when another finaliser did it first. */
export async function endBatch(
  tx: Sql,
  input: {
    readonly batchId: string;
    readonly to: "completed" | "cancelled";
    readonly outputFileId: string | null;
    readonly errorFileId: string | null;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const rows = await tx`
    update batch set state = ${input.to}, output_file_id = ${input.outputFileId}, error_file_id = ${input.errorFileId}, ended_at_ms = ${input.nowMs}::float8,
      lease_until_real_ms = null, version = version + 1
    where id = ${input.batchId} and state in ('finalizing', 'cancelling') returning 1`;
  return rows.length > 0;
}

/** Takes the right to write a batch's files for `leaseMs`: the generation of the lease, or `null` while another finaliser has it. */
export async function leaseBatch(
  tx: Sql,
  input: { readonly batchId: string; readonly realMs: number; readonly leaseMs: number },
): Promise<number | null> {
  const rows = await tx<{ gen: number }[]>`
    update batch set lease_until_real_ms = ${input.realMs + input.leaseMs}::float8, lease_gen = lease_gen + 1
    where id = ${input.batchId} and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8) returning lease_gen as gen`;
  return rows[0]?.gen ?? null;
}

/** Prolongs a finaliser's lease that is still its own; false when it was lost. */
export async function renewBatchLease(
  tx: Sql,
  input: { readonly batchId: string; readonly gen: number; readonly untilRealMs: number },
): Promise<boolean> {
  const done = await tx`
    update batch set lease_until_real_ms = ${input.untilRealMs}::float8
    where id = ${input.batchId} and lease_gen = ${input.gen} and state in ('finalizing', 'cancelling')`;
  return done.count === 1;
}

/** Batches that could be finalised although nobody rang. */
export async function findFinalisable(tx: Sql, input: { readonly limit: number }): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    select b.id from batch b where b.state in ('in_progress', 'finalizing', 'cancelling')
      and not exists (select 1 from job j where j.batch_id = b.id and j.state in ('accepted', 'placed')) limit ${input.limit}`;
  return rows.map((row) => row.id);
}

/** One line of a batch's outcome. */
export interface BatchLine {
  readonly jobId: string;
  readonly customId: string | null;
  readonly lineNo: number;
  readonly state: string;
  readonly error: string | null;
  readonly statusCode: number | null;
  readonly requestId: string | null;
  readonly answer: string | null;
}

/** Streams a batch's lines in line order: the completed ones, or the others. Bodies are read a page at a time. */
export async function* readBatchLines(
  tx: Sql,
  input: { readonly batchId: string; readonly tenantId: string; readonly completed: boolean; readonly page: number },
): AsyncGenerator<BatchLine> {
  let after = -1;
  for (;;) {
    const rows = await tx<BatchLine[]>`
      select j.id as "jobId", j.custom_id as "customId", j.line_no as "lineNo", j.state, j.error, r.status_code as "statusCode", a.request_id as "requestId", a.answer
      from job j left join result r on r.job_id = j.id left join attempt a on a.id = r.attempt_id
      where j.batch_id = ${input.batchId} and j.tenant_id = ${input.tenantId} and j.line_no > ${after}
        and (j.state = 'completed') = ${input.completed} and j.state in ('completed', 'failed', 'cancelled')
      order by j.line_no limit ${input.page}`;
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < input.page) return;
    after = last.lineNo;
  }
}
