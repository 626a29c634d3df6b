import type { Sql } from "./connect.ts";

/** A provider batch that is out, and what still waits for it. Instants are job time. */
export interface SlowBatchRow {
  readonly id: string;
  readonly lane: string;
  readonly model: string;
  readonly submittedAtMs: number;
  readonly lines: number;
  /** Lines that the provider said were done; `null` before it said anything. */
  readonly done: number | null;
  /** Lines that wait, what they cost there, and their mean sizes. */
  readonly open: number;
  readonly estimateNano: bigint;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** When the first of them would have to be rescued; `null` where one has no such instant. */
  readonly latestStartAtMs: number | null;
}

/** A batch with a line that was tried more often than this is left to its end, whatever the odds: nothing goes round for ever. */
const TRIES_MAX = 8;

/** Provider batches that were submitted before an instant and that nobody has cancelled, oldest first; a few hundred rows at most. */
export async function listOldBatches(tx: Sql, beforeMs: number): Promise<{ id: string; submittedAtMs: number }[]> {
  return await tx<{ id: string; submittedAtMs: number }[]>`
    select id, submitted_at_ms as "submittedAtMs" from dispatch
    where state in ('queued', 'running', 'submitted') and state = ${"submitted"} and cancel_at_ms is null and provider_status is distinct from 'lost'
      and submitted_at_ms < ${beforeMs}::float8 order by submitted_at_ms limit 1000`;
}

/** These batches with what still waits for them; one that nothing waits for is left out. */
export async function readSlowBatches(tx: Sql, ids: readonly string[]): Promise<SlowBatchRow[]> {
  if (ids.length === 0) return [];
  return await tx<SlowBatchRow[]>`
    select d.id, d.lane, d.model, d.submitted_at_ms as "submittedAtMs", d.jobs as lines, d.provider_progress as done, count(*)::int as open,
      coalesce(sum(a.estimate_nano), 0)::int8 as "estimateNano", avg(j.input_tokens_est)::float8 as "inputTokens", avg(j.output_tokens_est)::float8 as "outputTokens",
      case when bool_or(j.next_decision_at_ms is null) then null else min(j.next_decision_at_ms) end as "latestStartAtMs"
    from dispatch d join attempt a on a.dispatch_id = d.id join job j on j.id = a.job_id and j.attempt_id = a.id
    where d.id = any(${ids as string[]}::text[]) and a.state = 'placed' and j.state = ${"placed"}
    group by d.id having max(j.attempts) <= ${TRIES_MAX}`;
}
