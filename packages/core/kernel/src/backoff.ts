import type { Rng } from "./rng.ts";

/** A bounded retry schedule: `baseMs · factor^n`, at most `maxMs`, with up to `jitter` (0..1) taken off at random. */
export interface Backoff {
  readonly baseMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: number;
}

/** The pause in ms before retry `n` (0 is the first retry). */
export function backoffMs(policy: Backoff, n: number, rng: Rng): number {
  const full = Math.min(policy.maxMs, policy.baseMs * policy.factor ** n);
  return Math.round(full * (1 - policy.jitter * rng.float()));
}
