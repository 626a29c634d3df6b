import type { LaneId } from "@slowboat/contract";
import type { PriceBook } from "@slowboat/pricing";
import type { SimJob } from "./job.ts";

/** The lanes of every world; real time of a provider is the lane with its bare name. */
export const LANES: readonly LaneId[] = ["pool", "openai-batch", "anthropic-batch", "openai-flex", "openai", "anthropic"];

/** Some time of a world, in Unix ms: from, up to but not including. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface LaneSpan extends Span {
  readonly lane: LaneId;
}

export const within = (spans: readonly Span[], atMs: number): boolean => spans.some((span) => atMs >= span.fromMs && atMs < span.toMs);

/** Deliberate bugs, one for each invariant: what the audit must find. */
export const PLANTS = [
  "lose-line",
  "answer-twice",
  "overspend",
  "first-come",
  "forget-deny",
  "one-legged",
  "sleep-in",
  "stale-view",
  "overfill",
  "unbooked",
] as const;
export type Plant = (typeof PLANTS)[number];

/** Everything that a world is made of. The same spec gives the same world for ever. */
export interface WorldSpec {
  readonly seed: number;
  readonly startMs: number;
  readonly book: PriceBook;
  /** By arrival. */
  readonly jobs: readonly SimJob[];
  /** What the pool does, in prompt tokens' work a second; 0 for no pool. */
  readonly poolRate: number;
  readonly poolDown: readonly Span[];
  /** What each provider's limit lets pass in real time, in prompt tokens' work a second; a minute of it may be used at once. */
  readonly realtimeRate: Readonly<Record<string, number>>;
  /** Batches that are sent in such a time take hours, and many expire. */
  readonly incidents: readonly LaneSpan[];
  /** When a lane refuses everything. */
  readonly away: readonly LaneSpan[];
  /** What each tenant may spend, in nano-USD; `null` for no budgets. */
  readonly budgets: ReadonlyMap<string, bigint> | null;
  /** Prompt tokens that a batch lane takes at a time. */
  readonly enqueuedTokens: number;
  readonly plant: Plant | null;
  /** What a batch takes that is sent to a lane at an instant, where another world's luck is to be met; absent for the luck of the seed. */
  readonly turnaround?: (lane: LaneId, atMs: number, lines: number) => Luck;
  /** Share of flex calls refused, where it does not follow the day. */
  readonly flexRefusals?: number;
  /** How the planner's clocks go: machine ms between two looks, and job ms per machine ms. */
  readonly pace?: { readonly tickMs: number; readonly scale: number };
}

/** A batch's fate: when its results are there (infinite where it only expires), and the share of its lines done by then. */
export interface Luck {
  readonly tookMs: number;
  readonly part: number;
}
