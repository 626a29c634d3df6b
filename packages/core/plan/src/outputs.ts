import { DEFAULT_OUTPUT_TOKENS } from "./estimate.ts";
import { normalCdf } from "./turnaround.ts";

/**
 * How many tokens answers have: a log-normal, as `learnOutputs` has seen it. `seen` is the number of answers that it rests on; 0 is the published
 * population alone.
 */
export interface OutputModel {
  readonly medianTokens: number;
  readonly sigma: number;
  readonly seen: number;
}

const Z95 = 1.6449;
const Z99 = 2.3263;
/** How many answers of one's own count for as much as the published population. */
const PRIOR_WEIGHT = 20;
const LEAST_SIGMA = 0.05;

/** A published population of chat requests: half of its answers have 49 tokens or fewer, 95 of 100 have 512 or fewer. */
export const PUBLISHED_OUTPUTS: OutputModel = { medianTokens: 49, sigma: Math.log(512 / 49) / Z95, seen: 0 };

/** Fits the lengths of one's own answers, drawn to the published population as by twenty answers of it. */
export function learnOutputs(tokens: readonly number[]): OutputModel {
  const logs = tokens.filter((n) => n > 0).map(Math.log);
  if (logs.length === 0) return PUBLISHED_OUTPUTS;
  const prior = Math.log(PUBLISHED_OUTPUTS.medianTokens);
  const weight = PRIOR_WEIGHT + logs.length;
  const mean = (PRIOR_WEIGHT * prior + logs.reduce((sum, log) => sum + log, 0)) / weight;
  // Both populations spread around the common mean.
  const spread = PRIOR_WEIGHT * (PUBLISHED_OUTPUTS.sigma ** 2 + (prior - mean) ** 2) + logs.reduce((sum, log) => sum + (log - mean) ** 2, 0);
  return { medianTokens: Math.exp(mean), sigma: Math.max(LEAST_SIGMA, Math.sqrt(spread / weight)), seen: logs.length };
}

/** The tokens that 99 of 100 answers do not exceed: what budgets hold for where a request sets no limit. Never less than what is estimated for such a one. */
export const longOutput = ({ medianTokens, sigma }: OutputModel): number =>
  Math.max(DEFAULT_OUTPUT_TOKENS, Math.ceil(medianTokens * Math.exp(Z99 * sigma)));

/** Tokens of an answer: half of them have at most `low`, 95 of 100 at most `high`; `expected` is the mean. None exceeds the request's own limit. */
export interface OutputTokens {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}

/** What an answer's length comes to under the request's limit (`null` for none), in whole tokens. */
export function outputTokens({ medianTokens, sigma }: OutputModel, limit: number | null): OutputTokens {
  const most = limit ?? Number.POSITIVE_INFINITY;
  const upTo = (tokens: number): number => Math.min(most, Math.ceil(tokens));
  const whole = medianTokens * Math.exp(sigma ** 2 / 2);
  if (limit === null) return { low: upTo(medianTokens), expected: upTo(whole), high: upTo(medianTokens * Math.exp(Z95 * sigma)) };
  if (limit <= 0) return { low: 0, expected: 0, high: 0 };
  // E[min(X, limit)] of a log-normal X.
  const z = Math.log(limit / medianTokens) / sigma;
  const mean = whole * normalCdf(z - sigma) + limit * (1 - normalCdf(z));
  return { low: upTo(medianTokens), expected: upTo(mean), high: upTo(medianTokens * Math.exp(Z95 * sigma)) };
}
