import type { Endpoint, LaneId } from "@slowboat/contract";
import { FIRST_TOKENS } from "./quota.ts";
import { batchQuantile, type Turnaround } from "./turnaround.ts";

const FILL = 0.9;
const HOLD_MAX_MS = 600_000;
const HOLD_SLACK_SHARE = 0.03;
const ENQUEUED_SHARE = 0.25;

/** What a provider batch may hold, each already at nine tenths of the provider's limit. */
export interface PackLimits {
  readonly lines: number;
  readonly bytes: number;
  readonly inputTokens: number;
}

/** The bounds of one batch on a lane; `enqueuedTokens` is the account's limit of queued prompt tokens where it is known. */
export function maxPack(lane: LaneId, enqueuedTokens: number = FIRST_TOKENS): PackLimits {
  if (lane === "anthropic-batch") return { lines: 100_000 * FILL, bytes: 256_000_000 * FILL, inputTokens: Number.POSITIVE_INFINITY };
  return { lines: 50_000 * FILL, bytes: 200_000_000 * FILL, inputTokens: enqueuedTokens * ENQUEUED_SHARE };
}

/** Jobs with the same key may share a provider batch: one account, endpoint and model, and slacks within a factor of two. */
export function packKey(job: { lane: LaneId; account: string; endpoint: Endpoint; model: string; slackMs: number | null }): string {
  const band = job.slackMs === null ? "none" : String(Math.max(0, Math.floor(Math.log2(Math.max(1, job.slackMs) / 60_000))));
  return JSON.stringify([job.lane, job.account, job.endpoint, job.model, band]);
}

/** An open pack. Ages and slacks in job ms. */
export interface OpenPack {
  readonly lane: LaneId;
  readonly lines: number;
  readonly bytes: number;
  readonly inputTokens: number;
  readonly oldestAgeMs: number;
  /** The least slack of its jobs; `null` when none has a deadline. */
  readonly minSlackMs: number | null;
  /** What a rescue of this pack takes, from `rescueMs`. */
  readonly rescueMs: number;
  /** Calls a second that real time would get through for it. */
  readonly rescuesPerSecond: number;
  readonly enqueuedTokens?: number;
  /** What the lane's batches take, where that was learned. */
  readonly seen?: Turnaround | undefined;
}

/**
 * Whether an open pack should be sent now, and why: full; as large as can be rescued within min(10 min, 20 % of the slack), which
 * is below the provider's limit on purpose; old enough; or so short of slack that waiting costs probability.
 */
export function closePack(pack: OpenPack): { readonly close: boolean; readonly why: string } {
  const limits = maxPack(pack.lane, pack.enqueuedTokens);
  if (pack.lines >= limits.lines || pack.bytes >= limits.bytes || pack.inputTokens >= limits.inputTokens) return { close: true, why: "full" };
  const slack = pack.minSlackMs ?? Number.POSITIVE_INFINITY;
  const rescuable = pack.rescuesPerSecond * (Math.min(600_000, 0.2 * Math.max(0, slack)) / 1000);
  if (pack.lines >= Math.max(1, rescuable)) return { close: true, why: "as large as can be rescued in time" };
  if (pack.oldestAgeMs >= Math.min(HOLD_MAX_MS, HOLD_SLACK_SHARE * Math.max(0, slack))) return { close: true, why: "held long enough" };
  const q95 = batchQuantile(0.95, pack.lines, pack.seen);
  if (q95 === null || slack - pack.rescueMs <= q95) return { close: true, why: "no slack to hold it" };
  return { close: false, why: "filling" };
}
