/**
 * Semantic reuse: whether the answer of a question asked before may be given to one that only means the same. A verifier judges the nearest entries, a
 * threshold under conformal risk control holds wrong answers to the share that the tenant allowed, a logged share of would-be hits is asked anew to keep
 * learning, and vetoes stand above both. Pure: vectors are searched elsewhere, the state is data.
 */
export { decideReuse } from "./decide.ts";
export { grayShare, type Judged, judgeMayHelp, learnVerdict, takeVerdict } from "./gray.ts";
export { guard } from "./guard.ts";
export { readState, writeState } from "./keep-state.ts";
export { complain, learn, noteReuse, teach } from "./learn.ts";
export { contextDigest, type Standalone, standaloneText } from "./standalone-text.ts";
export { emptyState, type ReuseState } from "./state.ts";
export { ttlOf } from "./ttl-of.ts";
export type { Neighbour, ReuseAsk, ReuseDecision, ReuseLabel } from "./types.ts";
