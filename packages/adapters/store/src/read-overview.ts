import { idFloor } from "@slowboat/kernel";
import { countLines } from "./batches.ts";
import type { Sql } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";

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
  const [counts, jobs, batches, sums, money] = await Promise.all([
    readCounts(tx, input),
    readJobs(tx, input),
    readBatches(tx, input),
    readSums(tx, input),
    readMoney(tx, input),
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
  const total = (of: keyof DeadlineCounts): number => counts.reduce((sum, row) => sum + row[of], 0);
  return {
    lanes: counts.map(({ lane, live, completed, failed, cancelled, oldestAtMs }) => ({ lane, live, completed, failed, cancelled, oldestAtMs })),
    jobs,
    batches,
    accounts: [...accounts].map(([account, amountNano]) => ({ account, amountNano })),
    paidByLane: [...paid].map(([lane, paidNano]) => ({ lane, paidNano })),
    paidEmulatedNano,
    withDeadline: total("withDeadline"),
    met: total("met"),
    missed: total("missed"),
    running: total("running"),
    soon: total("soon"),
    ...money,
  };
}

type DeadlineCounts = Pick<OverviewFacts, "withDeadline" | "met" | "missed" | "running" | "soon">;

/** Counts the window's jobs by lane in one pass: those accepted in it by their ids, which are ordered by time, with the older ones that still run. */
const readCounts = (tx: Sql, { tenantId, nowMs, sinceMs }: OverviewInput): Promise<(LaneOverview & DeadlineCounts)[]> => tx<
  (LaneOverview & DeadlineCounts)[]
>`
  with mine as (
    select lane, state, accepted_at_ms, deadline_at_ms, ended_at_ms from job
    where tenant_id = ${tenantId} and id >= ${idFloor("job", Math.max(0, sinceMs))} and accepted_at_ms >= ${sinceMs}::float8 and surface <> ${ERRAND_SURFACE}
    union all
    select lane, state, accepted_at_ms, deadline_at_ms, ended_at_ms from job
    where tenant_id = ${tenantId} and batch_id is null and accepted_at_ms < ${sinceMs}::float8 and state in ('accepted', 'placed') and surface <> ${ERRAND_SURFACE}
    union all
    select j.lane, j.state, j.accepted_at_ms, j.deadline_at_ms, j.ended_at_ms from batch b join job j on j.batch_id = b.id
    where b.tenant_id = ${tenantId} and b.state in ('validating', 'in_progress', 'finalizing', 'cancelling') and j.accepted_at_ms < ${sinceMs}::float8
      and j.state in ('accepted', 'placed'))
  select coalesce(lane, 'waiting') as lane, count(*) filter (where state in ('accepted', 'placed'))::int as live,
    count(*) filter (where state = 'completed')::int as completed, count(*) filter (where state = 'failed')::int as failed,
    count(*) filter (where state = 'cancelled')::int as cancelled,
    min(accepted_at_ms) filter (where state in ('accepted', 'placed')) as "oldestAtMs",
    count(deadline_at_ms)::int as "withDeadline",
    count(*) filter (where state = 'completed' and ended_at_ms <= deadline_at_ms)::int as met,
    count(*) filter (where coalesce(ended_at_ms, ${nowMs}::float8) > deadline_at_ms)::int as missed,
    count(*) filter (where state in ('accepted', 'placed') and deadline_at_ms >= ${nowMs}::float8)::int as running,
    count(*) filter (where state in ('accepted', 'placed') and deadline_at_ms >= ${nowMs}::float8
      and deadline_at_ms - ${nowMs}::float8 < 0.1 * (deadline_at_ms - accepted_at_ms))::int as soon
  from mine group by 1 order by 1`;

const readJobs = (tx: Sql, { tenantId, rows, state, lane, batchId }: OverviewInput): Promise<JobOverview[]> => tx<JobOverview[]>`
  select id, batch_id as "batchId", custom_id as "customId", model, endpoint, state, lane, accepted_at_ms as "acceptedAtMs",
    deadline_at_ms as "deadlineAtMs", ended_at_ms as "endedAtMs"
  from job where tenant_id = ${tenantId} and surface <> ${ERRAND_SURFACE}
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

async function readMoney(tx: Sql, { tenantId, sinceMs }: OverviewInput): Promise<Omit<OverviewFacts, keyof DeadlineCounts>> {
  const [row] = await tx<Omit<OverviewFacts, keyof DeadlineCounts>[]>`
    select coalesce(t.emulated, false) as emulated, t.unpriced, u.suspense, u."suspenseNano",
      (select count(*)::int from unsettled w join attempt a on a.id = w.attempt_id where a.tenant_id = ${tenantId}) as unsettled
    from (
      select bool_or(emulated) as emulated, count(*) filter (where not priced)::int as unpriced from ledger_txn
      where tenant_id = ${tenantId} and at_ms >= ${sinceMs}::float8) t,
      (select count(*)::int as suspense, coalesce(sum(estimate_nano), 0)::int8 as "suspenseNano" from attempt
      where suspended_tenant = ${tenantId}) u`;
  if (!row) throw new Error("a query without a where clause of its own returns one row");
  return row;
}

type BatchRow = Omit<BatchOverview, "completed" | "failed" | "cancelled" | "placed" | "accepted" | "lanes" | "phases">;

/** Lines are counted for the listed batches alone and while they run, when their dispatch is asked about as well. */
async function readBatches(tx: Sql, { tenantId }: OverviewInput): Promise<BatchOverview[]> {
  const batches = await tx<BatchRow[]>`
    select id, endpoint, state, model, total, deadline_at_ms as "deadlineAtMs", created_at_ms as "createdAtMs", ended_at_ms as "endedAtMs"
    from batch where tenant_id = ${tenantId} and deleted_at_ms is null order by created_at_ms desc, id desc limit ${BATCHES}`;
  if (batches.length === 0) return [];
  const ids = batches.map((row) => row.id);
  const [counts, phases] = await Promise.all([
    countLines(tx, { tenantId, ids }),
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
