import { type LaneId, type Metadata, readNames } from "@slowboat/contract";
import { knownFallbacks, readAdmission, readCacheWish, readCallback, readDeadline, readMaxCost, readWindow, tierWishes } from "@slowboat/intake";
import { fault } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import { type ReuseWish, storedSemantic, usualWish, writeWish } from "@slowboat/reuse";
import type { BatchRow } from "@slowboat/store";
import { headerTerms, laneWords } from "./terms.ts";

/** What a batch's body asks of Slowboat. */
export interface BatchWishes {
  /** As the caller wrote it; `undefined` where it is missing. */
  readonly window?: unknown;
  readonly tier?: unknown;
  readonly metadata: Metadata | null;
}

export type BatchTerms = Pick<
  BatchRow,
  "deadlineAtMs" | "completionWindow" | "lanesAllow" | "lanesDeny" | "reuseMode" | "callbackUrl" | "fallbacks" | "admission"
>;

const DAY_MS = 86_400_000;
/** Tiers that ask for nothing which a batch would not do anyway. */
const PLAIN_TIERS: readonly unknown[] = [undefined, null, "auto", "default", "standard", "standard_only"];

/**
 * Deadline, lanes, reuse, callback and fallback models of a batch: from the headers, else from `metadata`, else (the deadline) from the completion window
 * and (the lanes) from the service tier. A batch that says nothing has a day.
 */
export function batchTerms(
  headers: Headers,
  wishes: BatchWishes,
  at: {
    readonly nowMs: number;
    readonly callbackAllow: readonly string[];
    readonly lanes: readonly LaneId[];
    readonly book: PriceBook;
    readonly semanticCache: string | null;
  },
): BatchTerms {
  const { metadata } = wishes;
  const asked = headerTerms(headers, at.lanes, at.semanticCache);
  const word = (name: string): string | undefined => (metadata !== null && Object.hasOwn(metadata, name) ? metadata[name] : undefined);
  const windowAtMs =
    wishes.window === undefined || wishes.window === null ? at.nowMs + DAY_MS : readWindow(wishes.window, at.nowMs, "completion_window");
  const deadline = asked.deadline?.text ?? word("deadline");
  const tier = batchTier(wishes.tier, at.lanes);
  const fallbacks = asked.fallbacks ?? (word("fallbacks") === undefined ? null : readNames(word("fallbacks") ?? "", "metadata.fallbacks"));
  const admission = asked.admission ?? (word("admission") === undefined ? null : readAdmission(word("admission") ?? "", "metadata.admission"));
  readMaxCost(word("max_cost_usd"), "metadata.max_cost_usd");
  return {
    deadlineAtMs: deadline === undefined ? windowAtMs : readDeadline(deadline, at.nowMs, asked.deadline?.name ?? "metadata.deadline"),
    completionWindow: typeof wishes.window === "string" ? wishes.window : (deadline ?? "24h"),
    lanesAllow: copied(asked.allow ?? laneWords(word("allow"), "metadata.allow", at.lanes) ?? tier),
    lanesDeny: copied(asked.deny ?? laneWords(word("deny"), "metadata.deny", at.lanes)),
    reuseMode: writeWish(asked.cache ?? metadataWish(word, at.semanticCache)),
    admission: admission === "best_effort" ? null : (admission ?? null),
    callbackUrl: readCallback(word("callback_url"), at.callbackAllow, "metadata.callback_url"),
    fallbacks:
      fallbacks === null
        ? null
        : JSON.stringify(knownFallbacks(at.book, fallbacks, asked.fallbacks === null ? "metadata.fallbacks" : "slowboat-fallbacks")),
  };
}

/** Reuse as `metadata.cache`, `cache_max_error` and `cache_ttl` ask for it, else as the tenant has it. */
function metadataWish(word: (name: string) => string | undefined, semanticCache: string | null): ReuseWish {
  const settings = storedSemantic(semanticCache);
  const mode = word("cache");
  const [maxError, ttl] = [word("cache_max_error"), word("cache_ttl")];
  if (mode === undefined) {
    const stray = maxError === undefined ? (ttl === undefined ? null : "cache_ttl") : "cache_max_error";
    if (stray === null) return usualWish(settings);
    throw fault("invalid-request", { param: `metadata.${stray}`, message: `'metadata.${stray}' needs 'metadata.cache' to be 'semantic'.` });
  }
  if (maxError === undefined && ttl === undefined) return readCacheWish(mode, "metadata.cache", settings);
  return readCacheWish({ mode, max_error: maxError, ttl }, "metadata.cache", settings);
}

const copied = (lanes: readonly string[] | null): string[] | null => (lanes === null ? null : [...lanes]);

/** The lanes that a batch's tier leaves; `null` for all of them. */
function batchTier(tier: unknown, known: readonly LaneId[]): string[] | null {
  const wishes = tierWishes(tier, known);
  if (wishes !== null) return [...wishes.allow];
  if (PLAIN_TIERS.includes(tier)) return null;
  const shown = typeof tier === "string" ? `'${tier.slice(0, 32)}'` : "This value";
  throw fault("invalid-request", {
    param: "service_tier",
    message: `service_tier: ${shown} is not a tier that a batch can have; known: auto, batch, flex.`,
  });
}
