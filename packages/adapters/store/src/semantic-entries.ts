import type { Sql } from "./connect.ts";

/** The channel on which workers hear that entries or what was learned have changed. */
export const SEMANTIC_CHANNEL = "semantic";

/** An answer that may be given to a question that means the same. */
export interface NewEntry {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly endpoint: string;
  readonly model: string;
  readonly namespace: Uint8Array;
  readonly family: Uint8Array;
  readonly embedder: string;
  readonly text: string;
  readonly codes: Uint8Array;
  readonly scale: number;
  readonly answerKey: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

/**
 * Keeps entries, and tells the workers. A writer (API key) that has kept `quota` entries since `sinceMs` keeps no more. Returns the ids that were kept.
 */
export async function insertEntries(
  tx: Sql,
  rows: readonly NewEntry[],
  bound: { readonly quota: number; readonly sinceMs: number },
): Promise<string[]> {
  if (rows.length === 0) return [];
  const col = <T>(of: (row: NewEntry) => T): T[] => rows.map(of);
  const made = await tx<{ id: string }[]>`
    insert into semantic_entry (id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, codes, scale, answer_key, job_id, attempt_id,
      created_at_ms, expires_at_ms)
    select id, tenant_id, key_id, endpoint, model, decode(namespace, 'hex'), decode(family, 'hex'), embedder, text, decode(codes, 'hex'), scale, answer_key,
      job_id, attempt_id, created_at_ms, expires_at_ms
    from (select u.*, row_number() over (partition by key_id order by id) as nth
      from unnest(${col((x) => x.id)}::text[], ${col((x) => x.tenantId)}::text[], ${col((x) => x.keyId)}::text[], ${col((x) => x.endpoint)}::text[],
        ${col((x) => x.model)}::text[], ${col((x) => hex(x.namespace))}::text[], ${col((x) => hex(x.family))}::text[], ${col((x) => x.embedder)}::text[],
        ${col((x) => x.text)}::text[], ${col((x) => hex(x.codes))}::text[], ${col((x) => x.scale)}::real[], ${col((x) => x.answerKey)}::text[],
        ${col((x) => x.jobId)}::text[], ${col((x) => x.attemptId)}::text[], ${col((x) => x.createdAtMs)}::float8[], ${col((x) => x.expiresAtMs)}::float8[])
        as u (id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, codes, scale, answer_key, job_id, attempt_id, created_at_ms,
          expires_at_ms)) t
    where nth + (select count(*) from semantic_entry e where e.key_id = t.key_id and e.created_at_ms > ${bound.sinceMs}::float8) <= ${bound.quota}
    returning id`;
  if (made.length > 0) await tellWorkers(tx);
  return made.map((row) => row.id);
}

/** Tells the workers that something changed; they read what when the transaction has committed. */
export async function tellWorkers(tx: Sql): Promise<void> {
  await tx`select pg_notify(${SEMANTIC_CHANNEL}, 'changed')`;
}

/** What a worker holds of an entry. */
export interface SpaceRow {
  readonly no: number;
  readonly codes: Uint8Array;
}

/** Entries of a namespace after entry `after`, in the order of their numbers: what a worker fills its memory with. */
export async function readSpace(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly namespace: Uint8Array;
    readonly embedder: string;
    readonly after: number;
    readonly nowMs: number;
    readonly limit: number;
  },
): Promise<SpaceRow[]> {
  return await tx<SpaceRow[]>`
    select no::float8 as no, codes from semantic_entry
    where tenant_id = ${input.tenantId} and namespace = ${Buffer.from(input.namespace)} and evicted_at_ms is null and embedder = ${input.embedder}
      and no > ${input.after}::int8 and expires_at_ms > ${input.nowMs}::float8
    order by no limit ${input.limit}`;
}

/** A change that a worker hears of. */
export interface TailRow {
  readonly seq: number;
  readonly no: number;
  readonly tenantId: string;
  readonly namespace: Uint8Array;
  readonly embedder: string;
  /** `null` for an entry that was evicted. */
  readonly codes: Uint8Array | null;
}

/** Changes after `after` in the order of their numbers, and those of `holes` that have committed since. */
export async function tailEntries(
  tx: Sql,
  input: { readonly after: number; readonly holes: readonly number[]; readonly limit: number },
): Promise<TailRow[]> {
  const row = tx`seq::float8 as seq, no::float8 as no, tenant_id as "tenantId", namespace, embedder, case when evicted_at_ms is null then codes end as codes`;
  return await tx<TailRow[]>`
    (select ${row} from semantic_entry where seq > ${input.after}::int8 order by seq limit ${input.limit})
    union all (select ${row} from semantic_entry where seq = any(${input.holes as number[]}::int8[]))
    order by 1`;
}

