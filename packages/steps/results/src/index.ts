/**
 * The results step: what an answer makes of its job, and what a batch's answers make of its files. Its functions take `(tx, input)`
 * and are joined with ledger and webhook by the results service.
 */
export { drawnPairs } from "./drawn-pairs.ts";
export { createFinaliser, type Finaliser } from "./finalise.ts";
export { type Declined, judgeFirst } from "./judge-first.ts";
export { loggedOutcome, outcomeOf, type SettlementFacts } from "./outcome.ts";
export { type LoggedCall, recordLogged, recordOutcomes } from "./record.ts";
export { type Forgotten, sweepRetention } from "./retention.ts";
