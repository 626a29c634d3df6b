import type { Embedder } from "./embedding.ts";
import type { CacheTime, PromptCache } from "./prompt-cache.ts";
import type { Tokenizer } from "./tokens.ts";
import type { Tier } from "./types.ts";

/** What a request is answered with: the only things beside the request that an answer depends on. */
export interface Asking {
  readonly seed: number;
  readonly nowMs: number;
  /** Names the answer: the provider's id of the completion or message. */
  readonly serial: string;
  readonly time: CacheTime;
  readonly cache: PromptCache;
  readonly tokens: Tokenizer;
  readonly embed: Embedder;
  /** True for a line of a batch: batch prices, a cache apart from that of synchronous requests, and some caching falls away. */
  readonly inBatch: boolean;
}

/** The tier an OpenAI request is served at, as its own word on the wire and as the price column; `auto` is default. */
export function openAiTier(asked: unknown, inBatch: boolean): { wire: string; tier: Tier } {
  if (inBatch) return { wire: "default", tier: "batch" };
  if (asked === "flex") return { wire: "flex", tier: "flex" };
  if (asked === "priority" || asked === "fast") return { wire: "priority", tier: "priority" };
  return { wire: "default", tier: "standard" };
}
