/** A caller's batch, in the words of OpenAI's batch object; Anthropic's three states are derived from it at the API. */
export type BatchState = "validating" | "in_progress" | "finalizing" | "completed" | "failed" | "cancelling" | "cancelled";

const NEXT: Record<BatchState, readonly BatchState[]> = {
  validating: ["in_progress", "failed", "cancelling"],
  in_progress: ["finalizing", "cancelling"],
  finalizing: ["completed"],
  completed: [],
  failed: [],
  cancelling: ["cancelled"],
  cancelled: [],
};

export const BATCH_TERMINAL: readonly BatchState[] = ["completed", "failed", "cancelled"];

/** True when a batch may go from `from` to `to`. */
export const batchMay = (from: BatchState, to: BatchState): boolean => NEXT[from].includes(to);

/** The states from which `to` may be reached; what an UPDATE names in its WHERE. */
export const batchSourcesOf = (to: BatchState): BatchState[] => (Object.keys(NEXT) as BatchState[]).filter((from) => batchMay(from, to));
