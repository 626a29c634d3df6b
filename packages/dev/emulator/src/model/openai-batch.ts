import type { Quirks } from "./faults.ts";
import type { Json } from "./json.ts";
import { type Plan, WINDOW_MS } from "./turnaround.ts";

/** One reason why a batch failed validation; lines count from 1. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
}

/** What validation found. */
export interface Checked {
  readonly model: string | null;
  readonly total: number;
  readonly errors: readonly BatchError[];
  /** Indexes of lines that will be refused when they run, ascending. */
  readonly failing: readonly number[];
  /** Estimated prompt tokens, counted against the model's queue until the batch ends. */
  readonly enqueuedTokens: number;
}

export interface Settled {
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly completed: number;
  readonly failed: number;
  readonly usage: Json;
}

/** An OpenAI batch as the emulator remembers it: what was asked, what was drawn and what came of it. Its status follows from the clock. */
export interface OpenAiBatch {
  readonly id: string;
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly metadata: Json | null;
  readonly outputExpiresAfterS: number | null;
  readonly createdMs: number;
  readonly plan: Plan;
  readonly checked: Checked | null;
  readonly cancelMs: number | null;
  readonly settled: Settled | null;
  /** Absent on an ordinary one. */
  readonly quirks?: Quirks;
}

export type End = { readonly kind: "failed" | "completed" | "expired" | "cancelled"; readonly atMs: number };

export const validatedAtMs = (batch: OpenAiBatch): number => batch.createdMs + batch.plan.validateMs;

/** How and when the batch ends, if nothing else happens to it. */
export function endOf(batch: OpenAiBatch): End {
  if (batch.cancelMs !== null) return { kind: "cancelled", atMs: batch.cancelMs + batch.plan.cancelLagMs };
  if (batch.checked !== null && batch.checked.errors.length > 0) return { kind: "failed", atMs: validatedAtMs(batch) };
  const expiresMs = batch.createdMs + WINDOW_MS;
  const finishMs = batch.plan.finishMs === null ? null : batch.createdMs + batch.plan.finishMs;
  return finishMs === null || finishMs >= expiresMs ? { kind: "expired", atMs: expiresMs } : { kind: "completed", atMs: finishMs };
}

/** The status that the clock shows; `finalizing` also covers results that are due but still being written. */
export function statusOf(batch: OpenAiBatch, nowMs: number): string {
  const end = endOf(batch);
  if (batch.cancelMs !== null) return nowMs >= end.atMs && batch.settled !== null ? "cancelled" : "cancelling";
  if (nowMs < validatedAtMs(batch) || batch.checked === null) return "validating";
  if (end.kind === "failed") return "failed";
  if (nowMs >= end.atMs) return batch.settled === null ? "finalizing" : end.kind;
  return end.kind === "completed" && nowMs >= end.atMs - batch.plan.finalizeMs ? "finalizing" : "in_progress";
}

/** How many lines, from the first on, have run at an instant. */
export function linesDone(batch: OpenAiBatch, atMs: number): number {
  const total = batch.checked?.total ?? 0;
  const from = validatedAtMs(batch);
  if (batch.checked === null || batch.checked.errors.length > 0 || atMs < from) return 0;
  if (batch.cancelMs !== null && atMs > batch.cancelMs) {
    const before = linesDone({ ...batch, cancelMs: null }, batch.cancelMs);
    // Lines in flight when the cancellation arrives still finish: about one in fifty.
    return batch.cancelMs < from ? 0 : Math.min(total, before + Math.floor(total / 50));
  }
  const end = endOf({ ...batch, cancelMs: null });
  const whole = end.kind === "expired" ? Math.floor(total * batch.plan.doneShare) : total;
  const until = end.kind === "expired" ? end.atMs : end.atMs - batch.plan.finalizeMs;
  return Math.floor(whole * Math.min(1, Math.max(0, (atMs - from) / Math.max(1, until - from))));
}

/** When the line at an index begins: as the counters move, evenly between validation and finalizing. */
export function lineAtMs(batch: OpenAiBatch, index: number): number {
  const total = batch.checked?.total ?? 1;
  const end = endOf({ ...batch, cancelMs: null });
  const whole = end.kind === "expired" ? Math.max(1, Math.floor(total * batch.plan.doneShare)) : total;
  const from = validatedAtMs(batch);
  const until = end.kind === "expired" ? end.atMs : end.atMs - batch.plan.finalizeMs;
  return Math.min(Math.floor(from + Math.max(0, until - from) * Math.min(1, (index + 1) / whole)), endOf(batch).atMs);
}

const seconds = (ms: number | null): number | null => (ms === null ? null : Math.floor(ms / 1000));

const NO_USAGE: Json = {
  input_tokens: 0,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 0,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 0,
};

function countsOf(batch: OpenAiBatch, nowMs: number): Json {
  const { checked, settled } = batch;
  if (checked === null || checked.errors.length > 0 || nowMs < validatedAtMs(batch)) return { total: 0, completed: 0, failed: 0 };
  if (settled !== null && nowMs >= endOf(batch).atMs) return { total: checked.total, completed: settled.completed, failed: settled.failed };
  const done = linesDone(batch, nowMs);
  const failed = checked.failing.filter((index) => index < done).length;
  return { total: checked.total, completed: done - failed, failed };
}

/** The batch object on the wire: Unix seconds, absent instants and ids null. */
export function batchView(batch: OpenAiBatch, nowMs: number): Json {
  const status = statusOf(batch, nowMs);
  const end = endOf(batch);
  const ended = status === end.kind;
  const at = (kind: End["kind"]): number | null => (ended && end.kind === kind ? seconds(end.atMs) : null);
  const validated = batch.checked !== null && nowMs >= validatedAtMs(batch) && batch.checked.errors.length === 0;
  const started = validated && (batch.cancelMs === null || batch.cancelMs >= validatedAtMs(batch));
  const finalizing = status === "finalizing" || at("completed") !== null;
  const settled = ended ? batch.settled : null;
  const noFile = settled !== null && batch.quirks?.emptyIds === true ? "" : null;
  return {
    id: batch.id,
    object: "batch",
    endpoint: batch.endpoint,
    model: validated ? (batch.checked?.model ?? null) : null,
    errors: status === "failed" ? { object: "list", data: batch.checked?.errors ?? [] } : null,
    input_file_id: batch.inputFileId,
    completion_window: "24h",
    status,
    output_file_id: settled?.outputFileId ?? noFile,
    error_file_id: settled?.errorFileId ?? noFile,
    created_at: seconds(batch.createdMs),
    in_progress_at: started ? seconds(validatedAtMs(batch)) : null,
    expires_at: (seconds(batch.createdMs) ?? 0) + WINDOW_MS / 1000,
    finalizing_at: finalizing ? seconds(end.atMs - batch.plan.finalizeMs) : null,
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: seconds(batch.cancelMs),
    cancelled_at: at("cancelled"),
    request_counts: countsOf(batch, nowMs),
    usage: settled?.usage ?? NO_USAGE,
    metadata: batch.metadata,
  };
}
