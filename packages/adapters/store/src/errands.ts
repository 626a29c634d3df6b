import type { Sql } from "./connect.ts";

/** What is asked: another candidate's answer (`shadow`), which of two answers is better (`grade`), whether two questions mean the same (`same-question`). */
export type ErrandKind = "shadow" | "grade" | "same-question";

/** The surface of jobs that Slowboat itself asks; they are in no tenant's list. */
export const ERRAND_SURFACE = "errand";

/** An errand, beside its job. */
export interface ErrandRow {
  readonly jobId: string;
  readonly tenantId: string;
  readonly kind: ErrandKind;
  /** The job that it is about. */
  readonly subjectId: string;
  /** JSON of whoever sent it. */
  readonly content: string;
}

/** An errand whose job has ended. */
export interface EndedErrand extends ErrandRow {
  readonly endpoint: string;
  readonly model: string;
  /** Raw text; `null` where no answer came. */
  readonly answer: string | null;
  readonly statusCode: number | null;
}

/** Keeps errands; their jobs are inserted in the same transaction. */
export async function insertErrands(tx: Sql, rows: readonly ErrandRow[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into errand (job_id, tenant_id, kind, subject_id, content, created_at_ms)
    select job_id, tenant_id, kind, subject_id, content, ${nowMs}::float8
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.tenantId)}::text[], ${rows.map((x) => x.kind)}::text[],
      ${rows.map((x) => x.subjectId)}::text[], ${rows.map((x) => x.content)}::text[]) as t (job_id, tenant_id, kind, subject_id, content)`;
}

/** How many errands of a kind are out for each of these tenants; who has none is left out. */
export async function countErrands(
  tx: Sql,
  input: { readonly tenantIds: readonly string[]; readonly kind: ErrandKind },
): Promise<ReadonlyMap<string, number>> {
  const rows = await tx<{ tenantId: string; n: number }[]>`
    select tenant_id as "tenantId", count(*)::int as n from errand
    where not ended and kind = ${input.kind} and tenant_id = any(${input.tenantIds as string[]}::text[]) group by 1`;
  return new Map(rows.map(({ tenantId, n }) => [tenantId, n]));
}

/**
 * Takes away errands of a kind whose jobs have ended, oldest first, with their answers. They are gone with the caller's transaction: what it learns from
 * them has to be written in the same one. Those that another one takes just now are passed over.
 */
export async function takeErrands(tx: Sql, input: { readonly kind: ErrandKind; readonly limit: number }): Promise<EndedErrand[]> {
  return await tx<EndedErrand[]>`
    with taken as (delete from errand where job_id in (
        select job_id from errand where kind = ${input.kind} and ended order by created_at_ms limit ${input.limit}::int for update skip locked)
      returning job_id, tenant_id, kind, subject_id, content, created_at_ms)
    select t.job_id as "jobId", t.tenant_id as "tenantId", t.kind, t.subject_id as "subjectId", t.content, coalesce(a.endpoint, j.endpoint) as endpoint,
      coalesce(a.model, j.model) as model, a.answer, a.status_code as "statusCode"
    from taken t join job j on j.id = t.job_id left join result r on r.job_id = t.job_id left join attempt a on a.id = r.attempt_id
    order by t.created_at_ms, t.job_id`;
}

/** What errands may be asked on behalf of these tenants. */
export interface ErrandTerms {
  readonly tenantId: string;
  readonly allowUnpriced: boolean;
  readonly budgeted: boolean;
  /** Days for which answers are kept; 0 keeps nothing, so that nothing can be asked about them. */
  readonly retentionDays: number;
  /** Which models may be asked where nobody named them, as JSON; `null` for all. */
  readonly models: string | null;
}

/** Reads what errands of tenants are judged by. */
export async function readErrandTerms(tx: Sql, tenantIds: readonly string[]): Promise<ReadonlyMap<string, ErrandTerms>> {
  const rows = await tx<ErrandTerms[]>`
    select id as "tenantId", allow_unpriced as "allowUnpriced", budgeted, retention_days as "retentionDays", models from tenant
    where id = any(${tenantIds as string[]}::text[])`;
  return new Map(rows.map((row) => [row.tenantId, row]));
}
