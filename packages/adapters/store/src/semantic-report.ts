import type { Sql } from "./connect.ts";

/** What a tenant's questions came to since an instant, and the labels of those that were asked anew although an answer was there. */
export interface ReuseCounts {
  readonly asked: number;
  readonly reused: number;
  readonly explored: number;
  readonly missed: number;
  /** Explored ones whose answers were compared, each weighing one over the chance with which it was explored: sum of weights, of their squares, of those that were wrong. */
  readonly labels: number;
  readonly wrong: number;
  readonly weight: number;
  readonly weightSquares: number;
  readonly wrongWeight: number;
}

/** Counts a tenant's questions by what was decided on them. */
export async function countReuse(tx: Sql, input: { readonly tenantId: string; readonly sinceMs: number }): Promise<ReuseCounts> {
  const rows = await tx<ReuseCounts[]>`
    select count(*)::int as asked, count(*) filter (where kind = 'reuse')::int as reused, count(*) filter (where kind = 'explore')::int as explored,
      count(*) filter (where kind = 'miss')::int as missed, count(label)::int as labels, count(*) filter (where not label)::int as wrong,
      coalesce(sum(w) filter (where label is not null), 0)::float8 as weight, coalesce(sum(w * w) filter (where label is not null), 0)::float8 as "weightSquares",
      coalesce(sum(w) filter (where not label), 0)::float8 as "wrongWeight"
    from (select kind, case when kind = 'explore' then label end as label,
        case when kind = 'explore' then 1 / greatest(1e-6, (decision::json ->> 'propensity')::float8) end as w
      from semantic_ask where tenant_id = ${input.tenantId} and kind is not null and decided_at_ms >= ${input.sinceMs}::float8) a`;
  return rows[0] as ReuseCounts;
}

/** One of a tenant's families of namespaces, for people. */
export interface ShownFamily {
  /** Hex. */
  readonly family: string;
  readonly endpoint: string;
  readonly model: string;
  readonly drifting: boolean;
  readonly updatedAtMs: number;
  readonly entries: number;
}

const FAMILIES_SHOWN = 200;

/** A tenant's families, those in drift first, with the number of entries that stand. */
export async function listFamilies(tx: Sql, input: { readonly tenantId: string; readonly nowMs: number }): Promise<ShownFamily[]> {
  return await tx<ShownFamily[]>`
    select encode(f.family, 'hex') as family, f.endpoint, f.model, f.drifting, f.updated_at_ms as "updatedAtMs", coalesce(e.n, 0)::int as entries
    from semantic_family f
      left join (select family, count(*) as n from semantic_entry
        where tenant_id = ${input.tenantId} and evicted_at_ms is null and expires_at_ms > ${input.nowMs}::float8 group by family) e on e.family = f.family
    where f.tenant_id = ${input.tenantId} order by f.drifting desc, f.updated_at_ms desc limit ${FAMILIES_SHOWN}`;
}

/** What was given to a job from the cache, or `null`: its own question, and the entry with its question. */
export interface GivenAnswer {
  readonly text: string;
  readonly family: Uint8Array;
  readonly endpoint: string;
  readonly model: string;
  readonly kind: string;
  readonly entryId: string | null;
  readonly entryText: string | null;
  /** The entry whose answer is this job's own, where one was kept. */
  readonly ownEntryId: string | null;
}

/** Reads a tenant's job's question with the entry that answered it, and the entry that its own answer became. */
export async function readGiven(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<GivenAnswer | null> {
  const rows = await tx<GivenAnswer[]>`
    select a.text, a.family, a.endpoint, a.model, a.kind, a.entry_id as "entryId", e.text as "entryText",
      (select (array_agg(o.id))[1] from semantic_entry o where o.job_id = a.job_id and o.evicted_at_ms is null) as "ownEntryId"
    from semantic_ask a left join semantic_entry e on e.id = a.entry_id and e.tenant_id = a.tenant_id
    where a.job_id = ${input.jobId} and a.tenant_id = ${input.tenantId} and a.kind is not null`;
  return rows[0] ?? null;
}
