import { goDurationMs, resetMs, retryAfterMs } from "@slowboat/pace";
import { BOUNDS } from "./bounds.ts";
import { asRecord, parseObject } from "./json.ts";
import type { LaneAnswer, LimitHeaders } from "./port.ts";
import type { ReplyHeaders } from "./reply.ts";
import type { Limit, Refusal, Wire } from "./wire.ts";

/** What a refusal means: the provider's own code, and whether the same request may go again. */
export interface Verdict {
  readonly code: string;
  readonly retry: "never" | "later" | "park";
  readonly retryAfterMs: number | null;
}

/** Codes and types (both providers') after which nothing on this account will pass until a person acts. */
const PARKING = /^(?:insufficient_quota|billing_\w+|\w*spend_limit_reached|account_deactivated|access_terminated|credit_balance_too_low)$/;

/** Anthropic says its own spend limits as an ordinary 400; anchored, since the rest of a message may quote the caller. */
const PARKING_MESSAGE =
  /^(?:Your credit balance is too low|You have reached your specified (?:workspace )?API usage limits|[\w ,']{0,80}\bspend(?:ing)? limit\b)/i;

interface ErrorFacts {
  readonly code: string | null;
  readonly type: string | null;
  readonly message: string;
}

const asText = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

/** Both providers put `{type, message}` under `error`; OpenAI adds `code`, Anthropic `details.error_code`. `null` for anything else. */
function errorFacts(text: string): ErrorFacts | null {
  const error = asRecord(parseObject(text)?.["error"]);
  if (!error) return null;
  const details = asRecord(error["details"]);
  const code = typeof error["code"] === "number" ? null : asText(error["code"]);
  return { code: asText(details?.["error_code"]) ?? code, type: asText(error["type"]), message: asText(error["message"]) ?? "" };
}

/**
 * Reads a refusal: `never` when the request itself is wrong, `park` for keys, quota and spend caps, `later` for rate,
 * overload and the provider's own failures (documented as not billed). `nowMs` is the instant in the provider's time. `flex`: a 429 that is no rate limit is want of capacity.
 */
export function classify(refusal: Refusal, nowMs: number, flex = false): Verdict {
  const facts = errorFacts(refusal.text);
  const { status } = refusal;
  const code = facts?.code ?? facts?.type ?? `http_${status}`;
  const wishMs = (): number | null => retryAfter(refusal.headers, facts?.message ?? "", nowMs);
  if ([facts?.code, facts?.type].some((word) => word && PARKING.test(word)) || status === 402) return { code, retry: "park", retryAfterMs: null };
  if (status === 400 && facts?.type === "invalid_request_error" && PARKING_MESSAGE.test(facts.message)) {
    return { code: "spend_limit_reached", retry: "park", retryAfterMs: null };
  }
  if (status === 401) return { code, retry: "park", retryAfterMs: null };
  // A model that this key may not use is the request's matter and must not stop everybody's lane.
  if (status === 403) return { code, retry: code === "model_not_found" ? "never" : "park", retryAfterMs: null };
  // A 404 that is not the provider's own is a wrong base URL: no request would pass.
  if ((status === 404 || status === 405) && facts === null) return { code: "not_the_api", retry: "park", retryAfterMs: null };
  if (status === 429) {
    const unavailable = flex && facts?.code !== "rate_limit_exceeded";
    return { code: unavailable ? "resource_unavailable" : code, retry: "later", retryAfterMs: wishMs() };
  }
  if (status === 408 || status === 409 || status >= 500 || status < 400) return { code, retry: "later", retryAfterMs: wishMs() };
  return { code, retry: "never", retryAfterMs: null };
}

/** A refusal as the answer to one request. */
export function refused(attemptId: string, refusal: Refusal, verdict: Verdict, requestId: string | null = requestIdOf(refusal.headers)): LaneAnswer {
  return {
    kind: "refused",
    attemptId,
    statusCode: refusal.status,
    body: refusal.text,
    requestId,
    ...verdict,
    limits: limitHeadersOf(refusal.headers),
  };
}

const LIMIT = /^(?:x-ratelimit|anthropic-ratelimit|anthropic-priority)-/;

/** The headers about the provider's limits. */
export function limitHeadersOf(headers: ReplyHeaders | null): LimitHeaders {
  const limits: Record<string, string> = {};
  for (const [name, value] of headers ?? []) if (LIMIT.test(name)) limits[name] = value;
  return limits;
}

/** OpenAI's or Anthropic's request id. */
export const requestIdOf = (headers: ReplyHeaders | null): string | null => headers?.get("x-request-id") ?? headers?.get("request-id") ?? null;

/** What a call that threw has come to: refused, never sent, or unknown. `error` is any error of either SDK or of the transport. */
export function failed(
  attemptId: string,
  wire: Wire,
  bound: Limit,
  error: unknown,
  at: { readonly flex: boolean; readonly nowMs: number },
): LaneAnswer {
  if (wire.refusal) return refused(attemptId, wire.refusal, classify(wire.refusal, at.nowMs, at.flex));
  const why = failureCode(bound, error);
  const message = messageOf(error);
  if (!wire.sent) return { kind: "void", attemptId, code: "unsent", message: `${why}: ${message}` };
  return { kind: "unknown", attemptId, code: why, message };
}

/** `timeout`, `aborted`, or the transport's own code (`ECONNRESET`, `UND_ERR_SOCKET`). */
export function failureCode(bound: Limit, error: unknown): string {
  if (bound.timedOut()) return "timeout";
  if (bound.signal.aborted) return "aborted";
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string") return code;
    if (at.constructor.name === "APIConnectionTimeoutError") return "timeout";
  }
  return "connection_lost";
}

/** The innermost message: the outer ones only say "Connection error". */
export function messageOf(error: unknown): string {
  let at = error;
  for (let depth = 0; at instanceof Error && at.cause instanceof Error && depth < 6; depth++) at = at.cause;
  const first = at instanceof AggregateError ? at.errors[0] : at;
  return first instanceof Error ? first.message : String(first);
}

/** The provider's wish in ms, best source first: `retry-after-ms`, `retry-after`, the reset of an empty limit, the message. */
function retryAfter(headers: ReplyHeaders | null, message: string, nowMs: number): number | null {
  const candidates = [
    headers === null ? null : retryAfterMs((name) => headers.get(name), nowMs),
    resetWish(headers, nowMs),
    goDurationMs(/try again in ([\d.hms]+?)\.?(?:\s|$)/.exec(message)?.[1] ?? ""),
  ];
  const wish = candidates.find((ms) => ms !== null && Number.isFinite(ms) && ms >= 0);
  return wish === undefined || wish === null ? null : Math.min(BOUNDS.retryAfterMs, Math.ceil(wish));
}

/** The longest reset among the limits that have nothing left. */
function resetWish(headers: ReplyHeaders | null, nowMs: number): number | null {
  let longest: number | null = null;
  for (const [name, left] of headers ?? []) {
    const match = /^(x-ratelimit-)remaining-(.+)$|^(anthropic-(?:ratelimit|priority)-.+)-remaining$/.exec(name);
    if (!match || Number(left) > 0) continue;
    const wait = resetMs(headers?.get(match[1] ? `${match[1]}reset-${match[2]}` : `${match[3]}-reset`) ?? null, nowMs);
    if (wait !== null) longest = Math.max(longest ?? 0, wait);
  }
  return longest;
}
