import { type CacheTtl, type LaneId, NO_USAGE, type Provider, totalInput, type Usage } from "@slowboat/contract";
import { type NanoUsd, type PicoUsd, priceTokens } from "@slowboat/kernel";
import { type Kind, type ModelRef, type PriceBook, type PriceRow, rowKey, type Tier } from "./book.ts";
import { routeOn } from "./models.ts";

/** What a usage costs, or that the book cannot say. Never 0 for want of a price. */
export type Priced = { readonly unpriced: false; readonly nano: NanoUsd } | { readonly unpriced: true };

export interface PriceTerms {
  readonly provider: Provider;
  /** Exact id; a prefix never matches. */
  readonly model: string;
  readonly tier: Tier;
}

const UNPRICED: Priced = { unpriced: true };

/** The row in force at `atMs` for a prompt of that length: the one with the highest threshold that the prompt exceeds. */
function rowFor(book: PriceBook, terms: PriceTerms, promptTokens: number, atMs: number): PriceRow | null {
  const id = book.priceIds.get(terms.model) ?? terms.model;
  let best: PriceRow | null = null;
  for (const row of book.rows.get(rowKey(terms.provider, id, terms.tier)) ?? []) {
    if (atMs < row.fromMs || atMs >= row.toMs || (row.aboveTokens > 0 && promptTokens <= row.aboveTokens)) continue;
    if (best === null || row.aboveTokens > best.aboveTokens) best = row;
  }
  return best;
}

/**
 * Prices one answer's tokens at the instant `atMs` (job time), rounded once to nano-dollars. Unpriced when the model or tier is
 * not in the book at that instant, or when a class that has tokens has no price.
 */
export function price(book: PriceBook, terms: PriceTerms, usage: Usage, atMs: number): Priced {
  const row = rowFor(book, terms, totalInput(usage), atMs);
  if (row === null) return UNPRICED;
  const classes: readonly [Kind, number][] = [
    ["input", usage.input],
    ["cache_read", usage.cacheRead],
    ["cache_write_5m", usage.cacheWrite5m],
    ["cache_write_30m", usage.cacheWrite30m],
    ["cache_write_1h", usage.cacheWrite1h],
    ["cache_write_12h", usage.cacheWrite12h],
    ["output", usage.output],
  ];
  const lines: { tokens: number; pico: PicoUsd }[] = [];
  for (const [kind, tokens] of classes) {
    if (tokens === 0) continue;
    const pico = row.pico.get(kind);
    if (pico === undefined) return UNPRICED;
    lines.push({ tokens, pico });
  }
  return { unpriced: false, nano: priceTokens(lines) };
}

/** The same tokens with nothing cached: every prompt token is plain input. */
export const uncached = (usage: Usage): Usage => ({ ...NO_USAGE, input: totalInput(usage), output: usage.output, reasoning: usage.reasoning });

/** What the tokens cost on the pinned model at the standard real-time price without caching: the bar that savings are measured against. */
export function baseline(book: PriceBook, baselineModel: string, usage: Usage, atMs: number, tier: Tier = "standard"): Priced {
  const known = book.names.get(baselineModel);
  if (known === undefined) return UNPRICED;
  return price(book, { provider: known.provider, model: baselineModel, tier }, uncached(usage), atMs);
}

/** What a request is expected to cost on a lane; nothing is assumed to be cached. */
export interface QuoteRequest {
  readonly candidates: readonly ModelRef[];
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** The estimated price of a request on one lane. Unpriced when no candidate runs there or the book has no price; the cache is free. */
export function quote(book: PriceBook, request: QuoteRequest, lane: LaneId, atMs: number): Priced {
  if (lane === "cache") return { unpriced: false, nano: priceTokens([]) };
  const route = routeOn(lane, request.candidates);
  if (route === null) return UNPRICED;
  return price(book, route, { ...NO_USAGE, input: request.inputTokens, output: request.outputTokens }, atMs);
}

/**
 * What a prompt token costs plain, read from the cache and written to it, in pico-USD. `read` is `null` where reads are no cheaper
 * than plain input; a lifetime is absent from `writes` where writing to it costs nothing extra.
 */
export interface PromptRates {
  readonly input: PicoUsd;
  readonly read: PicoUsd | null;
  readonly writes: ReadonlyMap<CacheTtl, PicoUsd>;
}

const WRITES: readonly (readonly [CacheTtl, Kind])[] = [
  ["5m", "cache_write_5m"],
  ["30m", "cache_write_30m"],
  ["1h", "cache_write_1h"],
  ["12h", "cache_write_12h"],
];

/** The prompt's prices on a lane; `null` where the book has none. Whether a model writes at a price, or caches at all, is told by them. */
export function promptRates(book: PriceBook, terms: PriceTerms, promptTokens: number, atMs: number): PromptRates | null {
  const row = rowFor(book, terms, promptTokens, atMs);
  const input = row?.pico.get("input");
  if (row === null || input === undefined) return null;
  const writes = new Map<CacheTtl, PicoUsd>();
  for (const [ttl, kind] of WRITES) {
    const pico = row.pico.get(kind);
    if (pico !== undefined && pico > input) writes.set(ttl, pico);
  }
  const read = row.pico.get("cache_read");
  return { input, read: read !== undefined && read < input ? read : null, writes };
}
