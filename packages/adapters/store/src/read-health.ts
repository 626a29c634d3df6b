import type { Sql } from "./connect.ts";

/** What an operator asks of the database at a glance. */
export interface StoreHealth {
  readonly serverVersion: string;
  readonly migrations: number;
  readonly liveKeys: number;
  readonly liveJobs: number;
  /** Answers saved and not yet settled. */
  readonly unsettled: number;
  /** Intents and answers of calls that are not filed yet. */
  readonly logged: number;
  /** Attempts in suspense: perhaps billed, never heard of. */
  readonly unknown: number;
  /** Ledger transactions that do not sum to zero; anything but 0 is a defect. */
  readonly unbalanced: number;
  readonly ledgerTxns: number;
  readonly connections: number;
  readonly maxConnections: number;
}

/** Intents and answers that are not filed yet. */
const logged = (tx: Sql) => tx`(select coalesce(sum(items), 0)::int from call_log)`;

/** Lines by their batches, single jobs by an index of their own. */
const countLive = (tx: Sql) => tx`
  (select count(*)::int from job where batch_id is not null and state in ('accepted', 'placed'))
    + (select count(*)::int from job where batch_id is null and state in ('accepted', 'placed'))`;

/** Reads the counts; scans the whole ledger once. Across tenants, so only for the operator of the installation. */
export async function readHealth(tx: Sql): Promise<StoreHealth> {
  const [row] = await tx<StoreHealth[]>`
    select current_setting('server_version') as "serverVersion",
      (select count(*)::int from schema_migration) as migrations,
      (select count(*)::int from api_key where revoked_at_ms is null) as "liveKeys",
      (${countLive(tx)}) as "liveJobs",
      (select count(*)::int from unsettled) as unsettled,
      ${logged(tx)} as logged,
      (select count(*)::int from attempt where suspended_tenant is not null) as unknown,
      (select count(*)::int from (select txn_id from ledger_entry group by txn_id having sum(amount_nano) <> 0) x) as unbalanced,
      (select count(*)::int from ledger_txn) as "ledgerTxns",
      (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections,
      current_setting('max_connections')::int as "maxConnections"`;
  if (!row) throw new Error("a health query returns one row");
  return row;
}

/** Jobs that are not at their end, over all tenants: while there are any, the job clock must not jump. */
export async function countLiveJobs(tx: Sql): Promise<number> {
  const [row] = await tx<{ jobs: number }[]>`select (${countLive(tx)}) + ${logged(tx)} as jobs`;
  return row?.jobs ?? 0;
}
