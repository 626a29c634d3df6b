/**
 * Route learning: labels for the router out of the tenant's own traffic. What was drawn is asked of the other candidates as well, at batch price; the answers are
 * compared by what is written, by a judge, or by what they mean; a user's word goes before them. A detector closes a policy whose losses betray that
 * the traffic has changed, and what was learned is trained in a thread of its own.
 */
export type { PairDeps, PairErrand } from "./deps.ts";
export { learnPairs, type PairTurn } from "./learn-pairs.ts";
export { type GradedRequest, LABELS_MAX, labelOf, packLabel } from "./stored-label.ts";
export { type TrainDeps, trainDue } from "./train-due.ts";
export { costShares, type ToTrain, trainRoute } from "./train-route.ts";
