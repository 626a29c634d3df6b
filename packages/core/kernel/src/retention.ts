import { LIMITS } from "./limits.ts";

const DAY_MS = 86_400_000;

/**
 * How long (job ms) content is kept after its job or batch has ended, for a tenant that keeps it `days` days. 0 means no longer than it
 * takes to fetch: an hour, since an answer that was gone at its end could be read by nobody.
 */
export const retentionMs = (days: number): number => Math.max(days * DAY_MS, LIMITS.retentionMinMs);
