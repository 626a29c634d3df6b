import type { Sql } from "./connect.ts";

/** One decision that did not place its job, as JSON. */
export interface DelayRow {
  readonly jobId: string;
  readonly record: string;
}

/** The last of a job's delays are worth less than the first: beyond so many nothing is written any more. */
const DELAYS_KEPT = 64;

/** Writes down why jobs were not placed, each once a call; a job that has many such rows already gets no more. */
export async function insertDelays(tx: Sql, rows: readonly DelayRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into delay (job_id, seq, record)
    select job_id, seq, record from (
      select t.job_id, t.record, coalesce((select max(d.seq) from delay d where d.job_id = t.job_id), 0) + 1 as seq
      from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.record)}::text[]) as t (job_id, record)) n
    where seq <= ${DELAYS_KEPT} on conflict do nothing`;
}

/** A job's delays in order, as JSON; none once its content was forgotten. */
export async function listDelays(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<string[]> {
  const rows = await tx<{ record: string }[]>`
    select d.record from delay d join job j on j.id = d.job_id where d.job_id = ${input.jobId} and j.tenant_id = ${input.tenantId} order by d.seq`;
  return rows.map((row) => row.record);
}
