import type { BudgetWish } from "@slowboat/contract";
import { fault, formatUsd, nano, newId, type Rng } from "@slowboat/kernel";
import { type BudgetStanding, findProject, listBudgets, listKeys, type Sql, saveBudget } from "@slowboat/store";
import { readCallback } from "./submit.ts";

/**
 * Sets a tenant's budget in place of the one of the same scope and period, and returns it as it stands; `null` for one that was taken back. Its alert is
 * signed for `keyId`, or for the tenant's oldest live key.
 */
export async function setBudget(
  tx: Sql,
  of: { readonly tenantId: string; readonly tenantName: string; readonly keyId: string | null },
  wanted: BudgetWish,
  at: { readonly nowMs: number; readonly rng: Rng; readonly callbackAllow: readonly string[] },
): Promise<BudgetStanding | null> {
  const { tenantId, tenantName } = of;
  const callbackUrl = readCallback(wanted.callbackUrl, at.callbackAllow, "callback_url");
  const projectId = wanted.project === null ? null : await findProject(tx, { tenantId, name: wanted.project });
  if (wanted.project !== null && projectId === null)
    throw fault("not-found", {
      param: "project",
      message: `The tenant has no project '${wanted.project}'; a project is made with a key of its own: npx slowboat keys create --project NAME.`,
    });
  const live = of.keyId ?? (await listKeys(tx, tenantName)).findLast((key) => key.revokedAtMs === null)?.keyId ?? null;
  if (callbackUrl !== null && live === null)
    throw fault("invalid-request", { param: "callback_url", message: "The alert is signed for a key, and the tenant has none." });
  const { project: _name, ...terms } = wanted;
  const id = await saveBudget(tx, {
    id: newId("budget", at.nowMs, at.rng),
    tenantId,
    projectId,
    keyId: live,
    nowMs: at.nowMs,
    ...terms,
    callbackUrl,
  });
  return (await listBudgets(tx, { tenantId, nowMs: at.nowMs })).find((budget) => budget.id === id) ?? null;
}

const usd = (amount: bigint): string => formatUsd(nano(amount));

/** A budget as the API shows it: money as dollars in text, exact to the nano-dollar. */
export function budgetObject(budget: BudgetStanding): Record<string, unknown> {
  const { heldNano, spentNano, amountNano, endsAtMs, alertedAtMs } = budget;
  const left = amountNano - heldNano - spentNano;
  return {
    object: "budget",
    id: budget.id,
    scope: budget.projectId === null ? "tenant" : "project",
    project: budget.projectName,
    period: budget.period,
    amount_usd: usd(amountNano),
    hard: budget.hard,
    alert_at: budget.alertAt,
    callback_url: budget.callbackUrl,
    reserved_usd: usd(heldNano),
    spent_usd: usd(spentNano),
    left_usd: usd(left > 0n ? left : 0n),
    renews_at: endsAtMs === null ? null : new Date(endsAtMs).toISOString(),
    alerted_at: alertedAtMs === null ? null : new Date(alertedAtMs).toISOString(),
  };
}
