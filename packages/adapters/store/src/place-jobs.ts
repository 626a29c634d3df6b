import { JOB_LIVE } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/** A job that goes onto a lane. */
export interface PlacedJob {
  readonly jobId: string;
  readonly lane: string;
  readonly attemptId: string;
  /** When the scheduler looks again (job time); `null` when only the lane's own end matters. */
  readonly nextDecisionAtMs: number | null;
  /** Whether it would have been late in real time, too; told with its first look, `null` where it is not known. */
  readonly yields?: boolean | null;
}

/**
 * Moves claimed jobs to `placed` with their current attempt. A placed one is placed again where a hedge runs beside what is still out, or a
 * call's next try follows its first.
 */
export async function placeJobs(tx: Sql, rows: readonly PlacedJob[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update job j set state = 'placed', lane = t.lane, attempt_id = t.attempt_id, next_decision_at_ms = t.next_at, attempts = j.attempts + 1,
      version = j.version + 1, leader_id = null, held_for = null, wait_reason = null, delayed = null, yields = coalesce(t.yields, j.yields)
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.lane)}::text[], ${rows.map((x) => x.attemptId)}::text[],
      ${rows.map((x) => x.nextDecisionAtMs)}::float8[],
      ${rows.map((x) => (x.yields == null ? null : String(x.yields)))}::text[]::boolean[]) as t (id, lane, attempt_id, next_at, yields)
    where j.id = t.id and j.state = any(${JOB_LIVE as string[]}::text[])`;
}
