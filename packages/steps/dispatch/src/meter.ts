import type { LaneId } from "@slowboat/contract";
import { createLessons, type Lessons } from "./lessons.ts";
import { createNaiveLines, type NaiveLines } from "./naive-lines.ts";
import { createSlowBatchWatch, type SlowBatchWatch } from "./slow-batch-watch.ts";
import { createStandings, type Standings } from "./standings.ts";

/** What this machine takes for its own part: measured, since a loaded machine makes every rescue slower than any table says. */
export interface Meter {
  /** A call on a lane took this many machine ms, from its intent to its answer. */
  noteCall(lane: LaneId, tookMs: number): void;
  /** The typical call on a lane in machine ms; `null` before the first. */
  callMs(lane: LaneId): number | null;
  /** One look of the planner took this long. */
  noteLook(tookMs: number): void;
  /** Machine ms that a look takes now. */
  lookMs(): number;
  /** Taking and locking what is due took so many machine ms. */
  noteClaim(tookMs: number): void;
  /** One job's choice took so many machine ms. */
  noteDecision(tookMs: number): void;
  /** What provider batches have taken lately. */
  readonly lessons: Lessons;
  /** How lanes stand, for processes that do not plan. */
  readonly standings: Standings;
  /** Which batches that are out are asked next whether they had better be sent again. */
  readonly slowBatches: SlowBatchWatch;
  /** Which jobs would have been late in real time, too. */
  readonly naive: NaiveLines;
}

/** Rises with what it sees quickly and falls slowly: a rescue that starts too early costs little. */
const RISE = 0.3;
const FALL = 0.03;

const follow = (known: number | undefined, seen: number): number =>
  known === undefined ? seen : known + (seen > known ? RISE : FALL) * (seen - known);

export function createMeter(options: { readonly keepLessons: boolean } = { keepLessons: true }): Meter {
  const calls = new Map<LaneId, number>();
  let look = 0;
  return {
    noteCall: (lane, tookMs) => void calls.set(lane, follow(calls.get(lane), tookMs)),
    callMs: (lane) => calls.get(lane) ?? null,
    noteLook: (tookMs) => {
      look = follow(look, tookMs);
    },
    lookMs: () => look,
    // For whoever wants every sample: nothing here plans with them.
    noteClaim: () => undefined,
    noteDecision: () => undefined,
    lessons: createLessons({ keep: options.keepLessons }),
    standings: createStandings({ keep: options.keepLessons }),
    slowBatches: createSlowBatchWatch(),
    naive: createNaiveLines(),
  };
}
