import { type LaneId, type Metadata, readNames } from "@slowboat/contract";
import { knownFallbacks, readAdmission, readCacheMode, readCallback, readDeadline, readMaxCost, readWindow, tierWishes } from "@slowboat/intake";
import { fault } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
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
  at: { readonly nowMs: number; readonly callbackAllow: readonly string[]; readonly lanes: readonly LaneId[]; readonly book: PriceBook },
): BatchTerms {
  const { metadata } = wishes;
  const asked = headerTerms(headers, at.lanes);
  const word = (name: string): string | undefined => (metadata !== null && Object.hasOwn(metadata, name) ? metadata[name] : undefined);
  const windowAtMs =
    wishes.window === undefined || wishes.window === null ? at.nowMs + DAY_MS : readWindow(wishes.window, at.nowMs, "completion_window");
  const deadline = asked.deadline?.text ?? word("deadline");
  const tier = batchTier(wishes.tier, at.lanes);
  const cache = word("cache");
  const fallbacks = asked.fallbacks ?? (word("fallbacks") === undefined ? null : readNames(word("fallbacks") ?? "", "metadata.fallbacks"));
  const admission = asked.admission ?? (word("admission") === undefined ? null : readAdmission(word("admission") ?? "", "metadata.admission"));
  readMaxCost(word("max_cost_usd"), "metadata.max_cost_usd");
  return {
    deadlineAtMs: deadline === undefined ? windowAtMs : readDeadline(deadline, at.nowMs, asked.deadline?.name ?? "metadata.deadline"),
    completionWindow: typeof wishes.window === "string" ? wishes.window : (deadline ?? "24h"),
    lanesAllow: copied(asked.allow ?? laneWords(word("allow"), "metadata.allow", at.lanes) ?? tier),
    lanesDeny: copied(asked.deny ?? laneWords(word("deny"), "metadata.deny", at.lanes)),
    reuseMode: asked.cacheMode ?? (cache === undefined ? "auto" : readCacheMode(cache, "metadata.cache")),
    admission: admission === "best_effort" ? null : (admission ?? null),
    callbackUrl: readCallback(word("callback_url"), at.callbackAllow, "metadata.callback_url"),
    fallbacks:
      fallbacks === null
        ? null
        : JSON.stringify(knownFallbacks(at.book, fallbacks, asked.fallbacks === null ? "metadata.fallbacks" : "slowboat-fallbacks")),
  };
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
