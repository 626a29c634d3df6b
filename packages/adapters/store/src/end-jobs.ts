import { sourcesOf } from "@slowboat/job";
import type { Sql } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";

/** How a job ends. */
export interface EndedJob {
  readonly jobId: string;
  readonly state: "completed" | "failed" | "cancelled";
  /** Our own error as JSON `{code, message}` where no provider answer says it. */
  readonly error: string | null;
}

type Ended = { id: string; batchId: string | null; surface: string };

/**
 * Ends jobs by the legal transitions only, makes the jobs that waited for their answer due at once, and marks what budgets hold for those that ended
 * to be given back; an errand may be taken now. Returns the jobs that ended now with the batch they belong to.
 */
export async function endJobs(tx: Sql, rows: readonly EndedJob[], nowMs: number): Promise<{ id: string; batchId: string | null }[]> {
  if (rows.length === 0) return [];
  const ended: Ended[] = [];
  for (const state of ["completed", "failed", "cancelled"] as const) {
    const some = rows.filter((row) => row.state === state);
    if (some.length === 0) continue;
    ended.push(
      ...(await tx<Ended[]>`
        update job j set state = ${state}, error = t.error, ended_at_ms = ${nowMs}::float8, next_decision_at_ms = null, leader_id = null, held_for = null,
          version = j.version + 1
        from unnest(${some.map((x) => x.jobId)}::text[], ${some.map((x) => x.error)}::text[]) as t (id, error)
        where j.id = t.id and j.state = any(${sourcesOf(state)}::text[]) returning j.id, j.batch_id as "batchId", j.surface`),
    );
  }
  const errands = ended.filter(({ surface }) => surface === ERRAND_SURFACE).map(({ id }) => id);
  if (errands.length > 0) await tx`update errand set ended = true where job_id = any(${errands}::text[])`;
  if (ended.length > 0) {
    const ids = ended.map((x) => x.id);
    await tx`
      with released as (update budget_open set look_real_ms = 0 where subject_id = any(${ids}::text[]))
      update job set next_decision_at_ms = ${nowMs}::float8, leader_id = null where leader_id = any(${ids}::text[]) and state = ${"accepted"}`;
  }
  return ended;
}
