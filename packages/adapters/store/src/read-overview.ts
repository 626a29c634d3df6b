import type { Sql } from "./connect.ts";

/** A lane as the console shows it; jobs that no lane has yet stand under `waiting`. */
export interface LaneOverview {
  readonly lane: string;
  readonly live: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
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

/** Where lines of a running batch are at a provider: how a dispatch stands, and the provider's own word for it. */
export interface BatchPhase {
  readonly lane: string;
  readonly state: string;
  readonly providerStatus: string | null;
  readonly jobs: number;
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
  readonly cancelled: number;
  /** On a lane. */
  readonly placed: number;
  /** Accepted, and on no lane yet. */
  readonly accepted: number;
  readonly lanes: readonly { readonly lane: string; readonly jobs: number }[];
  readonly phases: readonly BatchPhase[];
  readonly deadlineAtMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
}

/** How the deadlines of the window stand. The four disjoint ends of `withDeadline` are met, missed, running and ended without an answer in time. */
interface OverviewFacts {
  readonly withDeadline: number;
  /** Completed in time. */
  readonly met: number;
  /** Ended after the deadline, or still running past it. */
  readonly missed: number;
  /** Still running with time left. */
  readonly running: number;
  /** Of those running, the ones with less than a tenth of their time left. */
  readonly soon: number;
  readonly emulated: boolean;
  readonly unpriced: number;
  /** Attempts that may have been billed and were never heard of again, of any time. */
  readonly suspense: number;
  readonly suspenseNano: bigint;
  /** Answers that wait for their settlement. */
  readonly unsettled: number;
}

/** The console's page. Money is in nano-USD, signs as posted. */
export interface Overview extends OverviewFacts {
  readonly lanes: readonly LaneOverview[];
  readonly jobs: readonly JobOverview[];
  readonly batches: readonly BatchOverview[];
  readonly accounts: readonly { readonly account: string; readonly amountNano: bigint }[];
  readonly paidByLane: readonly { readonly lane: string; readonly paidNano: bigint }[];
  /** The part of what was paid that no real provider will ever ask for. */
  readonly paidEmulatedNano: bigint;
}

/** Which window, and which jobs to list: all of the given filters hold. `lane: "waiting"` lists those that no lane has. */
export interface OverviewInput {
  readonly tenantId: string;
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly rows: number;
  readonly state?: string;
  readonly lane?: string;
  readonly batchId?: string;
}

const BATCHES = 12;

/**
 * What one tenant sees on the console's page: lanes, the newest jobs and batches, and the ledger since `sinceMs` (job time). Jobs that
 * still run count however old they are. Reads one snapshot and so must be called inside a transaction of its own.
 */
export async function readOverview(tx: Sql, input: OverviewInput): Promise<Overview> {
  await tx`set transaction isolation level repeatable read read only`;
  const [lanes, jobs, batches, sums, facts] = await Promise.all([
    readLanes(tx, input),
    readJobs(tx, input),
    readBatches(tx, input),
    readSums(tx, input),
    readFacts(tx, input),
  ]);
  const accounts = new Map<string, bigint>();
  const paid = new Map<string, bigint>();
  let paidEmulatedNano = 0n;
  for (const { lane, account, emulated, amountNano } of sums) {
    accounts.set(account, (accounts.get(account) ?? 0n) + amountNano);
    if (!account.startsWith("payable.")) continue;
    paid.set(lane, (paid.get(lane) ?? 0n) + amountNano);
    if (emulated) paidEmulatedNano += amountNano;
  }
  return {
    lanes,
    jobs,
    batches,
    accounts: [...accounts].map(([account, amountNano]) => ({ account, amountNano })),
    paidByLane: [...paid].map(([lane, paidNano]) => ({ lane, paidNano })),
    paidEmulatedNano,
    ...facts,
  };
}

const readLanes = (tx: Sql, { tenantId, sinceMs }: OverviewInput): Promise<LaneOverview[]> => tx<LaneOverview[]>`
  select coalesce(lane, 'waiting') as lane, count(*) filter (where state in ('accepted', 'placed'))::int as live,
    count(*) filter (where state = 'completed')::int as completed, count(*) filter (where state = 'failed')::int as failed,
    count(*) filter (where state = 'cancelled')::int as cancelled,
    min(accepted_at_ms) filter (where state in ('accepted', 'placed')) as "oldestAtMs"
  from job where tenant_id = ${tenantId} and (accepted_at_ms >= ${sinceMs}::float8 or state in ('accepted', 'placed')) group by 1 order by 1`;

const readJobs = (tx: Sql, { tenantId, rows, state, lane, batchId }: OverviewInput): Promise<JobOverview[]> => tx<JobOverview[]>`
  select id, batch_id as "batchId", custom_id as "customId", model, endpoint, state, lane, accepted_at_ms as "acceptedAtMs",
    deadline_at_ms as "deadlineAtMs", ended_at_ms as "endedAtMs"
  from job where tenant_id = ${tenantId}
    ${state === undefined ? tx`` : tx`and state = ${state}`}
    ${lane === undefined ? tx`` : lane === "waiting" ? tx`and lane is null` : tx`and lane = ${lane}`}
    ${batchId === undefined ? tx`` : tx`and batch_id = ${batchId}`}
  order by id desc limit ${rows}`;

const readSums = (
  tx: Sql,
  { tenantId, sinceMs }: OverviewInput,
): Promise<{ lane: string; account: string; emulated: boolean; amountNano: bigint }[]> => tx`
  select t.lane, e.account, t.emulated, sum(e.amount_nano)::int8 as "amountNano" from ledger_txn t join ledger_entry e on e.txn_id = t.id
  where t.tenant_id = ${tenantId} and t.at_ms >= ${sinceMs}::float8 group by t.lane, e.account, t.emulated`;

async function readFacts(tx: Sql, { tenantId, nowMs, sinceMs }: OverviewInput): Promise<OverviewFacts> {
  const [row] = await tx<OverviewFacts[]>`
    select d.*,
      (select coalesce(bool_or(emulated), false) from ledger_txn where tenant_id = ${tenantId} and at_ms >= ${sinceMs}::float8) as emulated,
      (select count(*)::int from ledger_txn where tenant_id = ${tenantId} and at_ms >= ${sinceMs}::float8 and not priced) as unpriced,
      (select count(*)::int from attempt where tenant_id = ${tenantId} and state = 'unknown') as suspense,
      (select coalesce(sum(estimate_nano), 0)::int8 from attempt where tenant_id = ${tenantId} and state = 'unknown') as "suspenseNano",
      (select count(*)::int from attempt where tenant_id = ${tenantId} and state = 'answered') as unsettled
    from (
      select count(*)::int as "withDeadline",
        count(*) filter (where state = 'completed' and ended_at_ms <= deadline_at_ms)::int as met,
        count(*) filter (where coalesce(ended_at_ms, ${nowMs}::float8) > deadline_at_ms)::int as missed,
        count(*) filter (where state in ('accepted', 'placed') and deadline_at_ms >= ${nowMs}::float8)::int as running,
        count(*) filter (where state in ('accepted', 'placed') and deadline_at_ms >= ${nowMs}::float8
          and deadline_at_ms - ${nowMs}::float8 < 0.1 * (deadline_at_ms - accepted_at_ms))::int as soon
      from job where tenant_id = ${tenantId} and deadline_at_ms is not null and (accepted_at_ms >= ${sinceMs}::float8 or state in ('accepted', 'placed'))
    ) d`;
  if (!row) throw new Error("a query without a where clause of its own returns one row");
  return row;
}

type BatchRow = Omit<BatchOverview, "completed" | "failed" | "cancelled" | "placed" | "accepted" | "lanes" | "phases">;

/** Lines are counted for the listed batches alone, and asked about their dispatch only while they run. */
async function readBatches(tx: Sql, { tenantId }: OverviewInput): Promise<BatchOverview[]> {
  const batches = await tx<BatchRow[]>`
    select id, endpoint, state, model, total, deadline_at_ms as "deadlineAtMs", created_at_ms as "createdAtMs", ended_at_ms as "endedAtMs"
    from batch where tenant_id = ${tenantId} and deleted_at_ms is null order by created_at_ms desc, id desc limit ${BATCHES}`;
  if (batches.length === 0) return [];
  const ids = batches.map((row) => row.id);
  const [counts, phases] = await Promise.all([
    tx<{ id: string; state: string; lane: string; jobs: number }[]>`
      select batch_id as id, state, coalesce(lane, 'waiting') as lane, count(*)::int as jobs
      from job where batch_id = any(${ids}::text[]) and tenant_id = ${tenantId} group by 1, 2, 3 order by 3`,
    tx<(BatchPhase & { id: string })[]>`
      select j.batch_id as id, d.lane, d.state, d.provider_status as "providerStatus", count(*)::int as jobs
      from job j join attempt a on a.id = j.attempt_id join dispatch d on d.id = a.dispatch_id
      where j.batch_id = any(${ids}::text[]) and j.tenant_id = ${tenantId} and j.state = 'placed' group by 1, 2, 3, 4 order by 5 desc`,
  ]);
  return batches.map((row) => {
    const mine = counts.filter((count) => count.id === row.id);
    const of = (state: string): number => mine.reduce((sum, count) => sum + (count.state === state ? count.jobs : 0), 0);
    const lanes = new Map<string, number>();
    for (const { lane, jobs } of mine) lanes.set(lane, (lanes.get(lane) ?? 0) + jobs);
    return {
      ...row,
      completed: of("completed"),
      failed: of("failed"),
      cancelled: of("cancelled"),
      placed: of("placed"),
      accepted: of("accepted"),
      lanes: [...lanes].map(([lane, jobs]) => ({ lane, jobs })),
      phases: phases.filter((phase) => phase.id === row.id).map(({ lane, state, providerStatus, jobs }) => ({ lane, state, providerStatus, jobs })),
    };
  });
}
