import { PROVIDER_NAME, type Provider } from "./endpoints.ts";

/**
 * The accounts of a settlement. A settlement is one balanced transaction, and its balance is the savings waterfall:
 * −list + Σ savings − waste + Σ paid = 0. `list` holds the baseline with a minus, `saving.*` what each mechanism took off,
 * `waste` what was paid beyond the answer (with a minus), `payable.*` what is owed to whom.
 */
export type LedgerAccount = "list" | (typeof SAVING_ACCOUNTS)[number] | `payable.${Provider}`;

/** What stands between the list price and what was paid, in the order in which it is shown. */
export const SAVING_ACCOUNTS = [
  "saving.cache",
  "saving.routing",
  "saving.context",
  "saving.batch",
  "saving.flex",
  "saving.pool",
  "saving.prompt-cache",
  "waste",
] as const;

/** True for a word that names a ledger account. */
export const isAccount = (word: string): word is LedgerAccount =>
  word === "list" || (SAVING_ACCOUNTS as readonly string[]).includes(word) || (word.startsWith("payable.") && PROVIDER_NAME.test(word.slice(8)));

/** One line of the waterfall, in the order in which it is shown. */
export interface WaterfallLine {
  readonly account: LedgerAccount;
  readonly amountNano: bigint;
}

/** List price, the lines in order (savings positive, waste negative), and what was paid: list − savings + waste = paid. */
export interface Waterfall {
  readonly listNano: bigint;
  readonly lines: readonly WaterfallLine[];
  readonly paidNano: bigint;
}
