import type { CacheTtl, Endpoint, PromptMarks, Provider } from "@slowboat/contract";
import type { PromptRates } from "@slowboat/pricing";
import { leastPrefixTokens } from "./minimum.ts";
import { LEVELS_MAX, type PrefixLevel } from "./prefix.ts";
import { bestTtl, CACHE_TTL_MS, expectedReads, type Reuse } from "./worth.ts";

/** One request before it is sent, and what is known of its likes. */
export interface MarkQuestion {
  readonly levels: readonly PrefixLevel[];
  readonly provider: Provider;
  readonly model: string;
  readonly endpoint: Endpoint;
  /** The prompt's prices on the lane; `null` where the book has none, and then nothing is done. */
  readonly rates: PromptRates | null;
  readonly reuseOf: (level: PrefixLevel) => Reuse;
  /**
   * True where nobody continues the prompt: a queued job. An OpenAI model that writes at a price is then told to write at breakpoints only,
   * since by itself it writes every whole prompt, dearer by a quarter, for a next turn that never comes.
   */
  readonly single: boolean;
}

interface Chosen {
  readonly level: PrefixLevel;
  readonly ttl: CacheTtl;
  readonly share: number;
}

/** How a provider caches, as its prices tell it. */
type Kind = "none" | "automatic" | "writes";

const kindOf = (rates: PromptRates | null): Kind =>
  rates === null || rates.read === null ? "none" : rates.writes.size === 0 ? "automatic" : "writes";

/** OpenAI's twelve hours are known of the responses API only. */
const allows =
  (endpoint: Endpoint) =>
  (ttl: CacheTtl): boolean =>
    ttl !== "12h" || endpoint === "/v1/responses";

/**
 * Where breakpoints pay, and with which lifetime. Walks the levels from the outermost: one that more requests share than the next is
 * worth a breakpoint of its own, one that nobody else shares is not. `null` when the request goes out as it came.
 */
export function planMarks(question: MarkQuestion): PromptMarks | null {
  const { rates, provider, model } = question;
  const kind = kindOf(rates);
  const least = leastPrefixTokens(provider, model, kind === "writes");
  const levels = question.levels.filter((level) => level.tokens >= least);
  if (kind === "none" || rates === null) return null;
  if (kind === "automatic") return automatic(question, levels);
  const chosen = choose(question, rates, levels);
  const deepest = chosen.at(-1);
  const explicit = provider === "openai" && question.single;
  const cacheKey = keyFor(question, levels, chosen[0]?.level ?? null);
  if (deepest === undefined) {
    if (!explicit && cacheKey !== null)
      return { breakpoints: [], cacheKey, explicit, group: null, tokens: 0, why: "the same instructions are sent to the same place" };
    if (!explicit) return null;
    return { breakpoints: [], cacheKey: null, explicit, group: null, tokens: 0, why: "nobody shares this prompt: nothing is written" };
  }
  return {
    breakpoints: chosen.map(({ level, ttl }) => ({ at: level.at, key: level.key, ttl })),
    cacheKey,
    explicit,
    group: deepest.level.key,
    tokens: deepest.level.tokens,
    why: `${deepest.level.tokens} tokens at ${(deepest.share * 100).toFixed(0)} % of the input price, kept ${deepest.ttl}`,
  };
}

/**
 * The level that names the cache key. A queued job's is the outermost that is marked. A conversation's must be the same at every turn, since from
 * GPT-5.6 on the key is a part of the match: only instructions stay as they are, and they name it from the first turn on, or nothing does.
 */
function keyFor(question: MarkQuestion, levels: readonly PrefixLevel[], marked: PrefixLevel | null): string | null {
  if (question.provider !== "openai") return null;
  if (question.single) return marked === null ? null : cacheKeyOf(marked, 0);
  const instructions = levels.find((level) => level.at === "head" || level.at.startsWith("s"));
  return instructions === undefined ? null : cacheKeyOf(instructions, 0);
}

/** A `prompt_cache_key`: one for each beginning, numbered where one key would be asked too often. It says nothing of the prompt. */
export const cacheKeyOf = (level: Pick<PrefixLevel, "key">, shard: number): string => `sb-${level.key}${shard === 0 ? "" : `-${shard}`}`;

/** Models that cache the longest prefix by themselves, writes free: all there is to do is to send the same beginnings to the same place. */
function automatic(question: MarkQuestion, levels: readonly PrefixLevel[]): PromptMarks | null {
  const shared = levels.filter((level) => isShared(question.reuseOf(level)));
  const [outermost] = shared;
  const deepest = shared.at(-1);
  if (outermost === undefined || deepest === undefined) return null;
  const cacheKey = keyFor(question, levels, outermost);
  if (cacheKey === null && !question.single) return null;
  return { breakpoints: [], cacheKey, explicit: false, group: deepest.key, tokens: deepest.tokens, why: "cached by itself, writes are free" };
}

const isShared = (reuse: Reuse): boolean => reuse.waiting > 0 || reuse.seen > 0 || reuse.warm;

function choose(question: MarkQuestion, rates: PromptRates, levels: readonly PrefixLevel[]): Chosen[] {
  const chosen: (Chosen & { readonly reads: number; readonly warm: boolean })[] = [];
  for (const level of levels) {
    // No breakpoint can stand on OpenAI's tools.
    if (level.at === "head") continue;
    const reuse = question.reuseOf(level);
    const worth = bestTtl(rates, reuse, allows(question.endpoint));
    if (worth === null) continue;
    const reads = expectedReads(reuse, CACHE_TTL_MS[worth.ttl]);
    const outer = chosen.at(-1);
    // The same requests share more than that: the outer breakpoint would be read by nobody alone.
    if (outer !== undefined && outer.reads <= reads && (reuse.warm || !outer.warm)) chosen.pop();
    chosen.push({ level, ...worth, reads, warm: reuse.warm });
  }
  const kept = chosen.slice(-LEVELS_MAX);
  // A longer lifetime may not stand behind a shorter one: the outer ones are drawn up.
  let longest: CacheTtl | null = null;
  return kept
    .reverse()
    .map((one): Chosen => {
      if (longest === null || CACHE_TTL_MS[one.ttl] > CACHE_TTL_MS[longest]) longest = one.ttl;
      return { ...one, ttl: longest };
    })
    .reverse();
}
