/** What one caller may do; `null` is no limit. */
export interface AllowanceLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Calls that run at once. */
  readonly concurrency: number | null;
}

/** What is left at the instant `atMs`, in machine time. */
export interface Allowance {
  readonly requests: number;
  readonly tokens: number;
  readonly atMs: number;
}

/** What is left and how many calls run, as a request finds it. */
export interface AllowanceStanding {
  readonly requests: number;
  readonly tokens: number;
  readonly running: number;
}

/** A request at the door: its tokens as estimated, and whether it is a call that runs while its caller waits. */
export interface AllowanceAsk {
  readonly tokens: number;
  readonly call: boolean;
}

export type AllowanceKind = "requests" | "tokens" | "concurrency";

const MINUTE_MS = 60_000;
/** A call that ends makes room at once, and nobody knows when: callers come again after this. */
const CALL_WAIT_MS = 1_000;

const grown = (left: number, limit: number | null, elapsedMs: number): number =>
  limit === null ? 0 : Math.min(limit, left + (elapsedMs * limit) / MINUTE_MS);

/** What is left at `nowMs`: a minute fills a bucket, and it holds no more than a minute's. A caller without a history has all of it; a clock that stands back takes nothing away. */
export function refilled(known: Allowance | null, limits: AllowanceLimits, nowMs: number): Allowance {
  if (known === null) return { requests: limits.requestsPerMinute ?? 0, tokens: limits.tokensPerMinute ?? 0, atMs: nowMs };
  const elapsedMs = Math.max(0, nowMs - known.atMs);
  return {
    requests: grown(known.requests, limits.requestsPerMinute, elapsedMs),
    tokens: grown(known.tokens, limits.tokensPerMinute, elapsedMs),
    atMs: Math.max(known.atMs, nowMs),
  };
}

/** The limit that a request runs into; `null` where it may go. */
export function refusedBy(limits: AllowanceLimits, standing: AllowanceStanding, ask: AllowanceAsk): AllowanceKind | null {
  if (limits.requestsPerMinute !== null && standing.requests < 1) return "requests";
  if (limits.tokensPerMinute !== null && standing.tokens < ask.tokens) return "tokens";
  if (limits.concurrency !== null && ask.call && standing.running >= limits.concurrency) return "concurrency";
  return null;
}

/** Machine ms until a refused request may go if nobody else comes; `null` for one that is larger than a minute's tokens and never may. */
export function allowedAfterMs(by: AllowanceKind, limits: AllowanceLimits, standing: AllowanceStanding, ask: AllowanceAsk): number | null {
  if (by === "concurrency") return CALL_WAIT_MS;
  if (by === "requests") return fillMs(1 - standing.requests, limits.requestsPerMinute);
  if (ask.tokens > (limits.tokensPerMinute ?? 0)) return null;
  return fillMs(ask.tokens - standing.tokens, limits.tokensPerMinute);
}

/** Machine ms in which a bucket gains so much. */
export const fillMs = (missing: number, limit: number | null): number =>
  limit === null || missing <= 0 ? 0 : Math.ceil((missing * MINUTE_MS) / limit);

/** Writes a length as Go does, and OpenAI's headers with it: `20ms`, `1.5s`, `6m0s`. */
export function goDuration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole < 1_000) return `${whole}ms`;
  const seconds = whole / 1_000;
  if (seconds < 60) return `${Number(seconds.toFixed(3))}s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${minutes % 60}m${Number((seconds - minutes * 60).toFixed(3))}s`;
  return minutes < 60 ? rest : `${Math.floor(minutes / 60)}h${rest}`;
}
