import { type BudgetAt, closeChains, lockBudgets, openChains } from "./budget-entries.ts";
import type { Sql } from "./connect.ts";
import { noteOpen } from "./reserve-budgets.ts";

/**
 * Moves what is held for a batch to its lines, in the transaction that inserts them: nothing more is held than before. In the period in which the batch was
 * reserved, whatever day it is by now. A batch that no budget holds for moves nothing.
 */
export async function moveHolds(
  tx: Sql,
  input: { readonly batchId: string; readonly lines: readonly { readonly jobId: string; readonly amountNano: bigint }[] },
  at: BudgetAt,
): Promise<void> {
  const { batchId, lines } = input;
  const ids = await tx<{ id: string }[]>`select distinct budget_id as id from budget_entry where subject_id = ${batchId}`;
  const budgets = await lockBudgets(tx, ids.map(({ id }) => id).sort());
  if (budgets.length === 0) return;
  const held = await tx<{ budgetId: string; period: string; heldNano: bigint }[]>`
    select budget_id as "budgetId", period, sum(held_nano)::int8 as "heldNano" from budget_entry where subject_id = ${batchId} group by 1, 2 order by 1, 2`;
  const chains = await openChains(
    tx,
    held.flatMap(({ budgetId, period }) => budgets.filter(({ id }) => id === budgetId).map((budget) => ({ budget, period }))),
  );
  for (const [index, chain] of chains.entries()) {
    let left = held[index]?.heldNano ?? 0n;
    const parts = lines.map(({ jobId, amountNano }) => {
      const part = amountNano < left ? amountNano : left;
      left -= part;
      return { jobId, part };
    });
    const moved = parts.reduce((sum, { part }) => sum + part, 0n);
    if (moved > 0n) chain.add({ kind: "move", subjectId: batchId, heldNano: -moved });
    for (const { jobId, part } of parts) chain.add({ kind: "move", subjectId: jobId, heldNano: part });
  }
  await noteOpen(
    tx,
    lines.map((line) => line.jobId),
  );
  await closeChains(tx, chains, budgets, at);
}
