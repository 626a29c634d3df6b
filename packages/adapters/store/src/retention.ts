import type { Sql } from "./connect.ts";

/** Empties answers and request bodies whose retention has passed and drops their result and reuse rows; returns how many. */
export async function expireResults(tx: Sql, input: { readonly nowMs: number; readonly limit: number }): Promise<number> {
  const rows = await tx<{ id: string }[]>`
    with old as (
      delete from result where job_id in (select job_id from result where expires_at_ms <= ${input.nowMs}::float8 order by expires_at_ms limit ${input.limit})
      returning job_id, attempt_id),
    bodies as (update job set body = null, body_blob_key = null where id in (select job_id from old) and state in ('completed', 'failed', 'cancelled')),
    answers as (update attempt set answer = null where job_id in (select job_id from old) and state = 'settled'
      and not exists (select 1 from result r where r.attempt_id = attempt.id and r.expires_at_ms > ${input.nowMs}::float8)),
    kept as (delete from reuse_entry e using old where e.job_id = old.job_id)
    select job_id as id from old`;
  return rows.length;
}
