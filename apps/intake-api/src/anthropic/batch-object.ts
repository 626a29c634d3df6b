import type { BatchRow } from "@slowboat/store";

/** How a message batch's requests ended, counted. */
export interface MessageBatchCounts {
  readonly processing: number;
  readonly succeeded: number;
  readonly errored: number;
  readonly canceled: number;
  readonly expired: number;
}

/** Anthropic's three words for where a batch stands. */
export type ProcessingStatus = "in_progress" | "canceling" | "ended";

export const processingStatus = (state: string): ProcessingStatus =>
  state === "cancelling" ? "canceling" : state === "completed" || state === "cancelled" || state === "failed" ? "ended" : "in_progress";

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const DAY_MS = 86_400_000;

/**
 * A batch as the Message Batches API shows it. Until the whole batch has ended every request counts as `processing`, as the
 * provider documents; `results_url` is absolute and our own, since clients send their key to whatever it names.
 */
export function messageBatchObject(
  batch: BatchRow,
  counts: MessageBatchCounts,
  view: { readonly origin: string; readonly archivedAtMs: number | null },
): Record<string, unknown> {
  const status = processingStatus(batch.state);
  const ended = status === "ended";
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: status,
    request_counts: ended ? counts : { processing: batch.total, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    created_at: instant(batch.createdAtMs),
    expires_at: instant(batch.deadlineAtMs ?? batch.createdAtMs + DAY_MS),
    ended_at: ended ? instant(batch.endedAtMs) : null,
    cancel_initiated_at: instant(batch.cancellingAtMs),
    archived_at: instant(view.archivedAtMs),
    results_url: ended && view.archivedAtMs === null ? `${view.origin}/v1/messages/batches/${batch.id}/results` : null,
    ...(batch.metadata === null ? {} : { metadata: JSON.parse(batch.metadata) }),
  };
}
