import type { BlobStore } from "@slowboat/blob";
import {
  findForgettableBatches,
  forgetDispatches,
  forgetEvents,
  forgetLines,
  forgetSingles,
  markForgotten,
  type RetentionBite,
  type Store,
} from "@slowboat/store";

/** What one sweep forgot. */
export interface Forgotten {
  readonly singles: number;
  readonly batches: number;
  readonly events: number;
  readonly dispatches: number;
}

/** Rows in one statement: few enough that nobody waits for their locks. */
const BITE = 500;
/** Bites of one kind in one sweep; the next sweep goes on from there. */
const BITES_MAX = 1_000;

/**
 * Forgets what has outlived its tenant's retention: answers, request bodies, the blobs of message batches, delivered announcements and ended
 * dispatches. A single job's time runs from its end, a line's from the end of its batch. Usage, ledger and the fact that the job ran
 * stay. Goes on until nothing is left, bounded by `BITES_MAX`.
 */
export async function sweepRetention(
  deps: { readonly store: Store; readonly blob: BlobStore },
  nowMs: number,
  signal: AbortSignal,
): Promise<Forgotten> {
  const { sql } = deps.store;
  const all = async (bite: (of: RetentionBite) => Promise<number>): Promise<number> => {
    let total = 0;
    for (let bites = 0; bites < BITES_MAX && !signal.aborted; bites++) {
      const gone = await bite({ nowMs, limit: BITE });
      total += gone;
      if (gone < BITE) break;
    }
    return total;
  };
  return {
    singles: await all((of) => forgetSingles(sql, of)),
    batches: await forgetBatches(deps, nowMs, signal),
    events: await all((of) => forgetEvents(sql, of)),
    dispatches: await all((of) => forgetDispatches(sql, of)),
  };
}

/** Forgets batches one by one: their lines, then the blob that only they own, and last that there was anything to forget. */
async function forgetBatches(deps: { readonly store: Store; readonly blob: BlobStore }, nowMs: number, signal: AbortSignal): Promise<number> {
  const { sql } = deps.store;
  let batches = 0;
  for (let bites = 0; bites < BITES_MAX; ) {
    const found = await findForgettableBatches(sql, { nowMs, limit: 50 });
    for (const batch of found) {
      for (let after: number | null = -1; after !== null; bites++) {
        if (signal.aborted) return batches;
        after = await forgetLines(sql, { batchId: batch.id, after, limit: BITE });
      }
      if (batch.ownBlobKey !== null) await deps.blob.remove(batch.ownBlobKey);
      await markForgotten(sql, { batchId: batch.id, nowMs });
      batches++;
    }
    if (found.length === 0) break;
  }
  return batches;
}
