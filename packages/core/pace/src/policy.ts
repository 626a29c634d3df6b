import type { Backoff } from "@slowboat/kernel";

/** When a breaker opens and how long it stays so. Lengths in machine ms. */
export interface BreakerPolicy {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long it stays open: longer with every probe that fails. */
  readonly cooldown: Backoff;
  /** A probe that has said nothing for so long no longer keeps others from probing. */
  readonly probeMs: number;
}

/** The numbers of one account's pace. Lengths in machine ms; what the provider says is in its own time. */
export interface PacePolicy {
  /** The provider's ms in one of the machine's: 1 for a real one. */
  readonly scale: number;
  /** The provider's minute, in which its limits are given. */
  readonly minuteMs: number;
  /** Calls in flight: `ceiling` at first and at most, `floor` at least. */
  readonly ceiling: number;
  readonly floor: number;
  /** The pause after a rate limit that names no delay. */
  readonly pause: Backoff;
  /** No wish of the provider's holds everything for longer than this. */
  readonly holdMsMax: number;
  readonly breaker: BreakerPolicy;
  /** For an account that refuses everything (keys, quota, spend caps): one refusal is enough, and only a person can mend it. */
  readonly park: BreakerPolicy;
}

/** When (machine ms) to look again where only another call's end can make room: nobody knows how long that takes. */
export const LOOK_MS = 1_000;
/** A breaker that probes more often than this (machine ms) would be no breaker, however fast the provider's time goes. */
const COOLDOWN_MS_MIN = 50;

/**
 * The policy of an account whose provider's time goes `scale` times as fast as the machine's (1 for a real one). A floor of 5 and
 * halving on pressure are what gateways with published figures use; five failures in a row are chance in 1 of 10^5 calls when one in ten fails.
 */
export function pacePolicy(input: { readonly scale: number; readonly ceiling: number }): PacePolicy {
  const machine = (ms: number): number => ms / input.scale;
  const cooldown = (baseMs: number, maxMs: number): Backoff => ({
    baseMs: Math.max(COOLDOWN_MS_MIN, machine(baseMs)),
    factor: 2,
    maxMs: Math.max(COOLDOWN_MS_MIN, machine(maxMs)),
    jitter: 0.25,
  });
  return {
    scale: input.scale,
    minuteMs: machine(60_000),
    ceiling: Math.max(1, input.ceiling),
    floor: Math.max(1, Math.min(5, input.ceiling)),
    pause: { baseMs: machine(1_000), factor: 2, maxMs: machine(60_000), jitter: 0.25 },
    holdMsMax: machine(600_000),
    breaker: { failures: 5, cooldown: cooldown(2_000, 60_000), probeMs: 30_000 },
    park: { failures: 1, cooldown: cooldown(60_000, 900_000), probeMs: 30_000 },
  };
}
