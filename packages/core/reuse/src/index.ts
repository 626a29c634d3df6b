/**
 * Reuse: when an answer may be given again, and by which key it is found. Exact by construction: the key is a digest of the whole
 * question of one tenant, and only what cannot change the answer is left out of it.
 */
export { canonicalBody } from "./canonical.ts";
export { type ReuseQuestion, reuseKey } from "./key.ts";
export { finishOf, mayKeep, mayReuse, type ReuseMode, readReuseMode } from "./may.ts";
