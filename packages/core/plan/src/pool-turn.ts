import { POLICY, type Policy } from "./policy.ts";

/** Work that stands in the pool's line with a rescue behind it. */
export interface PoolStander {
  readonly deadlineAtMs: number;
  readonly latestStartAtMs: number;
  /** Tokens in the line up to its own end. */
  readonly aheadTokens: number;
}

/**
 * Whether nothing is gained by staying: its turn does not end before its rescue would have to begin, and its slack is short. While the rescue's line grows, such
 * work had better join it at once: later it would meet the burst with no time left, and the pool would not have served it anyway.
 */
export const turnIsLost = (
  { deadlineAtMs, latestStartAtMs, aheadTokens }: PoolStander,
  tokensPerSecond: number,
  nowMs: number,
  policy: Policy = POLICY,
): boolean => deadlineAtMs - nowMs < policy.shortSlackMs && (aheadTokens / tokensPerSecond) * 1000 > latestStartAtMs - nowMs;
