import { laneClass } from "@slowboat/contract";
import { callsPerSecond, createNaiveLine, hopelessFromMs, type LaneView, type NaiveLine, onModel, type Snapshot } from "@slowboat/plan";
import { resolveModel } from "@slowboat/pricing";
import type { DueJob } from "@slowboat/store";

/** What would become of the planner's jobs if each had gone in real time as it came, by lane and model. */
export interface NaiveLines {
  /** Takes a job in at its first placement and tells whether it would be late there, too; `null` for any other, for work without a deadline, and where no real-time lane serves it. */
  yields(job: DueJob, snapshot: Snapshot, nowMs: number): boolean | null;
}

/** Of a provider's limit, so many seconds' worth may be used at once. */
const BURST_SECONDS = 60;

/** Lines of this process alone: they begin empty when it starts, and of several planners each knows what it placed itself. */
export function createNaiveLines(): NaiveLines {
  const lines = new Map<string, NaiveLine>();
  return {
    yields(job, snapshot, nowMs) {
      const { deadlineAtMs, outputTokensEst: outputTokens } = job;
      if (deadlineAtMs === null || job.attempts > 0 || job.yields !== null) return null;
      const view = realtimeOf(job, snapshot);
      if (view === null) return null;
      const key = `${view.id} ${job.model}`;
      const line = lines.get(key) ?? createNaiveLine();
      lines.set(key, line);
      const perSecond = callsPerSecond(view, outputTokens, snapshot.scale);
      const atOnce = Math.max(1, Math.min(view.concurrency, (view.rate?.perSecond ?? Number.POSITIVE_INFINITY) * BURST_SECONDS));
      return !line.arrives({ work: 1, deadlineAtMs, startByMs: hopelessFromMs({ outputTokens, deadlineAtMs }) }, { perSecond, atOnce }, nowMs);
    },
  };
}

/** The real-time lane of the job's own model; `null` where it is away. */
function realtimeOf(job: DueJob, snapshot: Snapshot): LaneView | null {
  const candidates = resolveModel(snapshot.book, job.model)?.candidates ?? [{ provider: job.provider, model: job.model }];
  for (const { provider, model } of candidates) {
    const view = snapshot.lanes.find((lane) => lane.id === provider && laneClass(lane.id) === "realtime" && lane.available);
    if (view !== undefined) return onModel(view, model);
  }
  return null;
}
