import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

export type PromiseRow = typeof schema.promise.$inferSelect;

/** What is promised on a resource, summed over work with one lane whose deadlines lie in one minute; the earliest of them counts. */
export interface PromisedRow {
  readonly resource: string;
  readonly lane: string;
  readonly deadlineAtMs: number;
  readonly workMs: number;
  readonly meanMs: number;
  readonly varianceMs2: number;
}

/** Until the transaction ends, nobody else promises anything: what is read after this stays true until it is written down. */
export async function lockPromises(tx: Sql): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('promise', 0))`;
}

/** A promise counts while its job or batch lives and its deadline lies ahead: nobody has to take it back. */
const alive = (tx: Sql, nowMs: number) => tx`
  p.deadline_at_ms > ${nowMs}::float8 and (exists (select from job j where j.id = p.subject_id and j.state in ('accepted', 'placed'))
    or exists (select from batch b where b.id = p.subject_id and b.state in ('validating', 'in_progress', 'finalizing', 'cancelling')))`;

/** Everything that is promised now. */
export async function readPromised(tx: Sql, nowMs: number): Promise<PromisedRow[]> {
  return await tx<PromisedRow[]>`
    select p.resource, p.lane, min(p.deadline_at_ms) as "deadlineAtMs", sum(p.work_ms) as "workMs", sum(p.work_ms * (1 - p.in_time)) as "meanMs",
      sum(p.work_ms * p.work_ms * p.in_time * (1 - p.in_time)) as "varianceMs2"
    from promise p where ${alive(tx, nowMs)} group by p.resource, p.lane, floor(p.deadline_at_ms / 60000)`;
}

/** The promise made to a job or batch; `null` for none. */
export async function readPromise(tx: Sql, subjectId: string): Promise<PromiseRow | null> {
  const rows = await tx<PromiseRow[]>`
    select subject_id as "subjectId", resource, class, lane, deadline_at_ms as "deadlineAtMs", work_ms as "workMs", in_time as "inTime"
    from promise where subject_id = ${subjectId}`;
  return rows[0] ?? null;
}

/** Writes promises down; one that was made stays as it is. */
export async function insertPromises(tx: Sql, rows: readonly PromiseRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into promise (subject_id, resource, class, lane, deadline_at_ms, work_ms, in_time)
    select * from unnest(${rows.map((x) => x.subjectId)}::text[], ${rows.map((x) => x.resource)}::text[], ${rows.map((x) => x.class)}::text[],
      ${rows.map((x) => x.lane)}::text[], ${rows.map((x) => x.deadlineAtMs)}::float8[], ${rows.map((x) => x.workMs)}::float8[],
      ${rows.map((x) => x.inTime)}::float8[]) on conflict do nothing`;
}

/** Drops promises that count no more; returns how many. */
export async function forgetPromises(tx: Sql, input: { readonly nowMs: number; readonly limit: number }): Promise<number> {
  const gone = await tx`
    delete from promise where subject_id in (select p.subject_id from promise p where not (${alive(tx, input.nowMs)}) limit ${input.limit})`;
  return gone.count;
}
