import { type LaneId, laneClass, NO_USAGE, storedFallbacks } from "@slowboat/contract";
import { type ModelRef, type PriceBook, price, promptRates, quote, resolveModel, routeOn } from "@slowboat/pricing";
import { chainOf } from "./chain.ts";
import { POLICY } from "./policy.ts";

/** No provider caches a shorter prompt. */
const CACHED_TOKENS = 1_024;

/** What is to be held for, before any lane is chosen. Tokens are estimates; the output is its bound, or a high quantile. */
export interface RescueAsk {
  /** Who may answer: of the model asked for, and of each that may stand in for it. */
  readonly models: readonly { readonly candidates: readonly ModelRef[] }[];
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The lanes that the installation has. */
  readonly lanes: readonly LaneId[];
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly maxCostNano: bigint | null;
  /** Somebody waits on the line: no batch comes before the rescue. */
  readonly interactive: boolean;
}

/** A job as it is accepted, as far as its price goes. */
export interface HeldJob {
  readonly model: string;
  readonly provider: string;
  /** JSON as stored. */
  readonly fallbacks?: string | null | undefined;
  readonly inputTokensEst: number;
  readonly outputTokensEst: number;
  readonly lanesAllow: readonly string[] | null;
  readonly lanesDeny: readonly string[] | null;
  readonly maxCostNano: bigint | null;
}

/**
 * What budgets hold for a job from its acceptance on, in nano-USD: its rescue price. `null` where it, or a model that may stand in for it, has no price.
 * Somebody waits on the line of an `interactive` one. A bound on the price bounds what is planned, and so only what is held for answers that cannot be longer than planned.
 */
export function holdNano(
  book: PriceBook,
  job: HeldJob,
  of: {
    readonly lanes: readonly LaneId[];
    readonly interactive: boolean;
    /** What is held for its output (tokens) where the request sets no limit; absent where it does, and its estimate is that limit. */
    readonly outputTokens?: number | undefined;
  },
  nowMs: number,
): bigint | null {
  const asked = { candidates: resolveModel(book, job.model)?.candidates ?? [{ provider: job.provider as ModelRef["provider"], model: job.model }] };
  const others = chainOf(book, storedFallbacks(job.fallbacks ?? null)).filter((model) => model.refused === null);
  return rescuePriceNano(
    book,
    {
      ...of,
      models: [asked, ...others],
      inputTokens: job.inputTokensEst,
      outputTokens: Math.max(job.outputTokensEst, of.outputTokens ?? 0),
      allow: job.lanesAllow,
      deny: job.lanesDeny,
      maxCostNano: of.outputTokens === undefined ? job.maxCostNano : null,
    },
    nowMs,
  );
}

/**
 * The most that a request may come to by the plan, in nano-USD: the dearest allowed lane of the dearest model of its chain (real time, for most), all of its prompt
 * written to a cache where that costs more, and what a batch that is cancelled for the rescue leaves behind. Never above the job's own
 * bound. `null` where a model of the chain has no price.
 */
export function rescuePriceNano(book: PriceBook, ask: RescueAsk, nowMs: number): bigint | null {
  const lanes = ask.lanes.filter((id) => (ask.allow === null || ask.allow.includes(id)) && !ask.deny?.includes(id));
  let most = 0n;
  let wasted = 0n;
  for (const { candidates } of ask.models) {
    const able = lanes.filter(
      (id) => laneClass(id) !== "cache" && !(ask.interactive && laneClass(id) === "batch") && routeOn(id, candidates) !== null,
    );
    // Of a model that has a price, a lane without one is never taken.
    const prices = able.flatMap((lane) => {
      const nano = dearest(book, { ...ask, candidates }, lane, nowMs);
      return nano === null ? [] : [{ lane, nano }];
    });
    if (prices.length === 0 && able.length > 0) return null;
    for (const { lane, nano } of prices) {
      if (nano > most) most = nano;
      if (laneClass(lane) === "batch" && nano > wasted) wasted = nano;
    }
  }
  const rescue = most + (wasted * BigInt(Math.round(POLICY.wasteCancelled * 1000))) / 1000n;
  return ask.maxCostNano !== null && ask.maxCostNano < rescue ? ask.maxCostNano : rescue;
}

/** The request's price on a lane with its prompt plain or written to the cache, whichever is more. */
function dearest(
  book: PriceBook,
  ask: { readonly candidates: readonly ModelRef[]; readonly inputTokens: number; readonly outputTokens: number },
  lane: LaneId,
  nowMs: number,
): bigint | null {
  const plain = quote(book, ask, lane, nowMs);
  if (plain.unpriced) return null;
  const route = routeOn(lane, ask.candidates);
  const { inputTokens, outputTokens } = ask;
  if (route === null || inputTokens < CACHED_TOKENS) return plain.nano;
  let most: bigint = plain.nano;
  for (const ttl of promptRates(book, route, inputTokens, nowMs)?.writes.keys() ?? []) {
    const kind = { "5m": "cacheWrite5m", "30m": "cacheWrite30m", "1h": "cacheWrite1h", "12h": "cacheWrite12h" } as const;
    const cost = price(book, route, { ...NO_USAGE, [kind[ttl]]: inputTokens, output: outputTokens }, nowMs);
    if (!cost.unpriced && cost.nano > most) most = cost.nano;
  }
  return most;
}
