import type { BatchCounts, BatchRow, BatchUsage } from "@slowboat/store";

const seconds = (ms: number | null): number | null => (ms === null ? null : Math.floor(ms / 1000));
const NO_COUNTS: BatchCounts = { completed: 0, failed: 0, cancelled: 0, live: 0 };

/**
 * Lines by outcome as this API counts them: nothing before the input was read, and a line that ended without an answer counts as failed
 * unless the whole batch was cancelled.
 */
function requestCounts(batch: BatchRow, counts: BatchCounts): { total: number; completed: number; failed: number } {
  if (batch.state === "validating" || batch.state === "failed") return { total: 0, completed: 0, failed: 0 };
  const cancelled = batch.state === "cancelling" || batch.state === "cancelled";
  const rows = counts.completed + counts.failed + counts.cancelled + counts.live;
  return { total: Math.max(batch.total, rows), completed: counts.completed, failed: counts.failed + (cancelled ? 0 : counts.cancelled) };
}

const usageObject = (usage: BatchUsage): Record<string, unknown> => ({
  input_tokens: usage.input,
  input_tokens_details: { cached_tokens: usage.cached },
  output_tokens: usage.output,
  output_tokens_details: { reasoning_tokens: usage.reasoning },
  total_tokens: usage.input + usage.output,
});

/** True when nothing about the batch changes any more. */
export const hasEnded = (batch: Pick<BatchRow, "state">): boolean =>
  batch.state === "completed" || batch.state === "failed" || batch.state === "cancelled";

/** A batch as the Batch API shows it: Unix seconds, `null` for what is not (yet) there. */
export function batchObject(batch: BatchRow, counts: BatchCounts = NO_COUNTS, usage: BatchUsage | null = null): Record<string, unknown> {
  const endedAs = (state: string): number | null => (batch.state === state ? seconds(batch.endedAtMs) : null);
  return {
    id: batch.id,
    object: "batch",
    endpoint: batch.endpoint,
    model: batch.model,
    errors: batch.errors === null ? null : { object: "list", data: JSON.parse(batch.errors) },
    input_file_id: batch.inputFileId,
    completion_window: batch.completionWindow,
    status: batch.state,
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: seconds(batch.createdAtMs),
    in_progress_at: seconds(batch.inProgressAtMs),
    expires_at: seconds(batch.deadlineAtMs),
    finalizing_at: seconds(batch.finalizingAtMs),
    completed_at: endedAs("completed"),
    failed_at: endedAs("failed"),
    expired_at: null,
    cancelling_at: seconds(batch.cancellingAtMs),
    cancelled_at: endedAs("cancelled"),
    request_counts: requestCounts(batch, counts),
    usage: usage === null ? null : usageObject(usage),
    metadata: batch.metadata === null ? null : JSON.parse(batch.metadata),
  };
}
