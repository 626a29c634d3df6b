import { type JobState, workOf } from "./job.ts";

/** What would become of all jobs with a deadline if each had gone in real time at its arrival: one line, by deadline, behind the same rate limit. */
export interface NaiveLine {
  /** Takes in a job that has arrived, wherever it goes in truth. */
  arrives(state: JobState): void;
  /** When (ms) a job began there, or would begin if nobody else came; infinite for one that never arrived. */
  startsAt(): (state: JobState) => number;
}

/**
 * Keeps the line, on arrivals that are known by now alone. It is the measure of a promise: nobody shall fare worse for what was put off than in a house that puts
 * nothing off. `rate` in work a second, `cap` the work that may be used at once; a call begins while anything is left and takes the rest in advance.
 */
export function createNaiveLine(rate: number, cap: number, nowMs: () => number): NaiveLine {
  const line: { readonly state: JobState; readonly work: number }[] = [];
  const began = new WeakMap<JobState, number>();
  let level = cap;
  let levelAtMs = nowMs();
  const refill = (atMs: number): void => {
    level = Math.min(cap, level + (rate * (atMs - levelAtMs)) / 1000);
    levelAtMs = atMs;
  };
  const forward = (): void => {
    const now = nowMs();
    for (let call = line[0]; call !== undefined; call = line[0]) {
      const readyMs = level > 0 ? levelAtMs : levelAtMs + ((1 - level) / rate) * 1000;
      if (readyMs > now) break;
      refill(readyMs);
      line.shift();
      level -= call.work;
      began.set(call.state, readyMs);
    }
    refill(now);
  };
  return {
    arrives(state) {
      forward();
      const dueAtMs = state.job.deadlineAtMs ?? 0;
      let at = line.length;
      while (at > 0 && (line[at - 1]?.state.job.deadlineAtMs ?? 0) > dueAtMs) at--;
      line.splice(at, 0, { state, work: workOf(state.job) });
      forward();
    },
    startsAt() {
      forward();
      const soon = new Map<JobState, number>();
      let ahead = Math.max(0, -level);
      for (const { state, work } of line) {
        soon.set(state, levelAtMs + (ahead / rate) * 1000);
        ahead += work;
      }
      return (state) => began.get(state) ?? soon.get(state) ?? Number.POSITIVE_INFINITY;
    },
  };
}
