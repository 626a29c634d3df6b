import { type LaneId, laneClass, laneProvider } from "@slowboat/contract";
import { decide, type LaneView, rescueAtMs, rescueMove, type Snapshot } from "@slowboat/plan";
import {
  type DueJob,
  deferJobs,
  endAttempts,
  type PlacedAttempt,
  type ReplannedJob,
  readPlaced,
  replanJobs,
  requestCancel,
  type Sql,
} from "@slowboat/store";
import type { Placement } from "./place.ts";
import { toPlanJob } from "./plan-job.ts";
import type { PlanDeps } from "./planner-deps.ts";

/**
 * Looks at placed jobs whose latest start time has come. Work that was never sent is freed to be decided anew; a provider batch is cancelled, so that
 * what it finished is harvested before anything runs again; where no time is left for that, the job runs in real time beside it, once.
 */
export async function rescueDue(
  tx: Sql,
  deps: PlanDeps,
  snapshot: Snapshot,
  jobs: readonly DueJob[],
  nowMs: number,
): Promise<{ hedges: Placement[]; free: DueJob[] }> {
  const placed = new Map(
    (
      await readPlaced(
        tx,
        jobs.map((job) => job.id),
      )
    ).map((row) => [row.jobId, row]),
  );
  const cancels = new Set<string>();
  const later: ReplannedJob[] = [];
  const unsent: { job: DueJob; at: PlacedAttempt }[] = [];
  const hedges: Placement[] = [];
  for (const job of jobs) {
    const at = placed.get(job.id);
    if (!at || at.state === "answered" || at.state === "settled") later.push({ jobId: job.id, atMs: null });
    else if (at.state === "void" || at.state === "unknown" || at.state === "intent") unsent.push({ job, at });
    else if (laneClass(at.lane as LaneId) !== "batch" || job.deadlineAtMs === null) later.push({ jobId: job.id, atMs: null });
    else rescueFromBatch(snapshot, { job, at, deadlineAtMs: job.deadlineAtMs, together: jobs.length }, nowMs, { cancels, later, hedges });
  }
  await requestCancel(tx, [...cancels], nowMs);
  await deferJobs(tx, later);
  const free = await freeUnsent(tx, unsent, nowMs);
  if (cancels.size + hedges.length > 0) deps.logger.warn({ cancelled: cancels.size, hedged: hedges.length, jobs: jobs.length }, "rescue-started");
  return { hedges, free };
}

interface Late {
  readonly job: DueJob;
  readonly at: PlacedAttempt;
  readonly deadlineAtMs: number;
  readonly together: number;
}

function rescueFromBatch(
  snapshot: Snapshot,
  late: Late,
  nowMs: number,
  out: { cancels: Set<string>; later: ReplannedJob[]; hedges: Placement[] },
): void {
  const { job, at, deadlineAtMs, together } = late;
  const lane = at.lane as LaneId;
  const rescueLane: LaneView | undefined = snapshot.lanes.find((view) => view.id === laneProvider(lane));
  if (!rescueLane) return void out.later.push({ jobId: job.id, atMs: null });
  const facts = { outputTokens: job.outputTokensEst, deadlineAtMs, together };
  const hedgeAtMs = rescueAtMs(lane, "hedge", rescueLane, facts, snapshot, nowMs);
  const move = at.cancelAtMs === null ? rescueMove(lane, rescueLane, facts, snapshot, nowMs) : nowMs < hedgeAtMs ? "wait" : "hedge";
  if (move === "cancel" && at.dispatchId !== null) out.cancels.add(at.dispatchId);
  if (move !== "hedge")
    return void out.later.push({
      jobId: job.id,
      atMs: Math.max(nowMs + 1, move === "wait" && at.cancelAtMs === null ? Math.min(hedgeAtMs, nowMs + 60_000) : hedgeAtMs),
    });
  const verdict = decide(
    {
      ...toPlanJob(job, snapshot, { cached: false, tried: [], role: "hedge" }),
      deny: [...snapshot.lanes.map((view) => view.id).filter((id) => laneClass(id) === "batch"), ...(job.lanesDeny ?? [])],
    },
    snapshot,
    nowMs,
  );
  if (verdict.kind === "refuse") out.later.push({ jobId: job.id, atMs: null });
  else out.hedges.push({ job, decision: { ...verdict.decision, role: "hedge", latestStartAtMs: null }, sourceAttemptId: null });
}

/** Voids attempts that never left and gives their jobs back, to be decided in the same transaction. */
async function freeUnsent(tx: Sql, unsent: readonly { job: DueJob; at: PlacedAttempt }[], nowMs: number): Promise<DueJob[]> {
  if (unsent.length === 0) return [];
  const intents = unsent.filter(({ at }) => at.state === "intent");
  const gone = new Set(
    (
      await endAttempts(
        tx,
        intents.map(({ at }) => ({ attemptId: at.attemptId, state: "void", code: "overtaken" })),
        nowMs,
      )
    ).map((row) => row.id),
  );
  const free = unsent.filter(({ at }) => at.state !== "intent" || gone.has(at.attemptId));
  await replanJobs(
    tx,
    free.map(({ job, at }) => ({ jobId: job.id, attemptId: at.attemptId, atMs: nowMs })),
  );
  return free.map(({ job }) => ({ ...job, state: "accepted" }));
}
