import { laneClass } from "@slowboat/contract";
import { callsPerSecond, createNaiveLine, hopelessFromMs, type LaneView, type NaiveLine, onModel, type Snapshot } from "@slowboat/plan";
import { resolveModel } from "@slowboat/pricing";
import type { DueJob } from "@slowboat/store";

/** What would become of the planner's jobs if each had gone in real time as it came, by lane and model. */
export interface NaiveLines {
  /**
   * Takes in those that are looked at for the first time, in the order in which they came, and tells which of them would be late there, too, by id. Work without a deadline,
   * and what no real-time lane may serve now, is not among them.
   */
  judge(jobs: readonly DueJob[], snapshot: Snapshot, nowMs: number): ReadonlyMap<string, boolean>;
}

/** Of a provider's limit, so many seconds' worth may be used at once. */
const BURST_SECONDS = 60;
/** Output tokens of a call that others are measured by. */
const USUAL_TOKENS = 200;
const LEAST = 1e-9;

/** Lines of this process alone: they begin empty when it starts, and of several planners each knows what it looked at itself. */
export function createNaiveLines(): NaiveLines {
  const lines = new Map<string, NaiveLine>();
  const isLate = (job: DueJob, deadlineAtMs: number, { view, model }: Served, snapshot: Snapshot, nowMs: number): boolean => {
    const key = `${view.id} ${model}`;
    const line = lines.get(key) ?? createNaiveLine();
    lines.set(key, line);
    // In calls of the usual length: one that takes longer takes more of a lane that its width bounds, and as much of a limit.
    const perSecond = Math.max(LEAST, callsPerSecond(view, USUAL_TOKENS, snapshot.scale));
    const work = perSecond / Math.max(LEAST, callsPerSecond(view, job.outputTokensEst, snapshot.scale));
    const most = Math.min(view.concurrency * Math.max(1, work), (view.rate?.perSecond ?? Number.POSITIVE_INFINITY) * BURST_SECONDS);
    const rate = { perSecond, atOnce: Math.max(1, most) };
    const startByMs = hopelessFromMs({ outputTokens: job.outputTokensEst, deadlineAtMs });
    return !line.arrives({ work, deadlineAtMs, startByMs }, rate, nowMs);
  };
  return {
    judge(jobs, snapshot, nowMs) {
      const judged = new Map<string, boolean>();
      const first = jobs.filter((job) => job.attempts === 0 && job.yields === null).sort((a, b) => a.acceptedAtMs - b.acceptedAtMs);
      for (const job of first) {
        const served = job.deadlineAtMs === null ? null : realtimeOf(job, snapshot);
        if (served !== null && job.deadlineAtMs !== null) judged.set(job.id, isLate(job, job.deadlineAtMs, served, snapshot, nowMs));
      }
      return judged;
    },
  };
}

interface Served {
  readonly view: LaneView;
  readonly model: string;
}

/** The real-time lane of the job's own model; `null` where it is away, or not allowed. */
function realtimeOf(job: DueJob, snapshot: Snapshot): Served | null {
  const candidates = resolveModel(snapshot.book, job.model)?.candidates ?? [{ provider: job.provider, model: job.model }];
  for (const { provider, model } of candidates) {
    const view = snapshot.lanes.find((lane) => lane.id === provider && laneClass(lane.id) === "realtime" && lane.available);
    if (
      view === undefined ||
      view.awayModels?.includes(model) ||
      job.lanesDeny?.includes(view.id) ||
      (job.lanesAllow !== null && !job.lanesAllow.includes(view.id))
    )
      continue;
    return { view: onModel(view, model), model };
  }
  return null;
}
