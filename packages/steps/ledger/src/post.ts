import type { Settlement } from "@slowboat/pricing";
import { type LedgerPosting, postLedger, type Sql } from "@slowboat/store";

/** One attempt's settlement with what it belongs to. */
export interface SettlementRow {
  readonly kind: "settle" | "waste";
  readonly tenantId: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly lane: string;
  readonly model: string;
  readonly pricesVersion: string;
  readonly emulated: boolean;
  readonly settlement: Settlement;
}

/**
 * Posts settlements, each once: the id is derived from the attempt alone, so an attempt is billed once, as the answer or as waste; a repeated
 * settlement changes nothing and one with other amounts is refused as a bug. An unpriced one leaves a transaction without entries, which shows as unpriced and never as 0.
 * `fresh`: none of them can be posted yet (`isNotFresh`).
 */
export async function postSettlements(tx: Sql, rows: readonly SettlementRow[], atMs: number, fresh = false): Promise<number> {
  return await postLedger(tx, rows.map(toPosting), atMs, fresh);
}

function toPosting(row: SettlementRow): LedgerPosting {
  const entries = [...row.settlement.entries].sort((a, b) => (a.account < b.account ? -1 : 1));
  const digest = entries.map((entry) => `${entry.account}=${entry.amountNano}`).join(";");
  const { settlement, kind, ...facts } = row;
  return { ...facts, kind, id: `settle:${row.attemptId}`, digest, priced: settlement.priced, entries };
}
