import type { LaneId } from "@slowboat/contract";
import { type Rng, seededRng } from "@slowboat/kernel";
import { worldBook } from "./book.ts";
import { type SimJob, workOf } from "./job.ts";
import { LANES, type LaneSpan, type Plant, type Span, type WorldSpec } from "./spec.ts";

const START_MS = Date.UTC(2027, 0, 1, 6);
const HOUR_MS = 3_600_000;
const JOBS = 500;
const SLACKS_MS: readonly (number | null)[] = [null, 20_000, 30_000, 120_000, 300_000, 900_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS];
const OUTPUT = { median: 130, sigma: 1.1, most: 8_000 };
const INPUT = { median: 900, sigma: 1.2, most: 60_000 };
const BOOKS = [worldBook(), worldBook("2027-01-02")] as const;

/**
 * The world of a seed: half a thousand jobs of one to five tenants over hours to two days, some in bursts, with any slack or none, lanes denied, budgets
 * that may not reach, incidents, lanes and pool away, a price that rises at midnight, limits from tight to wide.
 */
export function scenario(seed: number, plant: Plant | null = null): WorldSpec {
  const rng = seededRng(seed * 2_654_435 + 17);
  const spanMs = between(rng, 4, 48) * HOUR_MS;
  const tenants = Array.from({ length: 1 + (rng.u32() % 5) }, (_, i) => `tenant-${i}`);
  const tilt = rng.float();
  const urgent = rng.float() < 0.5 ? 0.6 * rng.float() : 0;
  const bursts = Array.from({ length: rng.u32() % 4 }, () => rng.float());
  const bursty = bursts.length === 0 ? 0 : rng.float();
  const denying = rng.float() < 0.5 ? 0.3 : 0;
  const arrivals = Array.from({ length: JOBS }, () => {
    const burst = bursts[rng.u32() % Math.max(1, bursts.length)];
    return burst !== undefined && rng.float() < bursty ? burst * spanMs + rng.float() * 60_000 : rng.float() * spanMs;
  }).sort((a, b) => a - b);
  const jobs = arrivals.map((atMs, no): SimJob => {
    const arrivedAtMs = START_MS + Math.round(atMs);
    const slackMs = rng.float() < urgent ? null : (SLACKS_MS[1 + Math.floor((SLACKS_MS.length - 1) * rng.float() ** (0.4 + 2 * tilt))] ?? HOUR_MS);
    return {
      no,
      tenant: tenants[Math.floor(tenants.length * rng.float() ** 2)] ?? "tenant-0",
      model: rng.float() < 0.5 ? "with-flex" : "plain",
      arrivedAtMs,
      deadlineAtMs: slackMs === null ? null : arrivedAtMs + slackMs,
      inputTokens: tokens(rng, INPUT),
      outputTokens: tokens(rng, OUTPUT),
      deny: rng.float() < denying ? denied(rng) : null,
      slackMs,
    };
  });
  const work = jobs.reduce((sum, job) => sum + workOf(job), 0);
  const load = work / (spanMs / 1000);
  const budgets =
    rng.float() < 0.4 ? null : new Map(tenants.map((tenant) => [tenant, BigInt(Math.round((work * 250 * (0.05 + 2 * rng.float() ** 2)) / 1))]));
  return {
    seed,
    startMs: START_MS,
    book: BOOKS[rng.u32() % 2] ?? BOOKS[0],
    jobs,
    poolRate: rng.float() < 0.2 ? 0 : load * rng.float(),
    poolDown: spans(rng, spanMs, 2, 3 * HOUR_MS),
    realtimeRate: { openai: load * between(rng, 0.6, 6), anthropic: load * between(rng, 0.6, 6) },
    incidents: laneSpans(rng, spanMs, ["openai-batch", "anthropic-batch"], 12 * HOUR_MS),
    away: laneSpans(
      rng,
      spanMs,
      LANES.filter((lane) => lane !== "pool"),
      2 * HOUR_MS,
    ),
    budgets,
    enqueuedTokens: rng.float() < 0.5 ? 250_000 : 5_000_000,
    plant,
  };
}

const between = (rng: Rng, low: number, high: number): number => low + (high - low) * rng.float();

function tokens(rng: Rng, { median, sigma, most }: { median: number; sigma: number; most: number }): number {
  const normal = Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
  return Math.min(most, Math.max(1, Math.round(median * Math.exp(sigma * normal))));
}

/** Some lanes, but never all of real time: a job that nothing may run is refused at the door. */
function denied(rng: Rng): LaneId[] {
  const kept = rng.u32();
  return LANES.filter((lane, i) => lane !== "openai" && lane !== "anthropic" && ((kept >>> i) & 1) === 1).concat(
    rng.float() < 0.2 ? ["openai", "anthropic"] : [],
  );
}

function spans(rng: Rng, spanMs: number, most: number, longestMs: number): Span[] {
  const starts = Array.from({ length: rng.u32() % (most + 1) }, () => rng.float() * spanMs).sort((a, b) => a - b);
  // One after another: a second outage within the first would end it twice.
  return starts.map((atMs, i) => {
    const fromMs = START_MS + Math.round(atMs);
    const room = Math.round((starts[i + 1] ?? Number.POSITIVE_INFINITY) - atMs);
    return { fromMs, toMs: fromMs + Math.min(room, Math.round(60_000 + rng.float() * longestMs)) };
  });
}

const laneSpans = (rng: Rng, spanMs: number, lanes: readonly LaneId[], longestMs: number): LaneSpan[] =>
  lanes.flatMap((lane) => (rng.float() < 0.4 ? spans(rng, spanMs, 2, longestMs).map((span) => ({ lane, ...span })) : []));
