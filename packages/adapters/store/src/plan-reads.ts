import { JOB_LIVE } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/** How an earlier attempt of a job ended without an answer. */
export interface TriedAttempt {
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly errorCode: string | null;
  readonly outcome: string | null;
  /** The model where it was not the one the job asks for. */
  readonly model: string | null;
  /** What it would have cost (nano-USD), where that was known. */
  readonly estimateNano: bigint | null;
}

/** The attempts of these jobs that brought nothing, oldest first. */
export async function readTried(tx: Sql, jobIds: readonly string[]): Promise<TriedAttempt[]> {
  if (jobIds.length === 0) return [];
  return await tx<TriedAttempt[]>`
    select job_id as "jobId", lane, state, error_code as "errorCode", outcome, model, estimate_nano as "estimateNano"
    from attempt
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
  readonly estimateNano: bigint | null;
}

/** The current attempts of placed jobs. */
export async function readPlaced(tx: Sql, jobIds: readonly string[]): Promise<PlacedAttempt[]> {
  if (jobIds.length === 0) return [];
  return await tx<PlacedAttempt[]>`
    select j.id as "jobId", a.id as "attemptId", a.state, a.lane, a.dispatch_id as "dispatchId", d.state as "dispatchState", d.cancel_at_ms as "cancelAtMs", a.estimate_nano as "estimateNano"
    from job j join attempt a on a.id = j.attempt_id left join dispatch d on d.id = a.dispatch_id
    where j.id = any(${jobIds as string[]}::text[])`;
}

/** Work that waits for or runs on a lane and is due within one minute; `minute` is that of the unix epoch. */
export interface BacklogRow {
  readonly lane: string;
  readonly model: string;
  readonly minute: number;
  readonly jobs: number;
}

/** Work that waits for or runs on each lane, by model and by the minute in which its dispatch is first due, the earliest first, from dispatches that have not ended. */
export async function readBacklog(tx: Sql): Promise<BacklogRow[]> {
  return await tx<BacklogRow[]>`
    select lane, model, floor(coalesce(due_at_ms, created_at_ms) / 60000) as minute, sum(jobs)::int as jobs
    from dispatch where state in ('queued', 'running') group by lane, model, minute order by minute`;
}

/** The pool's line: work that waits or runs there, by the minute in which it is due, earliest first. */
export async function readPoolLine(tx: Sql): Promise<{ minute: number; tokens: number }[]> {
  return await tx<{ minute: number; tokens: number }[]>`
    select floor(coalesce(due_at_ms, created_at_ms) / 60000) as minute, sum(coalesce(work_tokens, 300 * jobs)) as tokens
    from dispatch where state in ('queued', 'running', 'submitted') and state <> ${"submitted"} and lane = 'pool' group by 1 order by 1`;
}

/** A job that stands in the pool's line, in no worker's hand, with a rescue behind it. */
export interface PoolStanderRow {
  readonly jobId: string;
  readonly model: string;
  readonly tokens: number;
  readonly deadlineAtMs: number;
  readonly latestStartAtMs: number;
}

/** What stands in the pool's line for the first time and is due before `untilMs`, the earliest first. */
export async function readPoolStanders(tx: Sql, { untilMs, limit }: { readonly untilMs: number; readonly limit: number }): Promise<PoolStanderRow[]> {
  return await tx<PoolStanderRow[]>`
    select j.id as "jobId", j.model, j.input_tokens_est + j.output_tokens_est as tokens, j.deadline_at_ms as "deadlineAtMs", j.next_decision_at_ms as "latestStartAtMs"
    from dispatch d join attempt a on a.dispatch_id = d.id join job j on j.id = a.job_id and j.attempt_id = a.id
    where d.state in ('queued', 'running', 'submitted') and d.state = 'queued' and d.lane = 'pool' and d.due_at_ms < ${untilMs}::float8
      and a.state = 'intent' and j.state = 'placed' and j.attempts <= 1 and j.deadline_at_ms < ${untilMs}::float8 and j.next_decision_at_ms is not null
    order by j.deadline_at_ms limit ${limit}::int`;
}

/** Makes placed jobs due for a decision now, where they are not yet. */
export async function wakeStanders(tx: Sql, jobIds: readonly string[], nowMs: number): Promise<void> {
  if (jobIds.length === 0) return;
  await tx`
    update job set next_decision_at_ms = ${nowMs}::float8
    where id = any(${jobIds as string[]}::text[]) and state = 'placed' and next_decision_at_ms > ${nowMs}::float8`;
}

/** What still rides in a provider batch. */
export interface Riders {
  readonly dispatchId: string;
  readonly lane: string;
  readonly submittedAtMs: number | null;
  readonly lines: number;
  /** Lines that the provider said were done; `null` before it said anything. */
  readonly done: number | null;
  readonly estimateNano: bigint;
  /** Mean deadline of the riders that have one. */
  readonly deadlineAtMs: number | null;
}

/** The jobs that wait for these batches, without those named in `butJobs`. */
export async function readRiders(tx: Sql, dispatchIds: readonly string[], butJobs: readonly string[]): Promise<Riders[]> {
  if (dispatchIds.length === 0) return [];
  return await tx<Riders[]>`
    select d.id as "dispatchId", d.lane, d.submitted_at_ms as "submittedAtMs", d.jobs as lines, d.provider_progress as done, avg(j.deadline_at_ms) as "deadlineAtMs",
      coalesce(sum(case when j.id is not null then a.estimate_nano end), 0)::int8 as "estimateNano"
    from dispatch d left join attempt a on a.dispatch_id = d.id
      left join job j on j.attempt_id = a.id and j.state = 'placed' and not (j.id = any(${butJobs as string[]}::text[]))
    where d.id = any(${dispatchIds as string[]}::text[]) group by d.id`;
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
      and (select 1 from attempt a join job j on j.id = a.job_id where a.dispatch_id = d.id and j.state = any(${JOB_LIVE as string[]}::text[]) limit 1) is null
    returning d.id`;
  return rows.map((row) => row.id);
}
