/** What is left of a model's minute after a request: for the rate-limit headers and for refusing. */
export interface Allowance {
  readonly ok: boolean;
  readonly requests: Part;
  readonly tokens: Part;
}

interface Part {
  readonly limit: number;
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
  /** Until it has room for this request. */
  readonly enoughMs: number;
}

interface Bucket {
  requests: number;
  tokens: number;
  atMs: number;
}

const MINUTE_MS = 60_000;
/** Shown where no limit is enforced. */
const SHOWN = { requests: 30_000, tokens: 180_000_000 };

/** Token buckets per model that refill evenly over a minute of job time. */
export function createLimiter(
  requestsPerMinute: number | null,
  tokensPerMinute: number | null,
): (model: string, tokens: number, nowMs: number) => Allowance {
  const buckets = new Map<string, Bucket>();
  const limit = { requests: requestsPerMinute ?? SHOWN.requests, tokens: tokensPerMinute ?? SHOWN.tokens };
  return (model, tokens, nowMs) => {
    const bucket = buckets.get(model) ?? { requests: limit.requests, tokens: limit.tokens, atMs: nowMs };
    buckets.set(model, bucket);
    const share = Math.max(0, nowMs - bucket.atMs) / MINUTE_MS;
    bucket.requests = Math.min(limit.requests, bucket.requests + share * limit.requests);
    bucket.tokens = Math.min(limit.tokens, bucket.tokens + share * limit.tokens);
    bucket.atMs = Math.max(bucket.atMs, nowMs);
    const refused = (requestsPerMinute !== null && bucket.requests < 1) || (tokensPerMinute !== null && bucket.tokens < tokens);
    if (!refused) {
      bucket.requests = Math.max(0, bucket.requests - 1);
      bucket.tokens = Math.max(0, bucket.tokens - tokens);
    }
    const left = (have: number, most: number, wanted: number): Part => ({
      limit: most,
      remaining: Math.floor(have),
      resetMs: Math.ceil(((most - have) / most) * MINUTE_MS),
      enoughMs: Math.ceil((Math.max(0, Math.min(wanted, most) - have) / most) * MINUTE_MS),
    });
    return { ok: !refused, requests: left(bucket.requests, limit.requests, 1), tokens: left(bucket.tokens, limit.tokens, tokens) };
  };
}

/** Go's way of writing a length, as OpenAI's reset headers have it: `20ms`, `1.5s`, `6m0s`. */
function goDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const seconds = Math.round(ms) / 1000;
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${Math.round(seconds % 60)}s`;
}

/** OpenAI's headers for an allowance. */
export const openAiLimitHeaders = (a: Allowance): Record<string, string> => ({
  "x-ratelimit-limit-requests": String(a.requests.limit),
  "x-ratelimit-limit-tokens": String(a.tokens.limit),
  "x-ratelimit-remaining-requests": String(a.requests.remaining),
  "x-ratelimit-remaining-tokens": String(a.tokens.remaining),
  "x-ratelimit-reset-requests": goDuration(a.requests.resetMs),
  "x-ratelimit-reset-tokens": goDuration(a.tokens.resetMs),
});

/** Anthropic's headers for an allowance: instants, and tokens rounded to a thousand. */
export function anthropicLimitHeaders(a: Allowance, nowMs: number): Record<string, string> {
  const at = (ms: number): string => new Date(Math.ceil((nowMs + ms) / 1000) * 1000).toISOString().replace(".000", "");
  const headers: Record<string, string> = {};
  for (const [kind, part] of [
    ["requests", a.requests],
    ["tokens", a.tokens],
    ["input-tokens", a.tokens],
    ["output-tokens", a.tokens],
  ] as const) {
    headers[`anthropic-ratelimit-${kind}-limit`] = String(part.limit);
    headers[`anthropic-ratelimit-${kind}-remaining`] = String(kind === "requests" ? part.remaining : Math.round(part.remaining / 1000) * 1000);
    headers[`anthropic-ratelimit-${kind}-reset`] = at(part.resetMs);
  }
  return headers;
}
