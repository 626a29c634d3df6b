import { type LaneId, laneClass, laneProvider } from "@slowboat/contract";
import {
  cancelPays,
  candidatesOf,
  decide,
  decisionInputs,
  lanesBefore,
  onModel,
  rescueAtMs,
  rescueMove,
  type Snapshot,
  withInputs,
} from "@slowboat/plan";
import {
  type DueJob,
  endAttempts,
  type PlacedAttempt,
  type ReplannedJob,
  readPlaced,
  readRiders,
  readTried,
  replanJobs,
  requestCancel,
  type Sql,
  type TriedAttempt,
} from "@slowboat/store";
import { type Delayed, type DelayReason, deferDelayed } from "./decisions/delays.ts";
import type { Placement } from "./place.ts";
import { toPlanJob } from "./plan-job.ts";
import type { PlanDeps } from "./planner-deps.ts";

interface Late {
  readonly job: DueJob;
  readonly at: PlacedAttempt;
  readonly deadlineAtMs: number;
}

/** How often (job ms) a rescue that found no lane is tried again. */
const AGAIN_MS = 30_000;

/**
 * Looks at placed jobs whose latest start time has come. Work that was never sent is freed to be decided anew; a provider batch is cancelled, so that
 * what it finished is harvested before anything runs again; where no time is left for that, or a cancel would cost the others in the batch
 * more, the job runs in real time beside it, once. A call that is out on a cheap lane and still unanswered is hedged as well.
 */
export async function rescueDue(
  tx: Sql,
  deps: PlanDeps,
  snapshot: Snapshot,
  jobs: readonly DueJob[],
  nowMs: number,
): Promise<{ hedges: Placement[]; free: DueJob[] }> {
  const ids = jobs.map((job) => job.id);
  const placed = new Map((await readPlaced(tx, ids)).map((row) => [row.jobId, row]));
  const later: Delayed[] = [];
  const unsent: { job: DueJob; at: PlacedAttempt }[] = [];
  const late: Late[] = [];
  for (const job of jobs) {
    const at = placed.get(job.id);
    if (!at || at.state === "answered" || at.state === "settled") later.push({ jobId: job.id, atMs: null });
    else if (at.state === "void" || at.state === "unknown" || at.state === "intent") unsent.push({ job, at });
    else if (job.deadlineAtMs === null || laneClass(at.lane) === "realtime") later.push({ jobId: job.id, atMs: null });
    else late.push({ job, at, deadlineAtMs: job.deadlineAtMs });
  }
  const moves = judge(snapshot, late, nowMs);
  const cancels = await worthCancelling(tx, snapshot, moves, nowMs);
  const hedged = moves.filter(({ move }) => move === "hedge").map(({ late: one }) => one);
  const { hedges, stuck } = await hedge(tx, snapshot, hedged, nowMs);
  for (const { late: one, move, hedgeAtMs } of moves) {
    if (move === "hedge") continue;
    const wait = move === "wait" && one.at.cancelAtMs === null;
    const why = delayReason(snapshot, one, cancels.includes(one.at.dispatchId ?? ""), nowMs);
    later.push({ jobId: one.job.id, atMs: Math.max(nowMs + 1, wait ? Math.min(hedgeAtMs, nowMs + 60_000) : hedgeAtMs), why });
  }
  await requestCancel(tx, cancels, nowMs);
  await deferDelayed(tx, jobs, [...later, ...stuck], nowMs);
  const free = await freeUnsent(tx, unsent, nowMs);
  if (cancels.length + hedges.length > 0) deps.logger.warn({ cancelled: cancels.length, hedged: hedges.length, jobs: jobs.length }, "rescue-started");
  return { hedges, free };
}

/** Why a late job is left where it is, or its batch is called back; with the lane and its rescue as they stood. */
function delayReason(snapshot: Snapshot, { job, at }: Late, cancelled: boolean, nowMs: number): DelayReason {
  const rescue = laneProvider(at.lane);
  const looked = () => {
    const view = { ...snapshot, lanes: lanesBefore(snapshot.lanes, job.deadlineAtMs) };
    const asked = toPlanJob(job, view, { cached: false, tried: [], role: "rescue" });
    const candidates = candidatesOf(asked, view, nowMs).filter(({ lane }) => lane === at.lane || lane === rescue);
    return { candidates, inputs: decisionInputs(asked, view, candidates) };
  };
  return cancelled
    ? {
        kind: "cancel",
        reason: `its latest start has come: the batch on ${at.lane} is cancelled, what it has done is kept, the rest runs on ${rescue}`,
        looked,
      }
    : { kind: "wait", reason: `is out on ${at.lane}, whose batch is left to end; beside it on ${rescue} when no more time is left`, looked };
}

interface Move {
  readonly late: Late;
  readonly move: "wait" | "cancel" | "hedge";
  readonly hedgeAtMs: number;
}

