import { POLICY, type Policy } from "./policy.ts";
import { logNormalCdf } from "./turnaround.ts";

export const REALTIME = { medianMs: 6_000, sigma: 0.5 };
const FLEX = { medianMs: 40_000, sigma: 0.8 };
const OUTPUT_TOKENS_PER_SECOND = 60;
const Z99 = 2.3263;
const Z999 = 3.0902;

export const generationMs = (outputTokens: number): number => (outputTokens / OUTPUT_TOKENS_PER_SECOND) * 1000;

/** P(a real-time call answers within `ms`): log-normal around 6 s, then 60 tokens a second. */
export const realtimeCdf = (ms: number, outputTokens: number): number =>
  logNormalCdf(ms - generationMs(outputTokens), REALTIME.medianMs, REALTIME.sigma);

/** The time in ms within which 99 of 100 real-time calls answer. */
export const realtimeQ99Ms = (outputTokens: number): number => REALTIME.medianMs * Math.exp(Z99 * REALTIME.sigma) + generationMs(outputTokens);

/** The time in ms within which 999 of 1000 do: for rescues that a second try could not mend. */
export const realtimeQ999Ms = (outputTokens: number): number => REALTIME.medianMs * Math.exp(Z999 * REALTIME.sigma) + generationMs(outputTokens);

/** Mean real-time latency in ms: what a queue of calls moves at. */
export const realtimeMeanMs = (outputTokens: number): number => REALTIME.medianMs * Math.exp(REALTIME.sigma ** 2 / 2) + generationMs(outputTokens);

/** P(a flex call answers within `ms`), capacity refusals and doubling pauses between tries counted in. */
export function flexCdf(ms: number, outputTokens: number, policy: Policy = POLICY): number {
  let sum = 0;
  let waited = 0;
  let share = 1 - policy.flexRefusal;
  for (let k = 0; k < policy.flexTries; k++) {
    sum += share * logNormalCdf(ms - waited - generationMs(outputTokens), FLEX.medianMs, FLEX.sigma);
    share *= policy.flexRefusal;
    waited += 10_000 * 2 ** k;
  }
  return sum;
}

/** What the pool can do and what lies in front of this job there. Both in tokens; the pool is hardware, so its rate is per machine second. */
export interface PoolView {
  readonly tokensPerSecond: number;
  readonly backlogTokens: number;
  /**
   * How much of the backlog has a deadline no later than an instant: cumulative, by ascending instant. Where it is known, a pool that serves by
   * deadline makes a job wait for these tokens only; absent, all of the backlog is in front.
   */
  readonly ahead?: readonly PoolAhead[];
  /** The work of an output token in prompt tokens; 1 where absent. */
  readonly outputWeight?: number;
}

/** The tokens in the pool's backlog that have a deadline at or before `untilMs` (job time). */
export interface PoolAhead {
  readonly untilMs: number;
  readonly tokens: number;
}

/** A job's work on the pool, in prompt tokens. */
export const poolTokens = (pool: PoolView, job: { readonly inputTokens: number; readonly outputTokens: number }): number =>
  job.inputTokens + job.outputTokens * (pool.outputWeight ?? 1);

/** The pool as a job with that deadline finds it: what is due later does not stand in its way. */
export function poolBefore(pool: PoolView, deadlineAtMs: number | null): PoolView {
  if (pool.ahead === undefined || deadlineAtMs === null) return pool;
  let tokens = 0;
  for (const step of pool.ahead) {
    if (step.untilMs > deadlineAtMs) break;
    tokens = step.tokens;
  }
  return { ...pool, backlogTokens: Math.min(tokens, pool.backlogTokens) };
}

/** Expected finish on the pool in job ms from now: the work ahead and the job's own, at the measured rate. */
export const poolMeanMs = (pool: PoolView, tokens: number, scale: number): number =>
  (((pool.backlogTokens + tokens) / Math.max(1, pool.tokensPerSecond)) * 1000 + POLICY.callOverheadRealMs) * scale;

/** P(the pool finishes within `ms`), as a log-normal around the expected finish: the rate is an average that moves. */
export const poolCdf = (ms: number, pool: PoolView, tokens: number, scale: number, policy: Policy = POLICY): number =>
  logNormalCdf(ms, poolMeanMs(pool, tokens, scale), policy.poolSigma);
