import { type LaneId, laneClass } from "@slowboat/contract";
import { createMeter, createQuotas, type EnqueuedSettings, type LaneOffer, openSight } from "@slowboat/dispatch";
import type { QuoteDeps } from "@slowboat/intake";
import type { Rng } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import type { Clock } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";

/** What the scheduler plans with: its tick, its batches at a time, and a cautious figure of the pool. */
const TICK_MS = 200;
const BATCHES_AT_ONCE = 4;
const POOL_TOKENS_PER_SECOND = 8_000;

/** Calls, or batches, that the scheduler runs at a time on a lane. */
export const concurrencyOf = (lane: LaneId, calls: number): number => (laneClass(lane) === "batch" ? BATCHES_AT_ONCE : calls);

/** The planner's own view of the lanes, read by a process that does not plan: from the rows, ten seconds old at most. */
export function plannerSight(deps: {
  readonly store: Store;
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly offers: readonly LaneOffer[];
  /** What is configured of enqueued tokens, as the scheduler has it. */
  readonly enqueued?: EnqueuedSettings;
}): QuoteDeps["sight"] {
  const { store, book, clock, rng, offers: lanes } = deps;
  const meter = createMeter({ keepLessons: false });
  const time = { clock, rng, tickMs: TICK_MS, poolTokensPerSecond: POOL_TOKENS_PER_SECOND };
  return openSight({ store, book, lanes, meter, time, quotas: createQuotas(deps.enqueued) });
}