/** The number of the newest change. */
export async function newestChange(tx: Sql): Promise<number> {
  const rows = await tx<{ seq: number }[]>`select seq::float8 as seq from semantic_entry order by semantic_entry.seq desc limit 1`;
  return rows[0]?.seq ?? 0;
}

/** An entry near a question, as it stands in the truth. */
export interface NearEntry {
  readonly no: number;
  readonly id: string;
  readonly text: string;
  readonly answerKey: string;
  readonly hits: number;
  readonly createdAtMs: number;
  readonly jobId: string;
  readonly attemptId: string;
}

/**
 * The entries of these numbers that may still be given: of this tenant and this namespace, neither evicted nor expired. Whatever a worker's memory holds,
 * nothing else is ever given. The tenant is compared in a way that no index serves, so that the rows are found by their numbers.
 */
export async function readNear(
  tx: Sql,
  input: { readonly tenantId: string; readonly namespace: Uint8Array; readonly numbers: readonly number[]; readonly nowMs: number },
): Promise<NearEntry[]> {
  if (input.numbers.length === 0) return [];
  return await tx<NearEntry[]>`
    select no::float8 as no, id, text, answer_key as "answerKey", hits, created_at_ms as "createdAtMs", job_id as "jobId", attempt_id as "attemptId"
    from semantic_entry
    where no = any(${input.numbers as number[]}::int8[]) and tenant_id || '' = ${input.tenantId} and namespace || ''::bytea = ${Buffer.from(input.namespace)}
      and evicted_at_ms is null and expires_at_ms > ${input.nowMs}::float8`;
}

/** An entry as its tenant sees it. */
export interface ListedEntry {
  readonly id: string;
  readonly endpoint: string;
  readonly model: string;
  /** Hex. */
  readonly namespace: string;
  readonly text: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly keyId: string;
  readonly embedder: string;
  readonly hits: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly evictedAtMs: number | null;
  readonly evictedWhy: string | null;
}

/** A tenant's entries, newest first: all that stand, or those of one job or one namespace. */
export async function listEntries(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly limit: number;
    readonly after?: string;
    readonly jobId?: string;
    readonly namespace?: string;
    readonly nowMs: number;
  },
): Promise<ListedEntry[]> {
  const { tenantId, limit, after = null, jobId = null, namespace = null } = input;
  return await tx<ListedEntry[]>`
    select id, endpoint, model, encode(namespace, 'hex') as namespace, text, job_id as "jobId", attempt_id as "attemptId", key_id as "keyId", embedder, hits,
      created_at_ms as "createdAtMs", expires_at_ms as "expiresAtMs", evicted_at_ms as "evictedAtMs", evicted_why as "evictedWhy"
    from semantic_entry
    where tenant_id = ${tenantId} and evicted_at_ms is null and expires_at_ms > ${input.nowMs}::float8 and (${after}::text is null or id < ${after})
      and (${jobId}::text is null or job_id = ${jobId}) and (${namespace}::text is null or namespace = decode(${namespace}, 'hex'))
    order by id desc limit ${limit}`;
}

/** Evicts a tenant's entries by id, job or namespace, and tells the workers; returns how many went. */
export async function evictEntries(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly id?: string;
    readonly jobId?: string;
    readonly namespace?: string;
    readonly why: string;
    readonly nowMs: number;
  },
): Promise<number> {
  const { tenantId, id = null, jobId = null, namespace = null } = input;
  const gone = await tx`
    update semantic_entry set evicted_at_ms = ${input.nowMs}::float8, evicted_why = ${input.why}, seq = nextval('semantic_entry_seq')
    where tenant_id = ${tenantId} and evicted_at_ms is null and (${id}::text is not null or ${jobId}::text is not null or ${namespace}::text is not null)
      and (${id}::text is null or id = ${id}) and (${jobId}::text is null or job_id = ${jobId})
      and (${namespace}::text is null or namespace = decode(${namespace}, 'hex'))`;
  if (gone.count > 0) await tellWorkers(tx);
  return gone.count;
}

/** Deletes entries that have expired, or that were evicted longer ago than workers need to hear of it; returns how many. */
export async function forgetEntries(tx: Sql, input: { readonly nowMs: number; readonly heardMs: number; readonly limit: number }): Promise<number> {
  const gone = await tx`
    delete from semantic_entry where id in (
      (select id from semantic_entry where expires_at_ms <= ${input.nowMs}::float8 order by expires_at_ms limit ${input.limit})
      union (select id from semantic_entry where evicted_at_ms <= ${input.nowMs - input.heardMs}::float8 order by evicted_at_ms limit ${input.limit}))`;
  return gone.count;
}
