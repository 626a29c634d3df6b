import type { Sql } from "./connect.ts";

/** How an earlier attempt of a job ended without an answer. */
export interface TriedAttempt {
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly errorCode: string | null;
  /** What it would have cost (nano-USD), where that was known. */
  readonly estimateNano: bigint | null;
}

/** The attempts of these jobs that brought nothing, oldest first. */
export async function readTried(tx: Sql, jobIds: readonly string[]): Promise<TriedAttempt[]> {
  if (jobIds.length === 0) return [];
  return await tx<TriedAttempt[]>`
    select job_id as "jobId", lane, state, error_code as "errorCode", estimate_nano as "estimateNano" from attempt
    where job_id = any(${jobIds as string[]}::text[]) and state in ('void', 'unknown') order by job_id, seq`;
}

/** A placed job's current attempt and the dispatch it rides in. */
export interface PlacedAttempt {
  readonly jobId: string;
  readonly attemptId: string;
  readonly state: string;
  readonly lane: string;
  readonly dispatchId: string | null;
  readonly dispatchState: string | null;
  readonly cancelAtMs: number | null;
}

/** The current attempts of placed jobs. */
export async function readPlaced(tx: Sql, jobIds: readonly string[]): Promise<PlacedAttempt[]> {
  if (jobIds.length === 0) return [];
  return await tx<PlacedAttempt[]>`
    select j.id as "jobId", a.id as "attemptId", a.state, a.lane, a.dispatch_id as "dispatchId", d.state as "dispatchState", d.cancel_at_ms as "cancelAtMs"
    from job j join attempt a on a.id = j.attempt_id left join dispatch d on d.id = a.dispatch_id
    where j.id = any(${jobIds as string[]}::text[])`;
}

/** Work that waits for or runs on each lane, from dispatches that have not ended. */
export async function readBacklog(tx: Sql): Promise<{ lane: string; jobs: number }[]> {
  return await tx<{ lane: string; jobs: number }[]>`
    select lane, sum(jobs)::int as jobs from dispatch where state in ('queued', 'running') group by lane`;
}

/** Asks for provider batches to be cancelled; one that was asked before keeps its instant. */
export async function requestCancel(tx: Sql, dispatchIds: readonly string[], nowMs: number): Promise<void> {
  if (dispatchIds.length === 0) return;
  await tx`update dispatch set cancel_at_ms = coalesce(cancel_at_ms, ${nowMs}::float8) where id = any(${dispatchIds as string[]}::text[]) and state in ('running', 'submitted')`;
}

/** Provider batches that nobody waits for any more, since every job in them has ended; marks them to be cancelled. */
export async function cancelOrphanedBatches(tx: Sql, nowMs: number): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update dispatch d set cancel_at_ms = ${nowMs}::float8
    where d.state = 'submitted' and d.cancel_at_ms is null
      and not exists (select 1 from attempt a join job j on j.id = a.job_id where a.dispatch_id = d.id and j.state in ('accepted', 'placed'))
    returning d.id`;
  return rows.map((row) => row.id);
}
