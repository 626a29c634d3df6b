import type { Decision, Endpoint, LaneId } from "@slowboat/contract";
import type { FaultCode } from "@slowboat/kernel";
import type { ModelRef, PriceBook } from "@slowboat/pricing";
import type { PoolView } from "./latency.ts";
import type { Policy } from "./policy.ts";
import type { KnownRoom } from "./quota-turns.ts";
import type { Turnaround } from "./turnaround.ts";

/** How an earlier attempt of the job ended on a lane. */
export interface TriedLane {
  readonly lane: LaneId;
  /**
   * `refused`: not now, nothing was charged · `parked`: its account's quota or spend cap · `missed`: a batch that ran ended without this
   * answer · `recalled`: we cancelled its batch and it came back unrun · `unsent`: it never got there · `unheard`: it may have been charged, and nothing came back · `rejected`: the model, not its
   * lane, would not have the request · `busy`: it asks for a longer pause than the caller can wait.
   */
  readonly outcome: "refused" | "parked" | "missed" | "recalled" | "unsent" | "unheard" | "rejected" | "busy";
  /** The exact id where it was not the model asked for. */
  readonly model?: string | null;
}

/** A model that may answer in the asked one's place. */
export interface ChainModel {
  /** As the caller named it. */
  readonly name: string;
  readonly candidates: readonly ModelRef[];
  /** Where it is asked: the job's own endpoint, or the other API's. */
  readonly endpoint: Endpoint;
  readonly allowUnpriced: boolean;
  /** Why the request cannot be put to it; `null` where it can. */
  readonly refused: string | null;
  /** What translating the request leaves out or changes. */
  readonly notes: readonly string[];
}

/** What a full enqueued-token quota means for a job on a batch lane. */
export interface LaneRoom {
  /** Job ms until its turn would come; infinite where it never will, since the job alone is more than the operator lets be enqueued. */
  readonly waitMs: number;
  readonly why: string;
}

/** The key of `PlanJob.rooms`. */
export const roomKey = (lane: LaneId, model: string): string => `${lane} ${model}`;

/** A job as the planner sees it. Tokens are estimates; instants are job time. */
export interface PlanJob {
  /** The name the caller wrote. */
  readonly model: string;
  /** Who may answer: `resolveModel(book, model).candidates`, or the pinned model alone where the tenant allows unpriced. */
  readonly candidates: readonly ModelRef[];
  readonly endpoint: Endpoint;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** `null` is urgent: as fast as the allowed lanes go. */
  readonly deadlineAtMs: number | null;
  /** Lanes the caller named; `null` allows all. */
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  /** What the job may still cost, attempts already paid taken off; `null` is no bound. */
  readonly maxCostNano: bigint | null;
  readonly allowUnpriced: boolean;
  /** An answer that may be given again is at hand. */
  readonly cached: boolean;
  /** The beginning of the prompt that other waiting jobs share: its tokens, and how many others; `null` or absent for none. */
  readonly shared?: { readonly tokens: number; readonly others: number } | null;
  /** Where it would have to wait for room, by `roomKey`; absent where there is room everywhere. */
  readonly rooms?: ReadonlyMap<string, LaneRoom> | undefined;
  /** Somebody holds a connection open: no batch lanes, no ticks. */
  readonly interactive: boolean;
  /** What its earlier attempts count for; refusals that cost nothing count for nothing. */
  readonly attempts: number;
  readonly lanesTried: readonly TriedLane[];
  readonly role: Decision["role"];
  /** Models that may answer where the asked one cannot, in the caller's order; absent for none. */
  readonly fallbacks?: readonly ChainModel[];
  /** One of them that goes before the asked model, and why; absent or `null` for none. */
  readonly first?: { readonly name: string; readonly why: string } | null;
}

/** Calls a second (job time) that limits let pass, and the calls that wait for them. */
export interface LaneRate {
  readonly perSecond: number;
  readonly waiting: number;
  /** Those that are due before some instants; absent where it is not known. */
  readonly due?: readonly DueCalls[];
}

/** Calls that are due at or before `untilMs` (job time); a list of them is cumulative, by ascending instant. */
export interface DueCalls {
  readonly untilMs: number;
  readonly calls: number;
}

