/** The ledger step: turns what was settled into balanced postings, and holds the books against the provider's bill. The only writer of money. */
export { type Clearing, clearSuspense } from "./clear-suspense.ts";
export { postSettlements, type SettlementRow } from "./post.ts";
export { type Bill, type Difference, type Reconciliation, reconcile } from "./reconcile.ts";
