import { type BudgetPeriod, type EventFacts, eventPayload } from "@slowboat/contract";
import { formatUsd, hexOf, nano, sha256 } from "@slowboat/kernel";
import { type BudgetChain, type BudgetEntry, type BudgetView, budgetChain, periodOf, reachedAlert } from "@slowboat/pricing";
import { readTops } from "./budgets.ts";
import type { Sql } from "./connect.ts";
import { announceEvents } from "./webhook-events.ts";

/** When something is written: job and machine time. */
export interface BudgetAt {
  readonly nowMs: number;
  readonly realMs: number;
}

/** A budget whose row is locked until the transaction ends, with what names it to people. */
export interface LockedBudget {
  readonly id: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly projectId: string | null;
  readonly projectName: string | null;
  readonly period: BudgetPeriod;
  readonly amountNano: bigint | null;
  readonly hard: boolean;
  readonly alertAt: number | null;
  readonly callbackUrl: string | null;
  readonly keyId: string | null;
}

/** Locks budgets in the order of their ids, so that two that need the same never wait for each other, and reads them as they are then. */
export async function lockBudgets(tx: Sql, ids: readonly string[]): Promise<LockedBudget[]> {
  if (ids.length === 0) return [];
  return await tx<LockedBudget[]>`
    select b.id, b.tenant_id as "tenantId", n.name as "tenantName", b.project_id as "projectId", p.name as "projectName", b.period, b.amount_nano as "amountNano",
      b.hard, b.alert_at as "alertAt", b.callback_url as "callbackUrl", b.key_id as "keyId"
    from budget b join tenant n on n.id = b.tenant_id left join project p on p.id = b.project_id
    where b.id = any(${ids as string[]}::text[]) order by b.id for update of b`;
}

/** Opens the chains of locked budgets in the periods that are asked for; by budget and period. */
export async function openChains(tx: Sql, wanted: readonly { readonly budget: LockedBudget; readonly period: string }[]): Promise<BudgetChain[]> {
  const tops = new Map<string, BudgetView["top"]>();
  for (const period of new Set(wanted.map((one) => one.period))) {
    const ids = wanted.filter((one) => one.period === period).map(({ budget }) => ({ id: budget.id, period }));
    for (const [id, top] of await readTops(tx, ids)) tops.set(`${id} ${period}`, top);
  }
  return wanted.map(({ budget, period }) =>
    budgetChain({
      id: budget.id,
      period,
      // One that was taken back refuses nothing; its books are kept to their end.
      amountNano: budget.amountNano ?? 0n,
      hard: budget.hard && budget.amountNano !== null,
      alertAt: budget.amountNano === null ? null : budget.alertAt,
      top: tops.get(`${budget.id} ${period}`) ?? { seq: 0n, heldNano: 0n, spentNano: 0n },
    }),
  );
}

/** Writes down what was added to chains in one statement, and announces each budget that reached its alert share, once a period. */
export async function closeChains(tx: Sql, chains: readonly BudgetChain[], budgets: readonly LockedBudget[], at: BudgetAt): Promise<void> {
  await insertEntries(
    tx,
    chains.flatMap((chain) => chain.entries),
    at.nowMs,
  );
  await alert(
    tx,
    chains.filter((chain) => chain.entries.length > 0 && reachedAlert(chain)),
    budgets,
    at,
  );
}

async function insertEntries(tx: Sql, rows: readonly BudgetEntry[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  const big = (key: "seq" | "heldNano" | "spentNano" | "heldAfterNano" | "spentAfterNano"): string[] => rows.map((row) => row[key].toString());
  await tx`
    insert into budget_entry (budget_id, period, seq, kind, subject_id, attempt_id, held_nano, spent_nano, held_after_nano, spent_after_nano, at_ms)
    select t.*, ${nowMs}::float8 from unnest(${rows.map((x) => x.budgetId)}::text[], ${rows.map((x) => x.period)}::text[], ${big("seq")}::text[]::int8[],
      ${rows.map((x) => x.kind)}::text[], ${rows.map((x) => x.subjectId)}::text[], ${rows.map((x) => x.attemptId)}::text[], ${big("heldNano")}::text[]::int8[],
      ${big("spentNano")}::text[]::int8[], ${big("heldAfterNano")}::text[]::int8[], ${big("spentAfterNano")}::text[]::int8[]) as t`;
}

/** What a budget is called in a message: its scope, by name, and its period. */
export const budgetName = ({ tenantName, projectName, period }: Pick<LockedBudget, "tenantName" | "projectName" | "period">): string =>
  `${period === "total" ? "total" : period === "day" ? "daily" : "monthly"} budget of ${projectName === null ? `tenant '${tenantName}'` : `project '${projectName}'`}`;

async function alert(tx: Sql, chains: readonly BudgetChain[], budgets: readonly LockedBudget[], at: BudgetAt): Promise<void> {
  for (const { view, top } of chains) {
    const budget = budgets.find((one) => one.id === view.id);
    if (budget === undefined) continue;
    const usedNano = top().heldNano + top().spentNano;
    const first = await tx`
      insert into budget_alert (budget_id, period, used_nano, amount_nano, at_ms)
      values (${view.id}, ${view.period}, ${usedNano.toString()}::int8, ${view.amountNano.toString()}::int8, ${at.nowMs}::float8) on conflict do nothing`;
    if (first.count === 0 || budget.callbackUrl === null || budget.keyId === null) continue;
    // Made of what it tells of, so that it can be told once only.
    const subjectId = `${view.id} ${view.period}`;
    const eventId = `evt_${hexOf(sha256(subjectId)).slice(0, 32)}`;
    const facts: EventFacts = {
      eventId,
      type: "budget.alert",
      createdAtMs: at.nowMs,
      subjectId: view.id,
      version: Number(top().seq),
      budget: {
        name: budgetName(budget),
        period: view.period,
        renewsAtMs: periodOf(budget.period, at.nowMs).endsAtMs,
        usedUsd: formatUsd(nano(usedNano)),
        amountUsd: formatUsd(nano(view.amountNano)),
      },
    };
    const event = { id: eventId, tenantId: budget.tenantId, keyId: budget.keyId, subjectId, url: budget.callbackUrl, type: facts.type };
    await announceEvents(tx, [{ ...event, payload: eventPayload(facts) }], at);
  }
}
