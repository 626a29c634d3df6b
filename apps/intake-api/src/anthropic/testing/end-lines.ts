import { beginFinalise, endBatch, endJobs, insertAttempts, placeJobs, recordResults, saveAnswers } from "@slowboat/store";
import type { TestApi } from "../../interactive/testing/start-api.ts";

/** How a line is made to end: with an answer of its provider, or cancelled. */
export type LineEnd = "cancelled" | { readonly statusCode: number; readonly answer: string };

/** Ends lines of a batch as lanes and settlement would, through the same verbs. */
export async function endLines(api: TestApi, batchId: string, ends: Readonly<Record<string, LineEnd>>): Promise<void> {
  const nowMs = Date.now();
  for (const [customId, end] of Object.entries(ends)) {
    const [job] = await api.store.sql<{ id: string; tenantId: string }[]>`
      select id, tenant_id as "tenantId" from job where batch_id = ${batchId} and custom_id = ${customId}`;
    if (!job) throw new Error(`no line ${customId}`);
    if (end === "cancelled") {
      await endJobs(api.store.sql, [{ jobId: job.id, state: "cancelled", error: null }], nowMs);
      continue;
    }
    const attemptId = job.id.replace("job_", "att_");
    await api.store.begin(async (tx) => {
      await insertAttempts(
        tx,
        [
          {
            id: attemptId,
            jobId: job.id,
            tenantId: job.tenantId,
            seq: 1,
            lane: "anthropic-batch",
            account: "a",
            dispatchId: null,
            state: "sending",
            role: "try",
            decision: "{}",
            estimateNano: null,
            pricesVersion: "v",
            emulated: true,
            createdAtMs: nowMs,
          },
        ],
        nowMs,
      );
      await placeJobs(tx, [{ jobId: job.id, lane: "anthropic-batch", attemptId, nextDecisionAtMs: null }]);
      await saveAnswers(tx, [{ attemptId, statusCode: end.statusCode, body: end.answer, requestId: "req_provider", errorCode: null }], {
        nowMs,
        realMs: nowMs,
      });
      await recordResults(
        tx,
        [{ jobId: job.id, tenantId: job.tenantId, attemptId, source: "lane", statusCode: end.statusCode, expiresAtMs: nowMs + 86_400_000 }],
        nowMs,
      );
      await endJobs(tx, [{ jobId: job.id, state: end.statusCode === 200 ? "completed" : "failed", error: null }], nowMs);
    });
  }
}

/** Ends a batch whose lines have ended. */
export async function finish(api: TestApi, batchId: string): Promise<void> {
  const grace = { callsSinceMs: Number.POSITIVE_INFINITY, batchesSinceMs: Number.POSITIVE_INFINITY };
  const batch = await beginFinalise(api.store.sql, { batchId, nowMs: Date.now(), grace });
  if (batch === null) throw new Error("the batch has live lines");
  const files = { outputFileId: null, errorFileId: null, written: null };
  await api.store.begin((tx) => endBatch(tx, { batchId, to: batch.to, ...files, nowMs: Date.now() }));
}