/** A lane as it stands now. */
export interface LaneView {
  readonly id: LaneId;
  readonly emulated: boolean;
  readonly available: boolean;
  /** Why it is not available, where that is known. */
  readonly away?: string;
  /** Models that it does not serve right now, though it may serve others. */
  readonly awayModels?: readonly string[];
  /** Calls that may run at once; for a batch lane, batches. */
  readonly concurrency: number;
  /** Calls waiting for or running on it, rescues counted in. */
  readonly queued: number;
  /** Those of them that are due before some instants; absent where it is not known. */
  readonly due?: readonly DueCalls[];
  /** What the account's limits let pass; absent where only the width bounds. */
  readonly rate?: LaneRate;
  /** The same by model, where limits are a model's own; a model that is not named has none. */
  readonly rates?: ReadonlyMap<string, LaneRate>;
  /** What a call takes here as measured, in job ms; absent or 0 before the first. */
  readonly callMs?: number;
}

/** Of the calls in line those that are due by then, and as many of the later ones: other tenants' may take every second place. */
function standBefore(due: readonly DueCalls[], atMs: number): number {
  const before = due.findLast(({ untilMs }) => untilMs <= atMs)?.calls ?? 0;
  const all = due.at(-1)?.calls ?? 0;
  return before + Math.min(before, all - before);
}

const rateBefore = ({ perSecond, waiting, due }: LaneRate, atMs: number): LaneRate => ({
  perSecond,
  waiting: due === undefined ? waiting : Math.min(waiting, standBefore(due, atMs)),
});

/**
 * The lanes as work with that deadline finds them: calls that are due later let it pass, but for those that take the turns of other tenants, and what runs already holds a
 * place beside them. For work without a deadline all of them stand before it.
 */
export function lanesBefore(lanes: readonly LaneView[], deadlineAtMs: number | null): readonly LaneView[] {
  const atMs = deadlineAtMs ?? Number.POSITIVE_INFINITY;
  return lanes.map(({ due, ...lane }) => ({
    ...lane,
    ...(due === undefined ? {} : { queued: Math.min(lane.queued, Math.max(lane.concurrency, standBefore(due, atMs))) }),
    ...(lane.rate === undefined ? {} : { rate: rateBefore(lane.rate, atMs) }),
    ...(lane.rates === undefined ? {} : { rates: new Map([...lane.rates].map(([model, rate]) => [model, rateBefore(rate, atMs)])) }),
  }));
}

/** The lane as work for one of its models finds it. */
export function onModel(lane: LaneView, model: string): LaneView {
  const rate = lane.rates?.get(model);
  return rate === undefined ? lane : { ...lane, rate };
}

/** Everything a decision may depend on, read once a tick. */
export interface Snapshot {
  readonly book: PriceBook;
  readonly lanes: readonly LaneView[];
  /** `null` while no worker of the pool answers: the lane is unavailable. */
  readonly pool: PoolView | null;
  /** Machine ms between two looks of the scheduler. */
  readonly tickMs: number;
  /** Job ms per machine ms. */
  readonly scale: number;
  /** Lines that would share a provider batch with this job, itself counted; they would be rescued together. */
  readonly batchLines: number;
  /** Enqueued-token quotas whose limit is known, for work that is not accepted yet: what is accepted has its own `rooms`. */
  readonly quotas?: readonly KnownRoom[];
  /** What batches have taken lately, by lane; a lane that is absent is planned with the prior. */
  readonly turnaround?: ReadonlyMap<LaneId, Turnaround>;
  /** The policy's values; the house's own where absent. */
  readonly policy?: Policy | undefined;
}

/**
 * A decision, or why there is none. `lane-unavailable` passes by itself: an accepted job waits and is decided again, only a new one
 * is turned away; the other refusals are final for the job as it stands.
 */
export type Verdict =
  | { readonly kind: "place"; readonly decision: Decision }
  | {
      readonly kind: "refuse";
      readonly code: Extract<
        FaultCode,
        | "deadline-infeasible"
        | "deadline-past"
        | "lanes-empty"
        | "lane-unavailable"
        | "model-unpriced"
        | "over-max-cost"
        | "attempts-exhausted"
        | "provider-refused"
      >;
      readonly message: string;
      /** The earliest deadline the allowed lanes can make, in Unix ms; `null` where time is not the trouble. */
      readonly earliestFeasibleAtMs: number | null;
    };
