import { fileCallLog } from "./call-log.ts";
import type { Store } from "./connect.ts";
import { readJob, type ShownJob } from "./read-job.ts";

/** A tenant's job, or `null`: also one of a call that is only logged so far, or whose answer is. */
export async function findJob(store: Store, input: { readonly tenantId: string; readonly id: string }): Promise<ShownJob | null> {
  const filed = await readJob(store.sql, input);
  if (filed !== null && (filed.state !== "placed" || filed.batchId !== null || filed.surface === "native")) return filed;
  await fileCallLog(store);
  // Looked for again even where nothing was filed: somebody else may have, between the two looks.
  return await readJob(store.sql, input);
}
