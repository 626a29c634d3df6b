import { laneProvider } from "@slowboat/contract";
import { assert, fault } from "@slowboat/kernel";
import { type BudgetAt, clearSuspended, type LedgerPosting, postLedger, type Sql, type SuspendedAttempt, settleHolds } from "@slowboat/store";

/** What the provider's bill says of an attempt in suspense. */
export interface Clearing {
  readonly attempt: SuspendedAttempt;
  readonly outcome: "charged" | "not-charged";
  /** What the provider took; 0 where it took nothing. */
  readonly amountNano: bigint;
  /** Where that is written: an invoice, a page of the provider's, a ticket. */
  readonly evidence: string;
}

/**
 * Ends attempts in suspense by what the provider's bill says. A charge goes into the ledger as waste, since its job was answered by another attempt or failed; nothing is
 * posted where nothing was charged. One whose provider batch is still looked for is refused: its answer may come. Run twice it changes nothing. Returns the ids that were cleared.
 */
export async function clearSuspense(tx: Sql, clearings: readonly Clearing[], at: BudgetAt): Promise<string[]> {
  for (const { attempt, outcome, amountNano } of clearings) {
    assert(outcome === "charged" ? amountNano > 0n : amountNano === 0n, "a charge has an amount, and what was not charged has none");
    if (attempt.sought)
      throw fault("invalid-request", {
        message: `${attempt.attemptId} is a line of the provider's batch ${attempt.batchRef ?? ""}, which is still looked for: its answer may come. Clear it when the batch has ended.`,
      });
  }
  const rows = clearings.map(({ attempt, outcome, amountNano, evidence }) => {
    return { attemptId: attempt.attemptId, tenantId: attempt.tenantId, outcome, amountNano, evidence };
  });
  const taken = new Set(await clearSuspended(tx, rows, at.nowMs));
  const charged = clearings.filter(({ attempt, outcome }) => outcome === "charged" && taken.has(attempt.attemptId));
  await postLedger(tx, charged.map(toPosting), at.nowMs);
  // What budgets held for them is spent now, or given back.
  const gone = clearings.filter(({ attempt }) => taken.has(attempt.attemptId));
  const paid = charged.map(({ attempt, amountNano }) => ({ jobId: attempt.jobId, attemptId: attempt.attemptId, nano: amountNano }));
  await settleHolds(tx, { subjects: gone.map(({ attempt }) => attempt.jobId), paid }, at);
  return [...taken];
}

function toPosting({ attempt, amountNano }: Clearing): LedgerPosting {
  const entries = [
    { account: `payable.${laneProvider(attempt.lane)}`, amountNano },
    { account: "waste", amountNano: -amountNano },
  ];
  const { attemptId, jobId, tenantId, lane, model, pricesVersion, emulated } = attempt;
  const digest = entries.map((entry) => `${entry.account}=${entry.amountNano}`).join(";");
  return {
    id: `adjust:${attemptId}`,
    kind: "adjust",
    attemptId,
    jobId,
    tenantId,
    lane,
    model,
    pricesVersion,
    emulated,
    digest,
    priced: true,
    entries,
  };
}
