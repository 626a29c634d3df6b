import type Anthropic from "@anthropic-ai/sdk";
import { BOUNDS } from "./bounds.ts";
import { LaneError, type OrphanSearch } from "./port.ts";
import { anthropicRow } from "./rows.ts";

export type MessageBatch = Anthropic.Messages.MessageBatch;

/** Whole requests of a batch, whatever has become of them. */
export function totalOf(batch: MessageBatch): number {
  const counts = batch.request_counts;
  return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired;
}

/** What looking for an orphan needs of the provider. */
export interface Shelf {
  list(after: string | undefined, signal: AbortSignal): Promise<{ readonly data: readonly MessageBatch[]; readonly has_more: boolean }>;
  results(ref: string, signal: AbortSignal): AsyncIterable<string | null>;
}

/** Clocks may differ by this much when a list is cut at an instant. */
const SKEW_MS = 60_000;

/**
 * Looks for the batch of these attempts. Message batches carry no name of ours but the custom_ids, which can be read only
 * once a batch has ended. So an ended batch is taken when its results name one of the attempts; else the only running batch of this
 * size that no dispatch holds. Where several could be it, none is: that throws, and the next look may find one ended.
 */
export async function findOrphan(shelf: Shelf, attemptIds: readonly string[], among: OrphanSearch, signal: AbortSignal): Promise<string | null> {
  const ids = new Set(attemptIds);
  const running: string[] = [];
  for (const batch of await candidates(shelf, attemptIds.length, among, signal)) {
    if (batch.processing_status !== "ended") running.push(batch.id);
    else if (!batch.archived_at && (await firstIsOurs(shelf, batch.id, ids, signal))) return batch.id;
  }
  if (running.length > 1 || (running.length === 1 && among.crowded))
    throw new LaneError(`${running.length} running batches could be it or another's`, {
      outcome: "unknown",
      retry: "later",
      code: "orphan_ambiguous",
    });
  return running[0] ?? null;
}

/** Batches of this size that no dispatch is known to hold, created since. */
async function candidates(shelf: Shelf, size: number, among: OrphanSearch, signal: AbortSignal): Promise<MessageBatch[]> {
  const found: MessageBatch[] = [];
  let after: string | undefined;
  for (let page = 0; page < BOUNDS.findPages; page++) {
    const list = await shelf.list(after, signal);
    const young = list.data.filter((batch) => Date.parse(batch.created_at) >= among.sinceMs - SKEW_MS);
    found.push(...young.filter((batch) => totalOf(batch) === size && !among.taken.has(batch.id)));
    const last = list.data.at(-1);
    if (!last || !list.has_more || young.length < list.data.length) return found;
    after = last.id;
  }
  throw new LaneError(`more than ${BOUNDS.findPages * 100} batches were created since`, { outcome: "unknown", retry: "later", code: "find_bound" });
}

/** Looks at one row only: all rows of a batch belong to the same dispatch. */
async function firstIsOurs(shelf: Shelf, ref: string, ids: ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
  for await (const line of shelf.results(ref, signal)) return ids.has(anthropicRow(line).attemptId);
  return false;
}
