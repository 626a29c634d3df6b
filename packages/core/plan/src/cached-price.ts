import { type LaneId, laneClass } from "@slowboat/contract";
import { type PriceBook, type PromptRates, promptRates, routeOn } from "@slowboat/pricing";
import { bestTtl, shareOf } from "@slowboat/reuse";
import { primeVerdict } from "./prime.ts";
import type { PlanJob } from "./snapshot.ts";

/** Share of lines that read what a sibling wrote, where a batch caches by itself: 24.0 of 31.5 million tokens were seen read. */
const SIBLING_READS = 0.76;

/**
 * What the prompt cache is expected to take off a job's price on a lane, in nano-USD, where others share the beginning of its prompt. Batch is not
 * always the cheap lane: some price lists give no discount on cached input there, and then real time with a warm cache can be cheaper.
 */
export function cacheSavingNano(book: PriceBook, job: PlanJob, lane: LaneId, nowMs: number): bigint {
  const { shared } = job;
  if (shared == null || shared.others < 1) return 0n;
  const route = routeOn(lane, job.candidates);
  const rates = route === null ? null : promptRates(book, route, job.inputTokens, nowMs);
  if (rates === null || rates.read === null) return 0n;
  const tokens = Math.min(shared.tokens, job.inputTokens);
  if (laneClass(lane) === "batch" && rates.writes.size > 0) {
    const roomMs = job.deadlineAtMs === null ? null : job.deadlineAtMs - nowMs;
    const verdict = primeVerdict({ lines: shared.others + 1, prefixTokens: tokens, rates, roomMs, ageMs: null, rescueNano: 0n });
    return verdict.savedNano / BigInt(shared.others + 1);
  }
  const paid = laneClass(lane) === "batch" ? 1 - SIBLING_READS * (1 - Number(rates.read) / Number(rates.input)) : callShare(rates, shared.others);
  return BigInt(Math.max(0, Math.floor((tokens * Number(rates.input) * (1 - paid)) / 1000)));
}

/** The average price of the shared tokens in calls one after another, as a share of plain input. */
function callShare(rates: PromptRates, others: number): number {
  if (rates.writes.size === 0) return shareOf(rates, rates.input, others);
  return bestTtl(rates, { waiting: others, seen: 0, overMs: 0, warm: false }, (ttl) => ttl !== "12h")?.share ?? 1;
}
