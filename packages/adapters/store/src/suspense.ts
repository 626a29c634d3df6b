import type { Sql } from "./connect.ts";

/** An attempt that may have been billed and of which nothing was heard. */
export interface SuspendedAttempt {
  /** Also the client request id, or the custom_id of a batch line, by which the provider knows it. */
  readonly attemptId: string;
  readonly jobId: string;
  readonly tenantId: string;
  readonly lane: string;
  readonly account: string;
  /** Who was asked. */
  readonly model: string;
  readonly pricesVersion: string;
  readonly emulated: boolean;
  readonly code: string | null;
  /** The provider's batch, where it is a line of one. */
  readonly batchRef: string | null;
  /** True while its provider batch is looked for: an answer may still come. */
  readonly sought: boolean;
  readonly estimateNano: bigint | null;
  /** Job ms. */
  readonly sentAtMs: number;
}

/** What became of it. `charged` with what the provider took. */
export interface ClearedAttempt {
  readonly attemptId: string;
  readonly tenantId: string;
  readonly outcome: "charged" | "not-charged";
  readonly amountNano: bigint;
  readonly evidence: string;
}

const COLUMNS = `a.id as "attemptId", a.job_id as "jobId", a.tenant_id as "tenantId", a.lane, a.account, coalesce(a.model, j.model) as model,
  a.prices_version as "pricesVersion", a.emulated, a.error_code as code, d.provider_ref as "batchRef", a.estimate_nano as "estimateNano",
  coalesce(a.sent_at_ms, a.created_at_ms) as "sentAtMs", coalesce(d.state in ('queued', 'running', 'submitted'), false) as sought`;

/** A page of the attempts in suspense by id, behind `after`; of one tenant or, with `null`, of all. For the operator of the installation. */
export async function listSuspense(
  sql: Sql,
  input: { readonly tenantId: string | null; readonly after: string; readonly limit: number },
): Promise<SuspendedAttempt[]> {
  return await sql<SuspendedAttempt[]>`
    select ${sql.unsafe(COLUMNS)} from attempt a join job j on j.id = a.job_id left join dispatch d on d.id = a.dispatch_id
    where a.suspended_tenant is not null and (${input.tenantId}::text is null or a.suspended_tenant = ${input.tenantId}) and a.id > ${input.after}
    order by a.id limit ${input.limit}`;
}

/** One attempt in suspense; `null` where it is not, or no more, in suspense. */
export async function readSuspended(sql: Sql, attemptId: string): Promise<SuspendedAttempt | null> {
  const [row] = await sql<SuspendedAttempt[]>`
    select ${sql.unsafe(COLUMNS)} from attempt a join job j on j.id = a.job_id left join dispatch d on d.id = a.dispatch_id
    where a.id = ${attemptId} and a.state = 'unknown'`;
  return row ?? null;
}

/** Ends attempts in suspense and writes down why. Returns the ids that were taken; one that has left suspense meanwhile is left alone. */
export async function clearSuspended(tx: Sql, rows: readonly ClearedAttempt[], nowMs: number): Promise<string[]> {
  if (rows.length === 0) return [];
  const taken = await tx<{ id: string }[]>`
    with cleared as (
      update attempt a set state = t.state, settled_at_ms = case when t.state = 'settled' then ${nowMs}::float8 end
      from unnest(${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => (x.outcome === "charged" ? "settled" : "void"))}::text[]) as t (id, state)
      where a.id = t.id and a.state = 'unknown' returning a.id
    ), noted as (
      insert into suspense_clearing (attempt_id, tenant_id, outcome, amount_nano, evidence, at_ms)
      select t.id, t.tenant_id, t.outcome, t.amount_nano, t.evidence, ${nowMs}::float8
      from unnest(${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => x.tenantId)}::text[], ${rows.map((x) => x.outcome)}::text[],
        ${rows.map((x) => String(x.amountNano))}::int8[], ${rows.map((x) => x.evidence)}::text[]) as t (id, tenant_id, outcome, amount_nano, evidence)
      join cleared c on c.id = t.id)
    select id from cleared`;
  return taken.map((row) => row.id);
}

/** What the ledger says of some attempts. */
export interface BookedAttempt {
  readonly attemptId: string;
  readonly state: string;
  readonly statusCode: number | null;
  readonly lane: string;
  /** What is owed to providers for it (nano-USD); `null` without a transaction. */
  readonly owedNano: bigint | null;
  readonly priced: boolean;
}

/** A page of attempts that went to a provider between two instants (job ms), by id behind `after`, each with what the ledger owes for it. */
export async function listBooked(
  sql: Sql,
  input: { readonly fromMs: number; readonly toMs: number; readonly after: string; readonly limit: number },
): Promise<BookedAttempt[]> {
  return await sql<BookedAttempt[]>`
    select a.id as "attemptId", a.state, a.status_code as "statusCode", a.lane, p.owed as "owedNano", coalesce(p.priced, true) as priced
    from attempt a left join lateral (
      select bool_and(t.priced) as priced, coalesce(sum(e.amount_nano) filter (where e.account like 'payable.%'), 0)::int8 as owed
      from ledger_txn t left join ledger_entry e on e.txn_id = t.id
      where t.id in ('settle:' || a.id, 'adjust:' || a.id) having count(t.id) > 0) p on true
    where a.id > ${input.after} and a.source_attempt_id is null and a.lane not in ('pool', 'cache')
      and a.sent_at_ms >= ${input.fromMs} and a.sent_at_ms < ${input.toMs}
    order by a.id limit ${input.limit}`;
}

/** Those of some ids that are attempts of this installation. */
export async function knownAttempts(sql: Sql, ids: readonly string[]): Promise<string[]> {
  return (await sql<{ id: string }[]>`select id from attempt where id = any(${[...ids]}::text[])`).map((row) => row.id);
}
