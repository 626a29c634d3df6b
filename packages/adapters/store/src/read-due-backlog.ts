import { JOB_LIVE } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/** Jobs that are due for a decision and that no planner has taken yet, counted up to `limit`, and when the oldest of them became due (job ms). */
export async function readDueBacklog(
  sql: Sql,
  input: { readonly nowMs: number; readonly limit: number },
): Promise<{ readonly jobs: number; readonly oldestAtMs: number | null }> {
  const rows = await sql<{ jobs: number; oldestAtMs: number | null }[]>`
    select count(*)::int as jobs, min(at_ms) as "oldestAtMs" from (
      select next_decision_at_ms as at_ms from job
      where next_decision_at_ms <= ${input.nowMs}::float8 and state = any(${JOB_LIVE as string[]}::text[])
      order by next_decision_at_ms limit ${input.limit}) due`;
  return rows[0] ?? { jobs: 0, oldestAtMs: null };
}
