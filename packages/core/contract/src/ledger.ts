/**
 * The accounts of a settlement. A settlement is one balanced transaction, and its balance is the savings waterfall:
 * −list + Σ savings − waste + Σ paid = 0. `list` holds the baseline with a minus, `saving.*` what each mechanism took off,
 * `waste` what was paid beyond the answer (with a minus), `payable.*` what is owed to whom.
 */
export const ACCOUNTS = [
  "list",
  "saving.cache",
  "saving.routing",
  "saving.context",
  "saving.batch",
  "saving.flex",
  "saving.pool",
  "saving.prompt-cache",
  "waste",
  "payable.openai",
  "payable.anthropic",
  "payable.pool",
] as const;

export type LedgerAccount = (typeof ACCOUNTS)[number];

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
