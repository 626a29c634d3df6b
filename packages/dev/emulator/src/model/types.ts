import type { Json } from "./json.ts";

export type Provider = "openai" | "anthropic";

/** What a request was served as, and so which column of the price table it pays. */
export type Tier = "standard" | "batch" | "flex" | "priority";

/** Disjoint token classes of one request; OpenAI's inclusive totals are taken apart before they get here. */
export interface TokenClasses {
  readonly input: number;
  readonly cached: number;
  /** Cache writes at the short lifetime (5 min at Anthropic, 30 min at OpenAI). */
  readonly write: number;
  /** Cache writes at the long lifetime (1 h at Anthropic). */
  readonly writeLong: number;
  readonly output: number;
}

/** A finished answer before it is priced and sent. */
export interface Answered {
  readonly model: string;
  readonly tier: Tier;
  readonly body: Json;
  readonly usage: Json;
  readonly classes: TokenClasses;
}

/** One line of the provider's invoice: what one request cost. Money as decimal text of nano-dollars. */
export interface Charge {
  readonly atMs: number;
  readonly provider: Provider;
  readonly model: string;
  readonly tier: Tier;
  readonly endpoint: string;
  readonly requestId: string;
  /** The caller's `X-Client-Request-Id`, if it sent one. */
  readonly clientRequestId: string | null;
  readonly batchId: string | null;
  readonly customId: string | null;
  /** The usage object exactly as the answer carried it. */
  readonly usage: Json;
  readonly nanoUsd: string;
}
