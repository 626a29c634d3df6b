import type { Sql } from "./connect.ts";

/** A lane as the console shows it: what a tenant has on it and what it cost (nano-USD). */
export interface LaneOverview {
  readonly lane: string;
  readonly live: number;
  readonly completed: number;
  readonly failed: number;
  /** Accepted instant (job ms) of the oldest job that still waits; `null` when none does. */
  readonly oldestAtMs: number | null;
}

/** A row of the console's list of jobs. */
export interface JobOverview {
  readonly id: string;
  readonly batchId: string | null;
  readonly customId: string | null;
  readonly model: string;
  readonly endpoint: string;
  readonly state: string;
  readonly lane: string | null;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** A row of the console's list of batches; counts are derived from its jobs. */
export interface BatchOverview {
  readonly id: string;
  readonly endpoint: string;
  readonly state: string;
  readonly model: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly deadlineAtMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
}

export interface Overview {
  readonly lanes: readonly LaneOverview[];
  readonly jobs: readonly JobOverview[];
  readonly batches: readonly BatchOverview[];
  readonly accounts: readonly { readonly account: string; readonly amountNano: bigint }[];
  readonly paidByLane: readonly { readonly lane: string; readonly paidNano: bigint }[];
  readonly withDeadline: number;
  readonly missed: number;
  readonly emulated: boolean;
  readonly unpriced: number;
}

/** What one tenant sees on the console's page: lanes, the newest jobs and batches, and the ledger since `sinceMs` (job time). */
export async function readOverview(tx: Sql, input: { readonly tenantId: string; readonly nowMs: number; readonly sinceMs: number; readonly rows: number }): Promise<Overview> {
  const { tenantId, nowMs, sinceMs, rows } = input;
  const [lanes, jobs, batches, accounts, paid, facts] = await Promise.all([
    tx<LaneOverview[]>`
      select coalesce(lane, 'waiting') as lane, count(*) filter (where state in ('accepted', 'placed'))::int as live,
        count(*) filter (where state = 'completed')::int as completed, count(*) filter (where state = 'failed')::int as failed,
        min(accepted_at_ms) filter (where state in ('accepted', 'placed')) as "oldestAtMs"
      from job where tenant_id = ${tenantId} and accepted_at_ms >= ${sinceMs}::float8 group by 1 order by 1`,
    tx<JobOverview[]>`
      select id, batch_id as "batchId", custom_id as "customId", model, endpoint, state, lane, accepted_at_ms as "acceptedAtMs",
        deadline_at_ms as "deadlineAtMs", ended_at_ms as "endedAtMs"
      from job where tenant_id = ${tenantId} order by id desc limit ${rows}`,
    tx<BatchOverview[]>`
      select b.id, b.endpoint, b.state, b.model, b.total, n.completed, n.failed, b.deadline_at_ms as "deadlineAtMs", b.created_at_ms as "createdAtMs",
        b.ended_at_ms as "endedAtMs"
      from (select * from batch where tenant_id = ${tenantId} and deleted_at_ms is null order by id desc limit 12) b,
        lateral (select count(*) filter (where state = 'completed')::int as completed, count(*) filter (where state in ('failed', 'cancelled'))::int as failed
          from job j where j.batch_id = b.id) n order by b.created_at_ms desc`,
    tx<{ account: string; amountNano: bigint }[]>`
      select e.account, sum(e.amount_nano)::int8 as "amountNano" from ledger_txn t join ledger_entry e on e.txn_id = t.id
      where t.tenant_id = ${tenantId} and t.at_ms >= ${sinceMs}::float8 group by e.account`,
    tx<{ lane: string; paidNano: bigint }[]>`
      select t.lane, sum(e.amount_nano)::int8 as "paidNano" from ledger_txn t join ledger_entry e on e.txn_id = t.id
      where t.tenant_id = ${tenantId} and t.at_ms >= ${sinceMs}::float8 and e.account like 'payable.%' group by t.lane`,
    tx<{ withDeadline: number; missed: number; emulated: boolean; unpriced: number }[]>`
      select (select count(*)::int from job where tenant_id = ${tenantId} and accepted_at_ms >= ${sinceMs}::float8 and deadline_at_ms is not null) as "withDeadline",
        (select count(*)::int from job where tenant_id = ${tenantId} and accepted_at_ms >= ${sinceMs}::float8
          and coalesce(ended_at_ms, ${nowMs}::float8) > deadline_at_ms) as missed,
        (select coalesce(bool_or(emulated), false) from ledger_txn where tenant_id = ${tenantId} and at_ms >= ${sinceMs}::float8) as emulated,
        (select count(*)::int from ledger_txn where tenant_id = ${tenantId} and at_ms >= ${sinceMs}::float8 and not priced) as unpriced`,
  ]);
  const fact = facts[0] ?? { withDeadline: 0, missed: 0, emulated: false, unpriced: 0 };
  return { lanes, jobs, batches, accounts, paidByLane: paid, ...fact };
}
