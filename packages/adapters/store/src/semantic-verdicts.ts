import type { Sql } from "./connect.ts";

/** A question that waits for a judge's word. */
export interface JudgingAsk {
  readonly jobId: string;
  readonly tenantId: string;
  readonly family: Uint8Array;
  readonly maxError: number;
  /** As the core decided it: a miss in doubt. */
  readonly decision: string;
}

/** What a judge's word came to. */
export interface JudgedAsk {
  readonly jobId: string;
  /** `null` where the word was not plain, or none came. */
  readonly verdict: boolean | null;
  readonly kind: "reuse" | "miss";
  readonly decision: string;
}

/** Reads and locks those of these questions that still wait for a judge. */
export async function readJudging(tx: Sql, jobIds: readonly string[]): Promise<JudgingAsk[]> {
  if (jobIds.length === 0) return [];
  return await tx<JudgingAsk[]>`
    select job_id as "jobId", tenant_id as "tenantId", family, max_error as "maxError", decision from semantic_ask
    where job_id = any(${jobIds as string[]}::text[]) and kind = 'judging' and closed_at_ms is null order by job_id for update`;
}

/**
 * Writes what judges' words came to and makes the jobs due. Those that waited for the answer of one that is given an old answer are decided anew: there will
 * be no answer of its own.
 */
export async function saveVerdicts(tx: Sql, rows: readonly JudgedAsk[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ jobId }) => jobId);
  await tx`
    update semantic_ask a set kind = t.kind, decision = t.decision, verdict = t.verdict, neighbours = case when t.kind = 'miss' then a.neighbours end
    from unnest(${ids}::text[], ${rows.map(({ kind }) => kind)}::text[], ${rows.map(({ decision }) => decision)}::text[],
      ${rows.map(({ verdict }) => (verdict === null ? null : String(verdict)))}::text[]::boolean[]) as t (job_id, kind, decision, verdict)
    where a.job_id = t.job_id and a.kind = 'judging'`;
  const given = rows.flatMap(({ jobId, kind }) => (kind === "reuse" ? [jobId] : []));
  await tx`update semantic_ask set kind = null, follows = null, followed = true where follows = any(${given}::text[]) and closed_at_ms is null and kind is not null`;
  await wake(tx, ids, nowMs);
}

/** Writes down which judge each of these questions was put to: its word is paid for, whether it comes in time and is plain or not. */
export async function noteJudges(tx: Sql, rows: readonly { readonly jobId: string; readonly judge: string }[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update semantic_ask a set judge = t.judge
    from unnest(${rows.map(({ jobId }) => jobId)}::text[], ${rows.map(({ judge }) => judge)}::text[]) as t (job_id, judge) where a.job_id = t.job_id`;
}

/** Has questions asked anew that no judge could be asked about. */
export async function missAsks(tx: Sql, jobIds: readonly string[], nowMs: number): Promise<void> {
  if (jobIds.length === 0) return;
  await tx`update semantic_ask set kind = 'miss' where job_id = any(${jobIds as string[]}::text[]) and kind = 'judging'`;
  await wake(tx, jobIds, nowMs);
}

async function wake(tx: Sql, jobIds: readonly string[], nowMs: number): Promise<void> {
  await tx`
    update job set next_decision_at_ms = ${nowMs}::float8
    where id = any(${jobIds as string[]}::text[]) and state = 'accepted' and next_decision_at_ms > ${nowMs}::float8`;
}

/** What judges of the gray zone came to since an instant. */
export interface VerdictCounts {
  /** All that were put to one, also those whose word was not plain or came too late. */
  readonly asked: number;
  readonly yes: number;
  readonly given: number;
  /** Of the yes, those that were asked anew and compared, and the wrong ones among them. */
  readonly looked: number;
  readonly wrong: number;
}

/** Counts a tenant's questions that were put to a judge. */
export async function countVerdicts(tx: Sql, input: { readonly tenantId: string; readonly sinceMs: number }): Promise<VerdictCounts> {
  const rows = await tx<VerdictCounts[]>`
    select count(*)::int as asked, count(*) filter (where verdict)::int as yes, count(*) filter (where verdict and kind = 'reuse')::int as given,
      count(*) filter (where verdict and kind <> 'reuse' and label is not null)::int as looked,
      count(*) filter (where verdict and kind <> 'reuse' and not label)::int as wrong
    from semantic_ask where tenant_id = ${input.tenantId} and kind is not null and decided_at_ms >= ${input.sinceMs}::float8 and judge is not null`;
  return rows[0] as VerdictCounts;
}
