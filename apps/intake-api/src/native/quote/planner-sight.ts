import { type LaneId, laneClass } from "@slowboat/contract";
import { createMeter, type LaneOffer, readSnapshot } from "@slowboat/dispatch";
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

/** The planner's own view of the lanes, read by a process that does not plan: backlog, parked accounts and batches learned from the rows. */
export function plannerSight(deps: {
  readonly store: Store;
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly offers: readonly LaneOffer[];
}): QuoteDeps["sight"] {
  const { store, book, clock, rng, offers } = deps;
  const meter = createMeter({ keepLessons: false });
  const time = { clock, rng, tickMs: TICK_MS, poolTokensPerSecond: POOL_TOKENS_PER_SECOND };
  return async () => (await readSnapshot({ book, lanes: offers, meter, time }, store.sql, clock.job())).snapshot;
}
