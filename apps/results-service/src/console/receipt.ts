import { isAccount } from "@slowboat/contract";
import { waterfallOf } from "@slowboat/pricing";

interface Entry {
  readonly account: string | null;
  readonly amountNano: bigint | null;
}

/** Ledger entries as a receipt in strings of nano-USD, since JSON has no bigint: list − Σ lines = paid. */
export function receiptObject(entries: readonly Entry[]) {
  const known = entries.flatMap(({ account, amountNano }) =>
    account !== null && isAccount(account) ? [{ account, amountNano: amountNano ?? 0n }] : [],
  );
  const fold = waterfallOf(known);
  return {
    list_nano_usd: fold.listNano.toString(),
    paid_nano_usd: fold.paidNano.toString(),
    lines: fold.lines.map((line) => ({ account: line.account, nano_usd: line.amountNano.toString() })),
  };
}

/** The receipt of one job or batch; `null` before the first settlement. Without a price it says so and holds no sums. */
export function settledReceipt(rows: readonly (Entry & { readonly priced: boolean; readonly emulated: boolean })[]) {
  if (rows.length === 0) return null;
  return { priced: rows.every((row) => row.priced), emulated: rows.some((row) => row.emulated), ...receiptObject(rows) };
}
