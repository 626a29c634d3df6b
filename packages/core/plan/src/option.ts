import type { LaneId } from "@slowboat/contract";

/** Why a lane is out; decides which fault is told when all are. */
export type Out =
  | "not-allowed"
  | "untranslatable"
  | "unavailable"
  | "unpriced"
  | "too-dear"
  | "too-late"
  | "tried"
  | "rejected"
  | "too-large"
  | "kept";

/** One way of running the job on a lane, with or without a rescue behind it. */
export interface Option {
  readonly lane: LaneId;
  readonly model: string;
  readonly out: Out | null;
  readonly why: string;
  /** `null` when unpriced. */
  readonly priceNano: bigint | null;
  readonly expectedNano: bigint | null;
  /** The most it can come to, rescue and waste counted in. */
  readonly worstNano: bigint | null;
  readonly inTime: number;
  readonly latestStartAtMs: number | null;
  /** Expected finish in ms from now; orders lanes when only speed counts. */
  readonly finishMs: number;
  /** The least slack in ms with which the lane would be admitted. */
  readonly needsMs: number;
  /** P(the answer is in hand within `ms` from now), whichever way it comes: the lane's own, or the rescue's behind it. */
  readonly doneBy: (ms: number) => number;
  /** P(no answer by the deadline), the rescue counted in; `null` where there is no deadline or no forecast. */
  readonly missed: number | null;
  /** What stands behind it; `null` where nothing does. */
  readonly mend: Mend | null;
}

/** A rescue behind a lane: who runs it, and the share of the lane's own price that is lost then. */
export interface Mend {
  readonly lane: LaneId;
  readonly waste: number;
}

/** Whether a lane may run the job at all, now or too late. */
export const mayRun = (o: Option): boolean => o.out === null || o.out === "too-late" || o.out === "kept";
