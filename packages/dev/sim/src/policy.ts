import type { LaneId } from "@slowboat/contract";
import type { PlanJob, Policy as PolicyValues, Snapshot } from "@slowboat/plan";

/** Where a job goes. */
export type Choice =
  | { readonly kind: "place"; readonly lane: LaneId; readonly latestStartAtMs: number | null; readonly priceNano: bigint }
  /** No lane can take it now. */
  | { readonly kind: "wait" }
  | { readonly kind: "fail" };

/** A way of choosing lanes. Everything else of the world is the same for all: packs, rescues in real time, luck. */
export interface Policy {
  readonly name: string;
  choose(job: PlanJob, snapshot: Snapshot, nowMs: number): Choice;
  /** An idle pool may take lines from packs that are not sent. */
  readonly pulls: boolean;
  /** Batches that have been out for long are asked whether they had better be sent again. */
  readonly restarts: boolean;
  /** A latest start means cancelling at once, not at the last instant that leaves time for it. */
  readonly eager: boolean;
  /** Calls that can no longer be in time let those pass that can. */
  readonly relegates: boolean;
  /** Plans with what batches have taken, in place of the prior. */
  readonly learns: boolean;
  /** The numbers that `decide` and the rescues follow; the house's own where absent. */
  readonly values?: PolicyValues;
}
