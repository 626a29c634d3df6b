import type { WorldSpec } from "./spec.ts";

/** A rate that nothing waits for. */
const WIDE = 1e9;

/** A world without incidents, limits, budgets or a pool: for arrivals whose installation's own are not known. */
export const openWorld = ({ seed, book, jobs }: Pick<WorldSpec, "seed" | "book" | "jobs">): WorldSpec => ({
  seed,
  startMs: jobs[0]?.arrivedAtMs ?? 0,
  book,
  jobs,
  poolRate: 0,
  poolDown: [],
  realtimeRate: { openai: WIDE, anthropic: WIDE },
  incidents: [],
  away: [],
  budgets: null,
  enqueuedTokens: Number.POSITIVE_INFINITY,
  plant: null,
});
