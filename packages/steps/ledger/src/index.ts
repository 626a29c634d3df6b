/** The ledger step: turns what was settled into balanced postings. The only writer of money. */
export { postSettlements, type SettlementRow } from "./post.ts";
