import type { FollowUpTally } from "./follow-ups.ts";
import type { Hits } from "./hits.ts";
import type { Lookup } from "./lookup.ts";
import type { PairTally } from "./pairs.ts";
import type { Run } from "./streams.ts";

/** A stream under every policy: allowed share or threshold to its runs, one an order. */
export interface Streamed {
  readonly file: string;
  readonly rows: number;
  readonly ours: ReadonlyMap<number, readonly Run[]>;
  readonly vcache: ReadonlyMap<number, readonly Run[]>;
  readonly statics: ReadonlyMap<number, readonly Run[]>;
}

/** A file of pairs under every policy. */
export interface Paired {
  readonly file: string;
  readonly rows: number;
  /** Whether all pairs mean the same, so that the file is one cache; otherwise every pair is one. */
  readonly oneCache: boolean;
  readonly ours: ReadonlyMap<number, readonly PairTally[]>;
  readonly online: ReadonlyMap<number, PairTally>;
  readonly statics: ReadonlyMap<number, PairTally>;
}

/** Everything that was found. */
export interface Findings {
  readonly streams: readonly Streamed[];
  readonly pairs: readonly Paired[];
  readonly followUps: FollowUpTally | null;
  /** Look-ups in a worker's memory, and hits through the running installation. */
  readonly lookup: readonly Lookup[];
  readonly hits: Hits;
  /** What could not be run, for want of a file. */
  readonly skipped: readonly string[];
  readonly ran: boolean;
  readonly seed: number;
}
