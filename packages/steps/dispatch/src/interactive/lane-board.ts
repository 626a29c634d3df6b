import type { LaneId } from "@slowboat/contract";
import type { Lane } from "@slowboat/lanes";
import type { LaneView, PoolView, Snapshot } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { Clock } from "@slowboat/runtime";
import { backInMs, standingOf } from "../standing.ts";

/** Calls that may be open at once in this process; more are refused before anything is written. */
export const CALLS_MAX = 1000;
const CONCURRENCY = 256;
const POOL_CONCURRENCY = 16;
/** Until a call was measured; below what one core embeds. */
const POOL_TOKENS_PER_SECOND = 2_000;
const POOL_MEMORY = 0.8;

/** What this process knows of its lanes: how their accounts stand, calls in flight, the pool's measured rate. */
export interface LaneBoard {
  snapshot(): Snapshot;
  /** Counts a call; the returned function ends it. */
  enter(lane: LaneId, tokens: number): () => void;
  /** Machine ms until the first lane that is away may be back; `null` when none is. */
  backInMs(): number | null;
  inFlight(): number;
}

export function laneBoard(lanes: ReadonlyMap<LaneId, Lane>, book: PriceBook, clock: Clock): LaneBoard {
  const open = new Map<LaneId, number>();
  let total = 0;
  let poolRate = POOL_TOKENS_PER_SECOND;
  let poolTokens = 0;
  const view = (lane: Lane): LaneView => ({
    id: lane.id,
    emulated: lane.emulated,
    ...standingOf(lane.pace?.()),
    concurrency: lane.id === "pool" ? POOL_CONCURRENCY : CONCURRENCY,
    queued: open.get(lane.id) ?? 0,
  });
  const pool = (): PoolView | null => (lanes.has("pool") ? { tokensPerSecond: poolRate, backlogTokens: poolTokens } : null);
  return {
    snapshot: () => ({
      book,
      lanes: [...lanes.values()].filter((lane) => lane.shape === "call").map(view),
      pool: pool(),
      tickMs: 0,
      scale: clock.scale,
      batchLines: 1,
    }),
    enter: (lane, tokens) => {
      const startedMs = performance.now();
      const ahead = poolTokens;
      open.set(lane, (open.get(lane) ?? 0) + 1);
      total++;
      if (lane === "pool") poolTokens += tokens;
      return () => {
        open.set(lane, (open.get(lane) ?? 1) - 1);
        total--;
        if (lane !== "pool") return;
        poolTokens -= tokens;
        const seconds = Math.max(0.001, (performance.now() - startedMs) / 1000);
        poolRate = POOL_MEMORY * poolRate + (1 - POOL_MEMORY) * ((ahead + tokens) / seconds);
      };
    },
    backInMs: () => backInMs(lanes.values()),
    inFlight: () => total,
  };
}
