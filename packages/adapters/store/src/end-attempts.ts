import type { Sql } from "./connect.ts";

/** An attempt that ended without an answer. */
export interface EndedAttempt {
  readonly attemptId: string;
  /** `void`: nothing was executed or charged. `unknown`: it may have been, and stays in suspense. */
  readonly state: "void" | "unknown";
  readonly code: string;
}

/** Ends attempts without an answer; answered ones are left alone. Returns those that were taken, with their jobs. */
export async function endAttempts(tx: Sql, ended: readonly EndedAttempt[], nowMs: number): Promise<{ id: string; jobId: string; code: string }[]> {
  if (ended.length === 0) return [];
  return await tx<{ id: string; jobId: string; code: string }[]>`
    update attempt a set state = t.state, error_code = t.code, answered_at_ms = ${nowMs}::float8
    from unnest(${ended.map((x) => x.attemptId)}::text[], ${ended.map((x) => x.state)}::text[], ${ended.map((x) => x.code)}::text[]) as t (id, state, code)
    where a.id = t.id and a.state in ('intent', 'sending', 'placed')
    returning a.id, a.job_id as "jobId", t.code`;
}
