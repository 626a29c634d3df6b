import { type Fault, fault, formatUsd, nano } from "@slowboat/kernel";
import { type HoldRefusal, holdAll, periodOf } from "@slowboat/pricing";
import { type BudgetAt, budgetName, closeChains, type LockedBudget, lockBudgets, openChains } from "./budget-entries.ts";
import { defaultProject } from "./budgets.ts";
import type { Sql } from "./connect.ts";

/** Something that is accepted in the same transaction, if it fits. */
export interface Reservation {
  /** A job, or a batch whose lines get their parts of it. */
  readonly subjectId: string;
  readonly tenantId: string;
  readonly keyId: string;
  /** The rescue price; `null` where it has none. */
  readonly amountNano: bigint | null;
  /** Told with a refusal: a sentence on how the amount came about. */
  readonly note?: string | undefined;
}

/**
 * Holds the rescue price of what is being accepted in every budget that it counts against, in the order given, each whole or not at all. To be called in the
 * transaction that accepts, which then has the budgets locked until it ends. Returns for each what it is refused with, or `null`; what is held for
 * already is not held for again.
 */
export async function reserveBudgets(tx: Sql, rows: readonly Reservation[], at: BudgetAt): Promise<(Fault | null)[]> {
  if (rows.length === 0) return [];
  const found = await budgetsOf(tx, rows);
  const budgets = await lockBudgets(tx, [...new Set([...found.values()].flat())].sort());
  if (budgets.length === 0) return rows.map(() => null);
  const known = new Set(
    (
      await tx<{ id: string }[]>`
        select subject_id as id from budget_entry where subject_id = any(${rows.map((row) => row.subjectId)}::text[]) and kind in ('reserve', 'move') and held_nano >= 0`
    ).map(({ id }) => id),
  );
  const opened = await openChains(
    tx,
    budgets.filter((budget) => budget.amountNano !== null).map((budget) => ({ budget, period: periodOf(budget.period, at.nowMs).key })),
  );
  const chains = new Map(opened.map((chain) => [chain.view.id, chain]));
  // A subject that stands twice among the rows is held for once.
  const once = new Set(known);
  const asks = rows.map((row) => {
    const again = once.has(row.subjectId);
    once.add(row.subjectId);
    return { ...row, budgetIds: again ? [] : (found.get(row.keyId) ?? []) };
  });
  const outcomes = holdAll(chains, asks);
  const held = asks.filter(({ budgetIds }, index) => budgetIds.some((id) => chains.has(id)) && outcomes[index] === null).map((ask) => ask.subjectId);
  await noteOpen(tx, held);
  await closeChains(tx, opened, budgets, at);
  return outcomes.map((refused, index) => (refused === null ? null : refusal(refused, budgets, { nowMs: at.nowMs, note: rows[index]?.note })));
}

/** Marks subjects that something is held for, so that their end is noticed. */
export async function noteOpen(tx: Sql, subjectIds: readonly string[]): Promise<void> {
  if (subjectIds.length === 0) return;
  await tx`insert into budget_open (subject_id) select * from unnest(${subjectIds as string[]}::text[]) on conflict do nothing`;
}

/** The budgets that the keys' work counts against: their tenant's, and their project's. */
async function budgetsOf(tx: Sql, rows: readonly Reservation[]): Promise<Map<string, string[]>> {
  const tenants = [...new Set(rows.map((row) => row.tenantId))];
  const found = await tx<{ id: string; tenantId: string; projectId: string | null }[]>`
    select id, tenant_id as "tenantId", project_id as "projectId" from budget where tenant_id = any(${tenants}::text[]) and amount_nano is not null`;
  if (found.length === 0) return new Map();
  const keys = await tx<{ id: string; tenantId: string; projectId: string | null }[]>`
    select id, tenant_id as "tenantId", project_id as "projectId" from api_key where id = any(${[...new Set(rows.map((row) => row.keyId))]}::text[])`;
  return new Map(
    keys.map((key) => {
      const project = key.projectId ?? defaultProject(key.tenantId);
      const mine = found.filter((budget) => budget.tenantId === key.tenantId && (budget.projectId === null || budget.projectId === project));
      return [key.id, mine.map((budget) => budget.id)];
    }),
  );
}

/** What a caller is told of a budget without room: which, what is left, what was needed and when it renews. */
function refusal(
  { budgetId, leftNano, unpriced }: HoldRefusal,
  budgets: readonly LockedBudget[],
  { nowMs, note }: { readonly nowMs: number; readonly note: string | undefined },
): Fault {
  const budget = budgets.find((one) => one.id === budgetId) as LockedBudget;
  const { endsAtMs } = periodOf(budget.period, nowMs);
  const left = formatUsd(nano(leftNano > 0n ? leftNano : 0n));
  const renews = endsAtMs === null ? null : new Date(endsAtMs).toISOString();
  const why = unpriced
    ? "The model has no price, so a hard budget cannot hold anything for it"
    : "What the request may cost does not fit into what is left";
  return fault("budget-exceeded", {
    message: `${why}: ${budgetName(budget)}, ${left} of ${formatUsd(nano(budget.amountNano ?? 0n))} USD left${renews === null ? "" : `, renews at ${renews}`}.${unpriced ? "" : (note ?? "")}`,
    extra: { budget: budget.id, left_usd: left, renews_at: renews },
  });
}
