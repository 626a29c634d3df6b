import { and, asc, desc, eq, gt, inArray, isNull, lt } from "drizzle-orm";
import { orm, type Sql } from "./connect.ts";
import { batch } from "./schema.ts";

export type BatchRow = typeof batch.$inferSelect;
type Surface = "native" | "openai" | "anthropic";

/** Inserts a batch whose input is already stored. */
export async function insertBatch(tx: Sql, row: typeof batch.$inferInsert): Promise<void> {
  await orm(tx).insert(batch).values(row);
}

/** A tenant's batch; `null` when it is another's, deleted or unknown. `lock` holds the row until the transaction ends. */
export async function readBatch(
  tx: Sql,
  input: { readonly tenantId: string; readonly id: string; readonly surfaces: readonly Surface[]; readonly lock?: boolean },
): Promise<BatchRow | null> {
  const query = orm(tx)
    .select()
    .from(batch)
    .where(and(eq(batch.tenantId, input.tenantId), eq(batch.id, input.id), inArray(batch.surface, [...input.surfaces]), isNull(batch.deletedAtMs)));
  const rows = await (input.lock ? query.for("update") : query);
  return rows[0] ?? null;
}

/**
 * A page of a tenant's batches, newest first; one row more than `limit` when there are more. `after` goes on to older ones; `before`
 * gives the page that lies just above a batch, whose one row more is then the first.
 */
export async function listBatches(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly surfaces: readonly Surface[];
    readonly after?: string;
    readonly before?: string;
    readonly limit: number;
  },
): Promise<BatchRow[]> {
  const rows = await orm(tx)
    .select()
    .from(batch)
    .where(
      and(
        eq(batch.tenantId, input.tenantId),
        inArray(batch.surface, [...input.surfaces]),
        isNull(batch.deletedAtMs),
        input.after === undefined ? undefined : lt(batch.id, input.after),
        input.before === undefined ? undefined : gt(batch.id, input.before),
      ),
    )
    .orderBy(input.before === undefined ? desc(batch.id) : asc(batch.id))
    .limit(input.limit + 1);
  return input.before === undefined ? rows : rows.reverse();
}

/** Forgets a tenant's message batch that has ended; returns the blob of its requests, or `null` when there was nothing to forget. */
export async function deleteMessageBatch(
  tx: Sql,
  input: { readonly tenantId: string; readonly id: string; readonly nowMs: number },
): Promise<string | null> {
  const rows = await tx<{ blobKey: string }[]>`
    update batch set deleted_at_ms = ${input.nowMs}::float8, version = version + 1
    where id = ${input.id} and tenant_id = ${input.tenantId} and surface = 'anthropic' and state in ('completed', 'failed', 'cancelled')
      and deleted_at_ms is null returning input_blob_key as "blobKey"`;
  return rows[0]?.blobKey ?? null;
}

/** Lines of a batch by how they stand. `expired` are the cancelled ones whose time ran out. */
export interface BatchCounts {
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly live: number;
}

/**
 * Counts the lines of some batches of a tenant from their jobs, where no counter could be wrong; those of an ended batch, which do not
 * change any more, as they were counted with its end.
 */
export async function countBatchJobs(
  tx: Sql,
  input: { readonly tenantId: string; readonly ids: readonly string[] },
): Promise<Map<string, BatchCounts>> {
  const rows = (await countLines(tx, input)).map(({ id, state, jobs }) => ({ id, state, n: jobs }));
  const of = (id: string, ...states: string[]): number =>
    rows.filter((row) => row.id === id && states.includes(row.state)).reduce((sum, row) => sum + row.n, 0);
  return new Map(
    input.ids.map((id) => [
      id,
      { completed: of(id, "completed"), failed: of(id, "failed"), cancelled: of(id, "cancelled"), live: of(id, "accepted", "placed") },
    ]),
  );
}

/** Lines of a batch that stand alike: in one state, on one lane (`waiting` on none). */
export interface LineCount {
  readonly id: string;
  readonly state: string;
  readonly lane: string;
  readonly jobs: number;
}

/** Counts the lines of a tenant's batches by state and lane. Reads every line of a batch that runs, and none of one that has ended. */
export async function countLines(tx: Sql, input: { readonly tenantId: string; readonly ids: readonly string[] }): Promise<LineCount[]> {
  const ended = await tx<{ id: string; lineCounts: string }[]>`
    select id, line_counts as "lineCounts" from batch
    where id = any(${input.ids as string[]}::text[]) and tenant_id = ${input.tenantId} and line_counts is not null`;
  const known = new Set(ended.map((row) => row.id));
  const counted = await tx<LineCount[]>`
    select batch_id as id, state, coalesce(lane, 'waiting') as lane, count(*)::int as jobs
    from job where batch_id = any(${input.ids.filter((id) => !known.has(id))}::text[]) and tenant_id = ${input.tenantId} group by 1, 2, 3 order by 3`;
  return [...counted, ...ended.flatMap(({ id, lineCounts }) => (JSON.parse(lineCounts) as Omit<LineCount, "id">[]).map((one) => ({ id, ...one })))];
}

/** Token sums of a batch's answers, as the usage of its completed lines states them. */
export interface BatchUsage {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Sums the usage of a batch's results; zeros when none succeeded. Reads every line: call it for ended batches only. */
export async function sumBatchUsage(tx: Sql, input: { readonly tenantId: string; readonly id: string }): Promise<BatchUsage> {
  const rows = await tx<BatchUsage[]>`
    with u as (
      select a.usage::json as usage from job j join result r on r.job_id = j.id join attempt a on a.id = r.attempt_id
      where j.batch_id = ${input.id} and j.tenant_id = ${input.tenantId} and j.state = 'completed' and a.usage is not null),
    n as (
      select coalesce((usage->>'input')::float8, 0) as fresh, coalesce((usage->>'cacheRead')::float8, 0) as cached,
        coalesce((usage->>'cacheWrite5m')::float8, 0) + coalesce((usage->>'cacheWrite30m')::float8, 0) + coalesce((usage->>'cacheWrite1h')::float8, 0)
          + coalesce((usage->>'cacheWrite12h')::float8, 0) as written,
        coalesce((usage->>'output')::float8, 0) as output, coalesce((usage->>'reasoning')::float8, 0) as reasoning from u)
    select coalesce(sum(fresh + cached + written), 0)::float8 as input, coalesce(sum(cached), 0)::float8 as cached, coalesce(sum(output), 0)::float8 as output,
      coalesce(sum(reasoning), 0)::float8 as reasoning from n`;
  return rows[0] ?? { input: 0, cached: 0, output: 0, reasoning: 0 };
}
