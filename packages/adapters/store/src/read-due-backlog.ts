import { dueKinds } from "./claim-due.ts";
import type { Sql } from "./connect.ts";

/** Jobs that are due for a decision and that no planner has taken yet, counted up to `limit`, and when the oldest of them became due (job ms). */
export async function readDueBacklog(
  sql: Sql,
  input: { readonly nowMs: number; readonly limit: number },
): Promise<{ readonly jobs: number; readonly oldestAtMs: number | null }> {
  const { rescue, single, line } = dueKinds(sql);
  const first = (kind: typeof rescue) => sql`(select next_decision_at_ms as at_ms from job
      where ${kind} and next_decision_at_ms <= ${input.nowMs}::float8 order by next_decision_at_ms limit ${input.limit})`;
  const rows = await sql<{ jobs: number; oldestAtMs: number | null }[]>`
    select least(count(*), ${input.limit}::int)::int as jobs, min(at_ms) as "oldestAtMs"
    from (${first(rescue)} union all ${first(single)} union all ${first(line)}) due`;
  return rows[0] ?? { jobs: 0, oldestAtMs: null };
}
