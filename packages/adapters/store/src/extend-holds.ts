import { formatUsd, nano } from "@slowboat/kernel";
import { type ExtendAsk, extendAll } from "@slowboat/pricing";
import { type BudgetAt, budgetName, closeChains, type LockedBudget, lockBudgets, openChains } from "./budget-entries.ts";
import type { Sql } from "./connect.ts";
import { MAY_BE_CHARGED } from "./settle-holds.ts";

interface HeldFor extends ExtendAsk {
  readonly budgetId: string;
  readonly period: string;
}

/**
 * Before another attempt of jobs that had one is placed: holds for it what was held for the first, unless what is held covers it and every attempt that may still be
 * charged. Each job whole in all of its budgets, in the period in which it was accepted, or not at all. Returns by job the reason of those that do not fit; run
 * twice it holds nothing more. To be called in the transaction that places, which then has these budgets locked until it ends.
 */
export async function extendHolds(tx: Sql, jobIds: readonly string[], at: BudgetAt): Promise<Map<string, string>> {
  if (jobIds.length === 0) return new Map();
  const ids = await tx<{ id: string }[]>`select distinct budget_id as id from budget_entry where subject_id = any(${jobIds as string[]}::text[])`;
  const budgets = await lockBudgets(tx, ids.map(({ id }) => id).sort());
  if (budgets.length === 0) return new Map();
  const held = await readHeldFor(tx, jobIds);
  const wanted = new Map(held.map((row) => [chainKey(row), row]));
  const opened = await openChains(
    tx,
    [...wanted.values()].flatMap(({ budgetId, period }) => budgets.filter(({ id }) => id === budgetId).map((budget) => ({ budget, period }))),
  );
  const chains = new Map(opened.map((chain) => [`${chain.view.id} ${chain.view.period}`, chain]));
  const refused = new Map<string, string>();
  for (const [jobId, rows] of Map.groupBy(held, (row) => row.subjectId)) {
    const asks = rows.flatMap((row) => chains.get(chainKey(row)) ?? []).map((chain, index) => ({ chain, ask: rows[index] as HeldFor }));
    const without = extendAll(asks);
    if (without !== null) refused.set(jobId, refusal(without, budgets));
  }
  await closeChains(tx, opened, budgets, at);
  return refused;
}

const chainKey = ({ budgetId, period }: Pick<HeldFor, "budgetId" | "period">): string => `${budgetId} ${period}`;

/** What is held for jobs, what was held for each at first, and how many of their attempts may still be charged. */
const readHeldFor = (tx: Sql, jobIds: readonly string[]): Promise<HeldFor[]> => tx<HeldFor[]>`
  select e.*, coalesce(a.n, 0) as "mayBeCharged"
  from (
    select subject_id as "subjectId", budget_id as "budgetId", period, sum(held_nano)::int8 as "heldNano",
      coalesce(sum(held_nano) filter (where kind in ('reserve', 'move') and held_nano >= 0), 0)::int8 as "attemptNano"
    from budget_entry where subject_id = any(${jobIds as string[]}::text[]) group by 1, 2, 3) e
  left join lateral (
    select count(*)::int as n from attempt where job_id = e."subjectId" and state = any(${MAY_BE_CHARGED as string[]}::text[]) and source_attempt_id is null) a on true
  order by 1, 2, 3`;

function refusal({ budgetId, leftNano }: { readonly budgetId: string; readonly leftNano: bigint }, budgets: readonly LockedBudget[]): string {
  const budget = budgets.find((one) => one.id === budgetId) as LockedBudget;
  const left = formatUsd(nano(leftNano > 0n ? leftNano : 0n));
  return `Another attempt does not fit into the ${budgetName(budget)} beside what may still be charged for the last: ${left} of ${formatUsd(nano(budget.amountNano ?? 0n))} USD left.`;
}
