import type { Sql } from "./connect.ts";

/** An attempt that ended without an answer. */
export interface EndedAttempt {
  readonly attemptId: string;
  /** `void`: nothing was executed or charged. `unknown`: it may have been, and stays in suspense. */
  readonly state: "void" | "unknown";
  readonly code: string;
  /** How the planner counts it. */
  readonly outcome: "refused" | "rejected" | "parked" | "missed" | "recalled" | "unsent" | "unheard";
  /** Ends it only if it has not been sent: a worker may be sending it at this very moment. */
  readonly ifUnsent?: true;
}

/** An attempt that ended now. */
export interface GoneAttempt {
  readonly id: string;
  readonly jobId: string;
  readonly seq: number;
  readonly lane: string;
}

/** Ends attempts without an answer; answered ones are left alone. Returns those that were taken, with their jobs. */
export async function endAttempts(tx: Sql, ended: readonly EndedAttempt[], nowMs: number): Promise<GoneAttempt[]> {
  if (ended.length === 0) return [];
  return await tx<GoneAttempt[]>`
    update attempt a set state = t.state, error_code = t.code, outcome = t.outcome, answered_at_ms = ${nowMs}::float8
    from unnest(${ended.map((x) => x.attemptId)}::text[], ${ended.map((x) => x.state)}::text[], ${ended.map((x) => x.code)}::text[],
      ${ended.map((x) => x.outcome)}::text[], ${ended.map((x) => String(x.ifUnsent === true))}::text[]::boolean[]) as t (id, state, code, outcome, if_unsent)
    where a.id = t.id and a.state in ('intent', 'sending', 'placed') and not (t.state = 'unknown' and a.state = 'intent')
      and (a.state = 'intent' or not t.if_unsent)
    returning a.id, a.job_id as "jobId", a.seq, a.lane`;
}
