import { beginPriming, type ReplannedJob, type Sql } from "@slowboat/store";
import type { HeldGroup } from "./plan-batches.ts";

/** How soon (job ms) lines are looked at again whose priming line was held back itself, for want of budget. */
const AGAIN_MS = 60_000;
const UNLED = "waits for the line that was to put the beginning of its prompt into the provider's cache";
const PRIMING = "waits until a batch before it has put the beginning of its prompt into the provider's cache";

/**
 * Writes down which prefixes the priming batches just placed will bring, in the transaction that placed them, and says until when their
 * other lines wait: until the batch has ended, or until they are looked at again, whichever comes first.
 */
export async function holdPrimed(
  tx: Sql,
  groups: readonly HeldGroup[],
  dispatchOf: ReadonlyMap<string, string>,
  nowMs: number,
): Promise<ReplannedJob[]> {
  const begun: Parameters<typeof beginPriming>[1][number][] = [];
  const held: ReplannedJob[] = [];
  for (const { leaderJobId, dispatchId, prefix, ttl, jobs, lookAtMs } of groups) {
    const heldFor = leaderJobId === null ? dispatchId : dispatchOf.get(leaderJobId);
    if (heldFor == null) {
      for (const { job } of jobs) held.push({ jobId: job.id, atMs: Math.min(lookAtMs, nowMs + AGAIN_MS), waitReason: UNLED });
      continue;
    }
    if (leaderJobId !== null) begun.push({ ...prefix, dispatchId: heldFor, ttl });
    for (const { job } of jobs) held.push({ jobId: job.id, atMs: lookAtMs, heldFor, waitReason: PRIMING });
  }
  await beginPriming(tx, begun, nowMs);
  return held;
}
