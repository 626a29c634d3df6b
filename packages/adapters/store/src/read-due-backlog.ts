import type { Sql } from "./connect.ts";

const KINDS = (sql: Sql) => [sql`state = 'placed'`, sql`state = 'accepted' and batch_id is null`, sql`state = 'accepted' and batch_id is not null`];

/** Jobs that are due for a decision and that no planner has taken yet, counted up to `limit`, and when the oldest of them became due (job ms). */
export async function readDueBacklog(
  sql: Sql,
  input: { readonly nowMs: number; readonly limit: number },
): Promise<{ readonly jobs: number; readonly oldestAtMs: number | null }> {
  const [rescues, singles, lines] = KINDS(sql).map(
    (kind) => sql`(select next_decision_at_ms as at_ms from job
      where ${kind} and next_decision_at_ms <= ${input.nowMs}::float8 order by next_decision_at_ms limit ${input.limit})`,
  ) as [ReturnType<Sql>, ReturnType<Sql>, ReturnType<Sql>];
  const rows = await sql<{ jobs: number; oldestAtMs: number | null }[]>`
    select least(count(*), ${input.limit}::int)::int as jobs, min(at_ms) as "oldestAtMs" from (${rescues} union all ${singles} union all ${lines}) due`;
  return rows[0] ?? { jobs: 0, oldestAtMs: null };
}
