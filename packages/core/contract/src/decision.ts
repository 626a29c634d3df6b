import type { LaneId } from "./lanes.ts";

/** One lane as the decision saw it. Money is a string of nano-USD so that the record is plain JSON. */
export interface Candidate {
  readonly lane: LaneId;
  readonly eligible: boolean;
  /** Why it was left out, or what its score rests on. */
  readonly why: string;
  /** Price of the estimated tokens on this lane; `null` when the model is unpriced there. */
  readonly priceNano: string | null;
  /** Expected cost with rescue and waste counted in. */
  readonly expectedNano: string | null;
  /** Probability that the answer is in hand before the rescue instant (batch) or the deadline (others). */
  readonly inTime: number | null;
}

/** A decision is data: stored with the attempt, shown by the API, replayable. */
export interface Decision {
  readonly lane: LaneId;
  /** The exact model that runs there; an alias resolved. For the cache, the model as asked for. */
  readonly model: string;
  readonly role: "try" | "rescue" | "hedge" | "retry";
  readonly reason: string;
  readonly decidedAtMs: number;
  readonly deadlineAtMs: number | null;
  /** Latest start time of the rescue; when the scheduler looks at the job again. `null` when nothing can be rescued. */
  readonly latestStartAtMs: number | null;
  readonly pricesVersion: string;
  readonly candidates: readonly Candidate[];
}
