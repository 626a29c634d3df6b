import { expireResults, type Store } from "@slowboat/store";

/**
 * Forgets what has outlived its retention: answers and request bodies past `result.expires_at_ms`. Usage, ledger and the fact that the job ran
 * stay. Bounded by `limit` rows a call; returns how many were forgotten.
 */
export const sweepRetention = (store: Store, nowMs: number, limit = 500): Promise<number> => expireResults(store.sql, { nowMs, limit });
