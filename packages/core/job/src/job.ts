/**
 * - `accepted`: committed, waiting to be planned (again)
 * - `placed`: an attempt is on a lane
 * - `completed`, `failed`: hard-terminal, with a result or an error
 * - `cancelled`: soft-terminal; an answer that was already paid for supersedes it
 */
export type JobState = "accepted" | "placed" | "completed" | "failed" | "cancelled";

const NEXT: Record<JobState, readonly JobState[]> = {
  accepted: ["placed", "completed", "failed", "cancelled"],
  placed: ["accepted", "completed", "failed", "cancelled"],
  completed: [],
  failed: [],
  cancelled: ["completed"],
};

/** A job that has not ended. */
export const JOB_LIVE: readonly JobState[] = ["accepted", "placed"];

export const JOB_TERMINAL: readonly JobState[] = ["completed", "failed", "cancelled"];

/** True when a job may go from `from` to `to`. */
export const jobMay = (from: JobState, to: JobState): boolean => NEXT[from].includes(to);

/** The states from which `to` may be reached; what an UPDATE names in its WHERE. */
export const sourcesOf = (to: JobState): JobState[] => (Object.keys(NEXT) as JobState[]).filter((from) => jobMay(from, to));
