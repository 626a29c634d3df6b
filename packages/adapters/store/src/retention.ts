import { JOB_TERMINAL } from "@slowboat/job";
import { LIMITS } from "@slowboat/kernel";
import type { Sql } from "./connect.ts";

/** One bounded bite of what has outlived its tenant's retention at `nowMs` (job time). */
export interface RetentionBite {
  readonly nowMs: number;
  readonly limit: number;
}

/** The end (job ms) up to which a tenant's content goes; `t` is the tenant. As `retentionMs` in the kernel says it. */
const cutoff = (tx: Sql, nowMs: number) => tx`${nowMs}::float8 - greatest(t.retention_days * 86400000::float8, ${LIMITS.retentionMinMs}::float8)`;

/** Forgets the content of single jobs that have outlived their retention, answered or not; returns how many. */
export async function forgetSingles(tx: Sql, { nowMs, limit }: RetentionBite): Promise<number> {
  const old = await tx<{ id: string }[]>`
    select x.id from tenant t cross join lateral (
      select j.id from job j where j.tenant_id = t.id and j.batch_id is null and j.body is not null and j.ended_at_ms <= ${cutoff(tx, nowMs)}
      order by j.ended_at_ms limit ${limit}) x
    limit ${limit}`;
  await forget(
    tx,
    old.map((row) => row.id),
  );
  return old.length;
}

/** A batch whose content is to go. */
export interface ForgettableBatch {
  readonly id: string;
  /** The blob of its requests where no file owns it; `null` where one does. */
  readonly ownBlobKey: string | null;
}

/** Batches that have outlived their retention, or that their owner deleted. */
export async function findForgettableBatches(tx: Sql, { nowMs, limit }: RetentionBite): Promise<ForgettableBatch[]> {
  return await tx<ForgettableBatch[]>`
    select id, case when input_file_id is null then input_blob_key end as "ownBlobKey" from (
      select x.* from tenant t cross join lateral (
        select b.id, b.input_file_id, b.input_blob_key from batch b
        where b.tenant_id = t.id and b.forgotten_at_ms is null and b.ended_at_ms <= ${cutoff(tx, nowMs)}
        order by b.ended_at_ms limit ${limit}) x
      union
      select b.id, b.input_file_id, b.input_blob_key from batch b where b.forgotten_at_ms is null and b.deleted_at_ms is not null and b.ended_at_ms is not null
    ) y limit ${limit}`;
}

/** Forgets the content of a batch's next lines after line `after`; returns the last one's number, or `null` when there was none. */
export async function forgetLines(
  tx: Sql,
  input: { readonly batchId: string; readonly after: number; readonly limit: number },
): Promise<number | null> {
  const old = await tx<{ id: string; lineNo: number }[]>`
    select id, line_no as "lineNo" from job where batch_id = ${input.batchId} and line_no > ${input.after} order by line_no limit ${input.limit}`;
  await forget(
    tx,
    old.map((row) => row.id),
  );
  return old.at(-1)?.lineNo ?? null;
}

/** Notes that a batch's content is gone and lets its files expire; their blobs go with the sweep of files. */
export async function markForgotten(tx: Sql, input: { readonly batchId: string; readonly nowMs: number }): Promise<void> {
  await tx`
    with gone as (
      update batch set forgotten_at_ms = ${input.nowMs}::float8 where id = ${input.batchId} returning output_file_id, error_file_id)
    update file f set expires_at_ms = ${input.nowMs}::float8 from gone
    where f.id in (gone.output_file_id, gone.error_file_id) and (f.expires_at_ms is null or f.expires_at_ms > ${input.nowMs}::float8)`;
}

/**
 * Empties the answers and bodies of ended jobs and drops their result and reuse rows, their questions and what was kept of them for others. An answer that a job beyond these was given again stays until
 * the last of them goes, whoever asked for it first; so does the source of a hit that waits for its settlement.
 */
async function forget(tx: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const jobs = tx`any(${ids as string[]}::text[])`;
  await tx`
    with gone as (delete from result where job_id = ${jobs} returning attempt_id),
    reuse as (
      delete from reuse_entry e using job j
      where j.id = ${jobs} and e.tenant_id = j.tenant_id and e.reuse_key = j.reuse_key and e.job_id = j.id),
    asks as (delete from semantic_ask where job_id = ${jobs}),
    entries as (delete from semantic_entry where job_id = ${jobs}),
    delays as (delete from delay where job_id = ${jobs}),
    bodies as (
      update job set body = null, body_blob_key = null
      where id = ${jobs} and state = any(${JOB_TERMINAL as string[]}::text[]) and (body is not null or body_blob_key is not null))
    update attempt a set answer = null
    where a.id in (select attempt_id from gone union select x.id from attempt x where x.job_id = ${jobs})
      and a.answer is not null and a.state <> 'answered'
      and not exists (select from result r where r.attempt_id = a.id and not r.job_id = ${jobs})
      and not exists (select from unsettled w join attempt u on u.id = w.attempt_id where u.source_attempt_id = a.id)`;
}

/** Drops announcements that are delivered or given up, with their deliveries; returns how many. */
export async function forgetEvents(tx: Sql, { nowMs, limit }: RetentionBite): Promise<number> {
  const old = await tx<{ id: string }[]>`
    select x.id from tenant t cross join lateral (
      select w.id from webhook_event w where w.tenant_id = t.id and w.state <> 'pending' and w.created_at_ms <= ${cutoff(tx, nowMs)}
      order by w.created_at_ms limit ${limit}) x
    limit ${limit}`;
  const ids = tx`any(${old.map((row) => row.id)}::text[])`;
  if (old.length > 0) await tx`with gone as (delete from webhook_event where id = ${ids}) delete from webhook_delivery where event_id = ${ids}`;
  return old.length;
}

/** What dispatches tell of lanes is kept at least so long. */
const DISPATCH_KEPT_MS = 30 * 86_400_000;

/** Drops dispatches that ended before the longest retention of any tenant, and before a month; returns how many. */
export async function forgetDispatches(tx: Sql, { nowMs, limit }: RetentionBite): Promise<number> {
  const old = await tx<{ id: string }[]>`
    select id from dispatch where state in ('done', 'lost') and ended_at_ms <= ${nowMs}::float8 - greatest(${DISPATCH_KEPT_MS}::float8,
      (select max(retention_days) from tenant) * 86400000::float8)
    order by ended_at_ms limit ${limit}`;
  if (old.length > 0) await tx`delete from dispatch where id = any(${old.map((row) => row.id)}::text[])`;
  return old.length;
}
