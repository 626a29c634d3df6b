import type { Rng } from "@slowboat/kernel";
import { seededRng } from "@slowboat/kernel";
import { worldBook } from "./book.ts";
import { groupJobs } from "./bound.ts";
import { createDice } from "./dice.ts";
import { type SimJob, workOf } from "./job.ts";
import type { WorldSpec } from "./spec.ts";

/** A request of a trace. */
export interface TraceRow {
  readonly arrivedAtMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly tenant: string;
}

/** Deadlines that a mix deals out, and the share of each; the mixes are ours, since no public trace has deadlines. */
const SLACKS_MS = [30_000, 300_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000] as const;
export const MIXES = {
  "interactive-heavy": [0.4, 0.25, 0.15, 0.1, 0.1],
  mixed: [0.1, 0.15, 0.2, 0.25, 0.3],
  overnight: [0.02, 0.03, 0.1, 0.25, 0.6],
} as const satisfies Record<string, readonly number[]>;
export type Mix = keyof typeof MIXES;

/** Job time at which replays begin: a day of the price list made for them. */
const START_MS = Date.UTC(2027, 0, 1);
const STRETCH_MS = 48 * 3_600_000;
const INCIDENT = { fromMs: START_MS + 30 * 3_600_000, toMs: START_MS + 42 * 3_600_000 };
/** Real time passes two and a half times the load. */
const REALTIME_TIMES = 2.5;
/** How much alike tenants are in what deadlines they ask for: the weight of the mix in the draw of a tenant's own. */
const ALIKE = 8;

export interface Replay {
  readonly mix: Mix;
  /** What the pool could do of the whole load if it never stood idle. */
  readonly poolShare: number;
  readonly draws: number;
  readonly seed: number;
}

/** A trace as a world: stretched to 48 hours, up to `draws` of its requests, deadlines from the mix (from its tenant's own where it names tenants), half of the jobs with a flex tier, twelve hours of incident. */
export function replay(rows: readonly TraceRow[], { mix, poolShare, draws, seed }: Replay): WorldSpec {
  const rng = seededRng(seed);
  const sorted = [...rows].sort((a, b) => a.arrivedAtMs - b.arrivedAtMs);
  const firstMs = sorted[0]?.arrivedAtMs ?? 0;
  const lengthMs = Math.max(1, (sorted.at(-1)?.arrivedAtMs ?? 0) - firstMs);
  const kept = sample(sorted, draws, rng);
  const own = new Map<string, readonly number[]>();
  const sharesOf = (tenant: string): readonly number[] => {
    const known = tenant === "" ? MIXES[mix] : (own.get(tenant) ?? dirichlet(MIXES[mix], rng));
    own.set(tenant, known);
    return known;
  };
  const jobs = kept.map((row, no): SimJob => {
    const arrivedAtMs = START_MS + Math.round(((row.arrivedAtMs - firstMs) / lengthMs) * STRETCH_MS);
    const slackMs = pick(sharesOf(row.tenant), rng.float());
    const model = rng.float() < 0.5 ? "with-flex" : "plain";
    const { inputTokens, outputTokens, tenant } = row;
    return { no, tenant, model, arrivedAtMs, deadlineAtMs: arrivedAtMs + slackMs, inputTokens, outputTokens, deny: null, slackMs };
  });
  const seconds = ((jobs.at(-1)?.arrivedAtMs ?? START_MS + 1000) - START_MS) / 1000;
  const load = (model: string | null): number =>
    jobs.reduce((sum, job) => sum + (model === null || job.model === model ? workOf(job) : 0), 0) / Math.max(1, seconds);
  return {
    seed,
    startMs: START_MS,
    book: worldBook(),
    jobs,
    poolRate: poolShare * load(null),
    poolDown: [],
    realtimeRate: { openai: REALTIME_TIMES * load("with-flex"), anthropic: REALTIME_TIMES * load("plain") },
    incidents: ["openai-batch", "anthropic-batch"].map((lane) => ({ lane, ...INCIDENT })),
    away: [],
    budgets: null,
    enqueuedTokens: Number.POSITIVE_INFINITY,
    plant: null,
  };
}

function pick(shares: readonly number[], luck: number): number {
  let sum = 0;
  for (const [i, share] of shares.entries()) {
    sum += share;
    if (luck < sum) return SLACKS_MS[i] ?? 0;
  }
  return SLACKS_MS.at(-1) ?? 0;
}

/** Shares of a tenant's own, on average those of the mix: a Dirichlet draw. */
function dirichlet(shares: readonly number[], rng: Rng): number[] {
  const draws = shares.map((share) => gamma(ALIKE * share, rng));
  const sum = draws.reduce((a, b) => a + b, 0);
  return draws.map((draw) => draw / sum);
}

/** A gamma draw of that shape, after Marsaglia and Tsang (2000); below shape 1 by their boost. */
function gamma(shape: number, rng: Rng): number {
  if (shape < 1) return gamma(shape + 1, rng) * (1 - rng.float()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
    const v = (1 + normal / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - rng.float()) < normal ** 2 / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** `n` of the rows without putting back, in their order. */
function sample<T>(rows: readonly T[], n: number, rng: Rng): T[] {
  if (rows.length <= n) return [...rows];
  const out: T[] = [];
  let wanted = n;
  for (const [i, row] of rows.entries()) {
    if (rng.float() * (rows.length - i) >= wanted) continue;
    out.push(row);
    wanted--;
  }
  return out;
}

/** The world's groups for the bound. */
export const hindsight = (spec: WorldSpec): ReturnType<typeof groupJobs> => groupJobs(spec, createDice(spec.seed));
