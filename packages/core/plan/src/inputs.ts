import { type Candidate, type Decision, type DecisionInputs, type Endpoint, type LaneId, storedFallbacks } from "@slowboat/contract";
import { type ModelRef, type PriceBook, resolveModel } from "@slowboat/pricing";
import { chainOf } from "./chain.ts";
import type { PoolView } from "./latency.ts";
import type { LaneRoom, LaneView, PlanJob, Snapshot, TriedLane, Verdict } from "./snapshot.ts";
import type { Turnaround } from "./turnaround.ts";

/** Members of a lane's view that are maps by model. */
const BY_MODEL = ["rates"] as const;
/** What a lane's view has where nothing is out of the ordinary; left out of the record. */
const USUAL: Readonly<Record<string, unknown>> = { available: true, emulated: false, queued: 0, callMs: 0 };

/** What a decision rested on, as it is kept: only the lanes among its candidates, and of the job only what its row does not say. Plain JSON. */
export function decisionInputs(job: PlanJob, snapshot: Snapshot, candidates: readonly Candidate[]): DecisionInputs {
  const asked = new Set(candidates.map((one) => one.lane));
  const lanes = snapshot.lanes.filter((view) => asked.has(view.id));
  const learned = lanes.flatMap(({ id }): [LaneId, { learnedAtMs: number; seen: number }][] => {
    const seen = snapshot.turnaround?.get(id);
    return seen === undefined ? [] : [[id, { learnedAtMs: seen.learnedAtMs ?? 0, seen: seen.seen ?? 0 }]];
  });
  const more = jobInputs(job);
  return {
    inputTokens: job.inputTokens,
    outputTokens: job.outputTokens,
    tickMs: snapshot.tickMs,
    scale: snapshot.scale,
    batchLines: snapshot.batchLines,
    lanes: lanes.map(laneInputs),
    ...(asked.has("pool") ? { pool: snapshot.pool === null ? null : { ...snapshot.pool } } : {}),
    ...(learned.length === 0 ? {} : { turnaround: Object.fromEntries(learned) }),
    ...(more === null ? {} : { job: more }),
  };
}

function laneInputs(view: LaneView): { readonly id: LaneId; readonly [member: string]: unknown } {
  const inputs: { id: LaneId; [member: string]: unknown } = { id: view.id };
  for (const [name, value] of Object.entries(view) as [string, unknown][]) {
    if (value === undefined || USUAL[name] === value || (Array.isArray(value) && value.length === 0)) continue;
    inputs[name] = value instanceof Map ? Object.fromEntries(value) : value;
  }
  return inputs;
}

/** A placing verdict whose record says what it rests on. A kept answer rests on nothing else. */
export function withInputs(verdict: Verdict, job: PlanJob, snapshot: Snapshot): Verdict {
  if (verdict.kind !== "place" || verdict.decision.lane === "cache") return verdict;
  return { ...verdict, decision: { ...verdict.decision, inputs: decisionInputs(job, snapshot, verdict.decision.candidates) } };
}

/** Members of a planner's job that its row does not hold, or holds otherwise: a bound of which something is spent, lanes denied for a hedge. */
function jobInputs(job: PlanJob): Readonly<Record<string, unknown>> | null {
  const more = {
    ...(job.allow === null ? {} : { allow: job.allow }),
    ...(job.deny === null ? {} : { deny: job.deny }),
    ...(job.maxCostNano === null ? {} : { maxCostNano: job.maxCostNano.toString() }),
    ...(job.allowUnpriced ? { allowUnpriced: true } : {}),
    ...(job.cached ? { cached: true } : {}),
    ...(job.interactive ? { interactive: true } : {}),
    ...(job.attempts > 0 ? { attempts: job.attempts } : {}),
    ...(job.lanesTried.length > 0 ? { lanesTried: job.lanesTried } : {}),
    ...(job.shared == null ? {} : { shared: job.shared }),
    ...(job.rooms === undefined || job.rooms.size === 0 ? {} : { rooms: Object.fromEntries(job.rooms) }),
    ...(job.role === "try" ? {} : { role: job.role }),
  };
  return Object.keys(more).length === 0 ? null : more;
}

/** What else a replay needs: from the job's row, the stored price book, and the lessons that were kept. */
export interface ReplayFacts {
  readonly model: string;
  readonly provider: string;
  readonly endpoint: string;
  readonly deadlineAtMs: number | null;
  /** The row's fallbacks as JSON. */
  readonly fallbacks: string | null;
  readonly book: PriceBook;
  readonly lessonOf: (lane: LaneId, learnedAtMs: number) => Turnaround | undefined;
}

/** The job and the view of a decision as they were: `decide` on them takes it again. */
export function restoreInputs(inputs: DecisionInputs, facts: ReplayFacts): { readonly job: PlanJob; readonly snapshot: Snapshot } {
  const { book } = facts;
  const known = resolveModel(book, facts.model);
  const more = (inputs.job ?? {}) as Partial<Record<keyof PlanJob, unknown>>;
  const job: PlanJob = {
    model: facts.model,
    candidates: known?.candidates ?? [{ provider: facts.provider as ModelRef["provider"], model: facts.model }],
    endpoint: facts.endpoint as Endpoint,
    inputTokens: inputs.inputTokens,
    outputTokens: inputs.outputTokens,
    deadlineAtMs: facts.deadlineAtMs,
    allow: (more.allow ?? null) as LaneId[] | null,
    deny: (more.deny ?? null) as LaneId[] | null,
    maxCostNano: more.maxCostNano === undefined ? null : BigInt(more.maxCostNano as string),
    allowUnpriced: more.allowUnpriced === true,
    cached: more.cached === true,
    shared: (more.shared ?? null) as NonNullable<PlanJob["shared"]> | null,
    rooms: more.rooms === undefined ? undefined : new Map(Object.entries(more.rooms as Record<string, LaneRoom>)),
    interactive: more.interactive === true,
    attempts: (more.attempts ?? 0) as number,
    lanesTried: (more.lanesTried ?? []) as TriedLane[],
    role: (more.role ?? "try") as Decision["role"],
    fallbacks: chainOf(book, storedFallbacks(facts.fallbacks)),
  };
  const turnaround = new Map(
    Object.entries(inputs.turnaround ?? {}).flatMap(([lane, { learnedAtMs }]): [LaneId, Turnaround][] => {
      const lesson = facts.lessonOf(lane, learnedAtMs);
      return lesson === undefined ? [] : [[lane, lesson]];
    }),
  );
  const snapshot: Snapshot = {
    book,
    lanes: inputs.lanes.map(restoreLane),
    pool: (inputs.pool ?? null) as PoolView | null,
    tickMs: inputs.tickMs,
    scale: inputs.scale,
    batchLines: inputs.batchLines,
    turnaround,
  };
  return { job, snapshot };
}

function restoreLane(kept: DecisionInputs["lanes"][number]): LaneView {
  const view: Record<string, unknown> = { ...USUAL, ...kept };
  for (const name of BY_MODEL) if (view[name] !== undefined) view[name] = new Map(Object.entries(view[name] as object));
  return view as unknown as LaneView;
}
