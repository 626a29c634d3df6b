import type { Quirks } from "./faults.ts";
import type { Json } from "./json.ts";
import { type Plan, WINDOW_MS } from "./turnaround.ts";

/** Results are kept this long after the batch was made. */
export const RESULTS_MS = 29 * WINDOW_MS;

export interface MessageCounts {
  readonly succeeded: number;
  readonly errored: number;
  readonly canceled: number;
  readonly expired: number;
}

/** An Anthropic message batch as the emulator remembers it. */
export interface MessageBatch {
  readonly id: string;
  readonly createdMs: number;
  readonly plan: Plan;
  readonly total: number;
  /** The API version under which it was made. */
  readonly version: string;
  readonly cancelMs: number | null;
  readonly settled: MessageCounts | null;
  /** Absent on an ordinary one. */
  readonly quirks?: Quirks;
}

export type MessageEnd = { readonly kind: "finished" | "expired" | "canceled"; readonly atMs: number };

/** How and when the batch ends, if nothing else happens to it. */
export function messageEndOf(batch: MessageBatch): MessageEnd {
  if (batch.cancelMs !== null) return { kind: "canceled", atMs: batch.cancelMs + batch.plan.cancelLagMs };
  const { finishMs } = batch.plan;
  return finishMs === null || finishMs >= WINDOW_MS
    ? { kind: "expired", atMs: batch.createdMs + WINDOW_MS }
    : { kind: "finished", atMs: batch.createdMs + finishMs };
}

export function messageStatusOf(batch: MessageBatch, nowMs: number): "in_progress" | "canceling" | "ended" {
  if (batch.settled !== null && nowMs >= messageEndOf(batch).atMs) return "ended";
  return batch.cancelMs === null ? "in_progress" : "canceling";
}

/** How many requests, from the first on, have run at an instant. */
export function messagesDone(batch: MessageBatch, atMs: number): number {
  if (batch.cancelMs !== null && atMs > batch.cancelMs) {
    return Math.min(batch.total, messagesDone({ ...batch, cancelMs: null }, batch.cancelMs) + Math.floor(batch.total / 50));
  }
  const end = messageEndOf({ ...batch, cancelMs: null });
  const whole = end.kind === "expired" ? Math.floor(batch.total * batch.plan.doneShare) : batch.total;
  return Math.floor(whole * Math.min(1, Math.max(0, (atMs - batch.createdMs) / Math.max(1, end.atMs - batch.createdMs))));
}

/** When the request at an index begins: as the counters move, evenly over the batch's time. The lifetime of what it caches counts from there. */
export function messageAtMs(batch: MessageBatch, index: number): number {
  const end = messageEndOf({ ...batch, cancelMs: null });
  const whole = end.kind === "expired" ? Math.max(1, Math.floor(batch.total * batch.plan.doneShare)) : batch.total;
  const atMs = Math.floor(batch.createdMs + (end.atMs - batch.createdMs) * Math.min(1, (index + 1) / whole));
  return Math.min(atMs, messageEndOf(batch).atMs);
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString().replace("Z", "000+00:00");

/** The batch object on the wire. Counters stay at zero until the batch has ended, unless `countersMove`. */
export function messageBatchView(batch: MessageBatch, nowMs: number, origin: string, countersMove: boolean): Json {
  const status = messageStatusOf(batch, nowMs);
  const ended = status === "ended" ? batch.settled : null;
  const moved = ended === null && countersMove ? messagesDone(batch, nowMs) : 0;
  const archived = nowMs >= batch.createdMs + RESULTS_MS;
  return {
    id: batch.id,
    type: "message_batch",
    processing_status: status,
    request_counts:
      ended === null ? { processing: batch.total - moved, succeeded: moved, errored: 0, canceled: 0, expired: 0 } : { processing: 0, ...ended },
    created_at: rfc3339(batch.createdMs),
    expires_at: rfc3339(batch.createdMs + WINDOW_MS),
    ended_at: ended === null ? null : rfc3339(messageEndOf(batch).atMs),
    cancel_initiated_at: batch.cancelMs === null ? null : rfc3339(batch.cancelMs),
    archived_at: archived ? rfc3339(batch.createdMs + RESULTS_MS) : null,
    results_url: ended === null || archived ? null : `${origin}/v1/messages/batches/${batch.id}/results`,
  };
}
