import type { Sql } from "./connect.ts";

/** What happened to some batches and what they cost: counts, and the ledger summed by account (nano-USD, signs as posted). */
export interface ReceiptFacts {
  readonly jobs: readonly { readonly state: string; readonly lane: string | null; readonly jobs: number }[];
  readonly accounts: readonly { readonly account: string; readonly amountNano: bigint }[];
  /** Jobs that were not answered by their deadline: late, failed, or still running past it. */
  readonly deadlinesMissed: number;
  /** Jobs with a deadline, less the cancelled ones. */
  readonly withDeadline: number;
  /** Attempts that may have been billed and were never heard of again, with their estimated cost. */
  readonly suspense: { readonly attempts: number; readonly amountNano: bigint };
  /** Settled jobs whose model had no price: they stand in no sum. */
  readonly unpriced: number;
  /** Answers that wait for their settlement. */
  readonly unsettled: number;
  readonly emulated: boolean;
  /** When the newest job ended, and when the last of those that wait on a provider's slow lane would be rescued; job time. `null`: none. */
  readonly lastEndedAtMs: number | null;
  readonly lastRescueAtMs: number | null;
}

/** Reads the receipt of a tenant's batches in one snapshot, out of the rows and the ledger. Ids of other tenants count nothing. */
export async function readReceipt(
  tx: Sql,
  input: { readonly tenantId: string; readonly batchIds: readonly string[]; readonly nowMs: number },
): Promise<ReceiptFacts> {
  const { tenantId, batchIds, nowMs } = input;
  const [row] = await tx<
    {
      jobs: ReceiptFacts["jobs"] | null;
      accounts: { account: string; amount: string }[] | null;
      missed: number;
      with_deadline: number;
      suspense: number;
      suspense_nano: bigint;
      unpriced: number;
      unsettled: number;
      emulated: boolean;
      last_ended: number | null;
      last_rescue: number | null;
    }[]
  >`
    with mine as (
      select id, state, lane, deadline_at_ms, ended_at_ms, next_decision_at_ms from job where tenant_id = ${tenantId} and batch_id = any(${batchIds}::text[])
    ), txn as (
      select t.id, t.job_id, t.priced, t.emulated from ledger_txn t join mine on mine.id = t.job_id where t.tenant_id = ${tenantId}
    ), tries as (
      select a.state, a.estimate_nano from attempt a join mine on mine.id = a.job_id where a.tenant_id = ${tenantId} and a.state in ('unknown', 'answered')
    )
    select
      (select json_agg(x) from (select state, lane, count(*)::int as jobs from mine group by state, lane order by state, lane) x) as jobs,
      (select json_agg(x) from (
        select e.account, sum(e.amount_nano)::text as amount from ledger_entry e join txn on txn.id = e.txn_id group by e.account order by e.account
      ) x) as accounts,
      (select count(*)::int from mine where deadline_at_ms is not null and state <> 'cancelled'
        and (state = 'failed' or coalesce(ended_at_ms, ${nowMs}::float8) > deadline_at_ms)) as missed,
      (select count(*)::int from mine where deadline_at_ms is not null and state <> 'cancelled') as with_deadline,
      (select count(*)::int from tries where state = 'unknown') as suspense,
      (select coalesce(sum(estimate_nano), 0)::int8 from tries where state = 'unknown') as suspense_nano,
      (select count(*)::int from txn where not priced) as unpriced,
      (select count(*)::int from tries where state = 'answered') as unsettled,
      (select coalesce(bool_or(emulated), false) from txn) as emulated,
      (select max(ended_at_ms) from mine) as last_ended,
      (select max(next_decision_at_ms) from mine where state = 'placed' and lane is distinct from 'pool') as last_rescue`;
  if (!row) throw new Error("a receipt query returns one row");
  return {
    jobs: row.jobs ?? [],
    accounts: (row.accounts ?? []).map((one) => ({ account: one.account, amountNano: BigInt(one.amount) })),
    deadlinesMissed: row.missed,
    withDeadline: row.with_deadline,
    suspense: { attempts: row.suspense, amountNano: row.suspense_nano },
    unpriced: row.unpriced,
    unsettled: row.unsettled,
    emulated: row.emulated,
    lastEndedAtMs: row.last_ended,
    lastRescueAtMs: row.last_rescue,
  };
}

/** Whose batch it is; `null` when there is none. For the operator of the installation, who may look at every receipt. */
export async function findBatchTenant(tx: Sql, batchId: string): Promise<string | null> {
  const [row] = await tx<{ tenantId: string }[]>`select tenant_id as "tenantId" from batch where id = ${batchId}`;
  return row?.tenantId ?? null;
}