/** What each late job asks for by itself; jobs of one dispatch would be rescued together. */
function judge(snapshot: Snapshot, late: readonly Late[], nowMs: number): Move[] {
  const together = new Map<string, number>();
  for (const { at } of late) together.set(at.dispatchId ?? "", (together.get(at.dispatchId ?? "") ?? 0) + 1);
  return late.map((one) => {
    const { job, at, deadlineAtMs } = one;
    const view = lanesBefore(snapshot.lanes, deadlineAtMs).find(({ id }) => id === laneProvider(at.lane));
    if (!view || laneClass(at.lane) !== "batch") return { late: one, move: "hedge", hedgeAtMs: nowMs };
    const rescueLane = onModel(view, job.model);
    const facts = { outputTokens: job.outputTokensEst, deadlineAtMs, together: together.get(at.dispatchId ?? "") ?? 1 };
    const hedgeAtMs = rescueAtMs(at.lane, "hedge", rescueLane, facts, snapshot, nowMs);
    const move = at.cancelAtMs === null ? rescueMove(at.lane, rescueLane, facts, snapshot, nowMs) : nowMs < hedgeAtMs ? "wait" : "hedge";
    return { late: one, move, hedgeAtMs };
  });
}

/** The batches that some of their lines ask to be cancelled, and whose other lines would lose less by it than a hedge costs. */
async function worthCancelling(tx: Sql, snapshot: Snapshot, moves: readonly Move[], nowMs: number): Promise<string[]> {
  const urgent = new Map<string, { ids: string[]; nano: bigint }>();
  for (const { late, move } of moves) {
    if (move !== "cancel" || late.at.dispatchId === null) continue;
    const known = urgent.get(late.at.dispatchId) ?? { ids: [], nano: 0n };
    known.ids.push(late.job.id);
    known.nano += late.at.estimateNano ?? 0n;
    urgent.set(late.at.dispatchId, known);
  }
  const riders = await readRiders(
    tx,
    [...urgent.keys()],
    [...urgent.values()].flatMap(({ ids }) => ids),
  );
  return riders
    .filter((batch) =>
      cancelPays({
        ageMs: nowMs - (batch.submittedAtMs ?? nowMs),
        lines: batch.lines,
        done: batch.done ?? undefined,
        urgentNano: urgent.get(batch.dispatchId)?.nano ?? 0n,
        restNano: batch.estimateNano,
        restSlackMs: (batch.deadlineAtMs ?? nowMs) - nowMs,
        seen: snapshot.turnaround?.get(batch.lane),
      }),
    )
    .map((batch) => batch.dispatchId);
}

/** Decides where late jobs run beside what is still out: never a batch again, never a lane that has them already. */
async function hedge(tx: Sql, snapshot: Snapshot, late: readonly Late[], nowMs: number): Promise<{ hedges: Placement[]; stuck: ReplannedJob[] }> {
  const tried = await readTried(
    tx,
    late.map(({ job }) => job.id),
  );
  const batches = snapshot.lanes.map((view) => view.id).filter((id) => laneClass(id) === "batch");
  const hedges: Placement[] = [];
  const stuck: ReplannedJob[] = [];
  for (const { job, at } of late) {
    const running: TriedAttempt = {
      jobId: job.id,
      lane: at.lane,
      state: at.state,
      errorCode: null,
      outcome: "refused",
      model: null,
      estimateNano: at.estimateNano,
    };
    const facts = { cached: false, tried: [...tried.filter((row) => row.jobId === job.id), running], role: "hedge" as const };
    const deny: LaneId[] = [...batches, at.lane, ...(job.lanesDeny ?? [])];
    const view = { ...snapshot, lanes: lanesBefore(snapshot.lanes, job.deadlineAtMs) };
    const asked = { ...toPlanJob(job, view, facts), deny };
    const verdict = withInputs(decide(asked, view, nowMs), asked, view);
    if (verdict.kind === "place")
      hedges.push({ job, decision: { ...verdict.decision, role: "hedge", latestStartAtMs: null }, sourceAttemptId: null });
    else stuck.push({ jobId: job.id, atMs: verdict.code === "lane-unavailable" ? nowMs + AGAIN_MS : null });
  }
  return { hedges, stuck };
}

/** Voids attempts that never left and gives their jobs back, to be decided in the same transaction. */
async function freeUnsent(tx: Sql, unsent: readonly { job: DueJob; at: PlacedAttempt }[], nowMs: number): Promise<DueJob[]> {
  if (unsent.length === 0) return [];
  const intents = unsent.filter(({ at }) => at.state === "intent");
  const gone = await endAttempts(
    tx,
    intents.map(({ at }) => ({ attemptId: at.attemptId, state: "void", code: "overtaken", outcome: "unsent", ifUnsent: true })),
    nowMs,
  );
  const taken = new Set(gone.map((row) => row.id));
  const free = unsent.filter(({ at }) => at.state !== "intent" || taken.has(at.attemptId));
  await replanJobs(
    tx,
    free.map(({ job, at }) => ({ jobId: job.id, attemptId: at.attemptId, atMs: nowMs })),
    nowMs,
  );
  return free.map(({ job }) => ({ ...job, state: "accepted" }));
}
