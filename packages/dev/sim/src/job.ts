import type { Endpoint, LaneId } from "@slowboat/contract";
import type { TriedLane } from "@slowboat/plan";

/** What an output token is in prompt tokens, in price and in work: the unit of everything that is scarce in this world. */
export const OUTPUT_WEIGHT = 4;

/** A job as the world sends it. Instants in Unix ms of job time. */
export interface SimJob {
  /** Its place in the world's list. */
  readonly no: number;
  readonly tenant: string;
  /** `with-flex` or `plain`: the provider that has a flex tier, or the one that has none. */
  readonly model: string;
  readonly arrivedAtMs: number;
  /** `null` is urgent: as fast as it goes. */
  readonly deadlineAtMs: number | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly deny: readonly LaneId[] | null;
  /** What is asked for; chat where absent. */
  readonly endpoint?: Endpoint;
  /** Within the mix, its class of deadline; for the bound. */
  readonly slackMs: number | null;
}

/** A job's work in prompt tokens. */
export const workOf = (job: Pick<SimJob, "inputTokens" | "outputTokens">): number => job.inputTokens + OUTPUT_WEIGHT * job.outputTokens;

/** Where a live job is. `wait` is at nobody's, to be decided again at a planned instant. */
export type Place = "new" | "pack" | "batch" | "pool" | "flex" | "realtime" | "wait" | "done" | "failed" | "refused";

/** A job on its way. Changed by the rooms of the world, each for what lies with it. */
export interface JobState {
  readonly job: SimJob;
  place: Place;
  /** Rises with every move, so that what was planned for an earlier place is void. */
  move: number;
  lane: LaneId | null;
  latestStartAtMs: number | null;
  readonly tried: TriedLane[];
  lost: number;
  laneTries: number;
  realtimeCalls: number;
  /** A real-time call runs beside what is still out. */
  hedged: boolean;
  /** Prices of what is out and not yet charged, in nano-USD. */
  openNano: bigint;
  spentNano: bigint;
  reservedNano: bigint | null;
  finishedAtMs: number | null;
}

export const newState = (job: SimJob): JobState => ({
  job,
  place: "new",
  move: 0,
  lane: null,
  latestStartAtMs: null,
  tried: [],
  lost: 0,
  laneTries: 0,
  realtimeCalls: 0,
  hedged: false,
  openNano: 0n,
  spentNano: 0n,
  reservedNano: null,
  finishedAtMs: null,
});

export const isOver = (state: JobState): boolean => state.place === "done" || state.place === "failed" || state.place === "refused";
