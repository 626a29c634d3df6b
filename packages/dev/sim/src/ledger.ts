/** An account and what is added to it, in nano-USD. */
export type Entry = readonly [account: string, nano: bigint];

/** The world's ledger: accounts that only postings change, each of them summing to zero. */
export interface SimLedger {
  post(entries: readonly Entry[]): void;
  balance(account: string): bigint;
  /** The sum over all accounts. */
  total(): bigint;
}

export function createLedger(): SimLedger {
  const accounts = new Map<string, bigint>();
  let total = 0n;
  return {
    post(entries) {
      for (const [account, nano] of entries) {
        accounts.set(account, (accounts.get(account) ?? 0n) + nano);
        total += nano;
      }
    },
    balance: (account) => accounts.get(account) ?? 0n,
    total: () => total,
  };
}
