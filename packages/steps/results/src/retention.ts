import type { BlobStore } from "@slowboat/blob";
import { expireResults, forgettableFiles, markBlobGone, type Store } from "@slowboat/store";

/**
 * Forgets what has outlived its retention: answers and request bodies past `result.expires_at_ms`, files past theirs. Usage, ledger and
 * the fact that the job ran stay. Bounded by `limit` rows a call; returns how many were forgotten.
 */
export async function sweepRetention(deps: { readonly store: Store; readonly blob: BlobStore }, nowMs: number, limit = 500): Promise<number> {
  const results = await expireResults(deps.store.sql, { nowMs, limit });
  const files = await forgettableFiles(deps.store.sql, { nowMs, limit });
  for (const file of files) await deps.blob.remove(file.blobKey);
  if (files.length > 0) await markBlobGone(deps.store.sql, files.map((file) => file.id));
  return results + files.length;
}
