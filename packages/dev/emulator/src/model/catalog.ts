import type { Provider } from "./types.ts";

/** What the emulator knows about a model besides its price. */
export interface ModelFacts {
  readonly provider: Provider;
  readonly kind: "text" | "embedding";
  /** How prompts are cached: 128-token prefixes, breakpoints, or not at all. */
  readonly cache: "prefix" | "breakpoint" | "none";
  /** Fewest prompt tokens that are cached. */
  readonly cacheMinTokens: number;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** Accepts a reasoning effort. */
  readonly reasons: boolean;
  /** Unix seconds shown by the model list. */
  readonly created: number;
}

const text = (cache: ModelFacts["cache"], created: number, more: Partial<ModelFacts> = {}): ModelFacts => ({
  provider: "openai",
  kind: "text",
  cache,
  cacheMinTokens: 1024,
  contextTokens: 1_050_000,
  maxOutputTokens: 128_000,
  reasons: true,
  created,
  ...more,
});

const claude = (cacheMinTokens: number, created: number, more: Partial<ModelFacts> = {}): ModelFacts => ({
  provider: "anthropic",
  kind: "text",
  cache: "breakpoint",
  cacheMinTokens,
  contextTokens: 1_000_000,
  maxOutputTokens: 128_000,
  reasons: true,
  created,
  ...more,
});

/** Dated ids, which are the same model under a name that stays: the id that each is dated from. */
const SNAPSHOTS: Readonly<Record<string, string>> = {
  "gpt-5-mini-2025-08-07": "gpt-5-mini",
  "gpt-4.1-mini-2025-04-14": "gpt-4.1-mini",
  "gpt-4o-mini-2024-07-18": "gpt-4o-mini",
  "o4-mini-2025-04-16": "o4-mini",
  "claude-haiku-4-5-20251001": "claude-haiku-4-5",
};

/** The undated id of a model, under which it is priced. */
export const undated = (id: string): string => (Object.hasOwn(SNAPSHOTS, id) ? (SNAPSHOTS[id] ?? id) : id);

/** Models by undated id. Minimum cache sizes of Sonnet 5.5, Haiku 5.5 and Fable 5.2 are not published; those of their family stand in. */
const UNDATED: Readonly<Record<string, ModelFacts>> = {
  "gpt-6-astra": text("breakpoint", 1788000000),
  "gpt-6.1-sol": text("breakpoint", 1790600000),
  "gpt-6.1-terra": text("breakpoint", 1792900000),
  "gpt-6-sol": text("breakpoint", 1788000000),
  "gpt-6-luna": text("breakpoint", 1788000000),
  "gpt-5.6-sol": text("breakpoint", 1783000000),
  "gpt-5.6-luna": text("breakpoint", 1783000000),
  "gpt-5.5": text("prefix", 1777000000),
  "gpt-5.4-mini": text("prefix", 1773000000, { contextTokens: 400_000 }),
  "gpt-5-mini": text("prefix", 1754425928, { contextTokens: 400_000 }),
  "gpt-4.1-mini": text("prefix", 1744318173, { maxOutputTokens: 32_768, reasons: false }),
  "gpt-4o-mini": text("prefix", 1721172741, { contextTokens: 128_000, maxOutputTokens: 16_384, reasons: false }),
  "o4-mini": text("prefix", 1744225351, { contextTokens: 200_000, maxOutputTokens: 100_000 }),
  "text-embedding-3-small": text("none", 1705948997, { kind: "embedding", contextTokens: 8_192, maxOutputTokens: 0, reasons: false }),
  // Served and billed, yet on no public price list: for the path of a model whose price is unknown.
  "unlisted-preview": text("prefix", 1790000000),
  "claude-fable-5-2": claude(512, 1794000000),
  "claude-opus-5-5": claude(512, 1788000000),
  "claude-opus-5": claude(512, 1780000000),
  "claude-sonnet-5-5": claude(1024, 1790000000),
  "claude-sonnet-5": claude(1024, 1780000000),
  "claude-haiku-5-5": claude(2048, 1792000000, { contextTokens: 200_000, maxOutputTokens: 64_000 }),
  "claude-haiku-4-5": claude(4096, 1760486400, { contextTokens: 200_000, maxOutputTokens: 64_000 }),
};

/** Models by every id they answer to. */
export const MODELS: Readonly<Record<string, ModelFacts>> = {
  ...UNDATED,
  ...Object.fromEntries(Object.entries(SNAPSHOTS).flatMap(([id, of]) => (UNDATED[of] === undefined ? [] : [[id, UNDATED[of]]]))),
};

/** The facts of a provider's model, or undefined when that provider does not have it. */
export function modelOf(provider: Provider, id: unknown): ModelFacts | undefined {
  if (typeof id !== "string" || !Object.hasOwn(MODELS, id)) return undefined;
  const facts = MODELS[id];
  return facts?.provider === provider ? facts : undefined;
}
