import type { Decision, Endpoint, LaneId, Provider } from "@slowboat/contract";
import { type PriceBook, type PromptRates, promptRates, resolveModel, routeOn } from "@slowboat/pricing";
import { type PrefixLevel, planMarks, type Reuse, readLevels } from "@slowboat/reuse";
import type { DueJob } from "@slowboat/store";
import type { LaneOffer } from "../planner-deps.ts";

/** A job on a lane as the prompt cache sees it. */
export interface Cacheable {
  readonly provider: Provider;
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly rates: PromptRates;
  /** Possible boundaries, outermost first; may be empty. */
  readonly levels: readonly PrefixLevel[];
  /** Account and model: what a prefix is kept under. */
  readonly scope: string;
}

/**
 * Reads a placed job's prefix for its lane; `null` where the prompt is not ours to mark, nothing is known of the model's prices, or a model
 * stands in that may never be asked this again.
 */
export function cacheableOn(
  book: PriceBook,
  { job, decision }: { readonly job: DueJob; readonly decision: Decision },
  lane: LaneOffer,
  nowMs: number,
): Cacheable | null {
  if (job.prefix === null || decision.fallback !== undefined) return null;
  const route = routeOn(lane.id as LaneId, resolveModel(book, job.model)?.candidates ?? []);
  if (route === null || !speaks(route.provider, job.endpoint as Endpoint)) return null;
  const rates = promptRates(book, route, job.inputTokensEst, nowMs);
  if (rates === null) return null;
  const { provider, model } = route;
  return { provider, model, endpoint: job.endpoint as Endpoint, rates, levels: readLevels(job.prefix), scope: `${lane.account}|${model}` };
}

/** Markers are words of two providers, each in its own shape of request; a provider that is merely compatible is sent none. */
export const speaks = (provider: Provider, endpoint: Endpoint): boolean =>
  provider === "anthropic" ? endpoint === "/v1/messages" : provider === "openai" && endpoint !== "/v1/messages";

/** The markers of a queued job, whose prompt nobody continues. */
export const marksOf = (of: Cacheable, reuseOf: (level: PrefixLevel) => Reuse) => planMarks({ ...of, reuseOf, single: true });

/** How many of these share each boundary, by scope and key. */
export function countLevels(all: readonly (Cacheable | null)[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const of of all)
    for (const { key } of of?.levels ?? []) {
      const id = `${of?.scope}|${key}`;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  return counts;
}

/** For each of these jobs the longest beginning that others of them share, and how many do. */
export function sharedPrefixes(jobs: readonly DueJob[]): (job: DueJob) => { readonly tokens: number; readonly others: number } | null {
  const counts = new Map<string, number>();
  const idOf = (job: DueJob, level: PrefixLevel): string => `${job.model} ${level.key}`;
  for (const job of jobs) for (const level of readLevels(job.prefix ?? "")) counts.set(idOf(job, level), (counts.get(idOf(job, level)) ?? 0) + 1);
  return (job) => {
    const level = readLevels(job.prefix ?? "").findLast((one) => (counts.get(idOf(job, one)) ?? 0) > 1);
    return level === undefined ? null : { tokens: level.tokens, others: (counts.get(idOf(job, level)) ?? 1) - 1 };
  };
}
