import { realisedError } from "@slowboat/reuse";
import type { Clock } from "@slowboat/runtime";
import {
  type BatchFaults,
  type BatchOverview,
  countLateBatches,
  countReuse,
  listBudgets,
  listFamilies,
  type Overview,
  readBatchFaults,
  readJobMoney,
  readNewest,
  readOverview,
  readShadow,
  type Sql,
  type Store,
  shadowReports,
} from "@slowboat/store";
import { receiptObject } from "./receipt.ts";
import { chooseWindow } from "./window.ts";

const ROWS = 50;
const FAULTS_KEPT = 1_000;
/** Policies that are shown: the ones counted last. */
const SHADOWS = 3;

interface Asked {
  readonly tenantId: string;
  readonly window: string | undefined;
  readonly state: string | undefined;
  readonly lane: string | undefined;
  readonly batchId: string | undefined;
}

/** Reads the console's page for one tenant. A refused batch never changes, so its first fault is read once and kept. */
export function overviewReader(deps: { readonly store: Store; readonly clock: Clock }) {
  const kept = new Map<string, BatchFaults>();

  const faultsOf = async (tenantId: string, batches: readonly BatchOverview[]): Promise<void> => {
    if (kept.size > FAULTS_KEPT) kept.clear();
    const ids = batches.flatMap((batch) => (batch.state === "failed" && !kept.has(batch.id) ? [batch.id] : []));
    for (const faults of await readBatchFaults(deps.store.sql, { tenantId, ids, most: 1 })) kept.set(faults.id, faults);
  };

  return async (asked: Asked) => {
    const { tenantId, window: wish, ...wished } = asked;
    const nowMs = deps.clock.job();
    const newestAtMs = await readNewest(deps.store.sql, { tenantId });
    const window = chooseWindow(wish, { nowMs, newestAtMs });
    const filters = Object.fromEntries(Object.entries(wished).filter(([, word]) => word !== undefined && word !== ""));
    const overview = await deps.store.begin((tx) => readOverview(tx, { tenantId, nowMs, sinceMs: window.sinceMs, rows: ROWS, ...filters }));
    const jobs = overview.jobs.filter((job) => job.acceptedAtMs >= window.sinceMs || job.endedAtMs === null);
    const batches = overview.batches.filter((batch) => batch.createdAtMs >= window.sinceMs || batch.endedAtMs === null);
    const [money, lateBatches, reuse, shadows] = await Promise.all([
      readJobMoney(deps.store.sql, { tenantId, ids: jobs.map((job) => job.id) }),
      countLateBatches(deps.store.sql, { tenantId, sinceMs: window.sinceMs, nowMs }),
      reuseOf(deps.store.sql, { tenantId, sinceMs: window.sinceMs, nowMs }),
      shadowsOf(deps.store.sql, tenantId),
      faultsOf(tenantId, batches),
    ]);
    const paid = new Map(money.map((row) => [row.jobId, row]));
    return {
      now_ms: nowMs,
      scale: deps.clock.scale,
      window: { key: window.key, chosen: window.chosen, since_ms: window.sinceMs },
      newest_at_ms: newestAtMs,
      budgets: (await listBudgets(deps.store.sql, { tenantId, nowMs })).map((budget) => ({
        id: budget.id,
        project: budget.projectName,
        period: budget.period,
        hard: budget.hard,
        alert_at: budget.alertAt,
        alerted_at_ms: budget.alertedAtMs,
        renews_at_ms: budget.endsAtMs,
        amount_nano_usd: budget.amountNano.toString(),
        reserved_nano_usd: budget.heldNano.toString(),
        spent_nano_usd: budget.spentNano.toString(),
      })),
      rows: ROWS,
      ...totals(overview),
      deadlines: {
        with_deadline: overview.withDeadline,
        met: overview.met,
        missed: overview.missed,
        running: overview.running,
        soon: overview.soon,
        late_batches: lateBatches,
      },
      reuse,
      shadows,
      jobs: jobs.map((job) => ({ ...job, ...jobMoney(paid.get(job.id)) })),
      batches: batches.map((batch) => {
        const faults = kept.get(batch.id);
        return { ...batch, faults: faults === undefined ? null : { count: faults.count, first: faults.first } };
      }),
    };
  };
}

/** What reuse by meaning came to in a window; `null` for a tenant that never used it. */
async function reuseOf(sql: Sql, of: { readonly tenantId: string; readonly sinceMs: number; readonly nowMs: number }) {
  const [counts, families] = await Promise.all([countReuse(sql, of), listFamilies(sql, of)]);
  if (counts.asked === 0 && families.length === 0) return null;
  const { asked, reused, explored, wrong } = counts;
  return { asked, reused, explored, explored_wrong: wrong, error: realisedError(counts), families };
}

/** What policies that watch came to on the tenant's own jobs. */
async function shadowsOf(sql: Sql, tenantId: string) {
  const reports = shadowReports(await readShadow(sql, tenantId)).slice(0, SHADOWS);
  return reports.map(({ policy, fromMs, untilMs, decisions, agreed, differ, ...sums }) => ({
    values: JSON.parse(policy),
    ...{ fromMs, untilMs, decisions, agreed },
    expected_nano_usd: sums.expectedNano.toString(),
    shadow_expected_nano_usd: sums.shadowExpectedNano.toString(),
    differ: differ.map((row) => ({
      lane: row.lane,
      shadowLane: row.shadowLane,
      decisions: row.decisions,
      expected_nano_usd: row.expectedNano.toString(),
      shadow_expected_nano_usd: row.shadowExpectedNano.toString(),
    })),
  }));
}

const totals = (overview: Overview) => ({
  emulated: overview.emulated,
  paid_emulated_nano_usd: overview.paidEmulatedNano.toString(),
  unpriced: overview.unpriced,
  unsettled: overview.unsettled,
  suspense: { attempts: overview.suspense, nano_usd: overview.suspenseNano.toString() },
  lanes: overview.lanes,
  paid_by_lane: overview.paidByLane.map((row) => ({ lane: row.lane, nano_usd: row.paidNano.toString() })),
  receipt: receiptObject(overview.accounts),
});

/** What a job's row says of money: an amount, `null` while nothing is settled, and apart from both a model without a price. */
const jobMoney = (row: { readonly paidNano: bigint; readonly priced: boolean } | undefined) => ({
  paid_nano_usd: row?.priced ? row.paidNano.toString() : null,
  unpriced: row !== undefined && !row.priced,
});
