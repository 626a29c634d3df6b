import type { FaultEffect, Preset } from "./faults.ts";
import type { Json } from "./json.ts";
import type { Provider } from "./types.ts";

interface Reply {
  readonly status: number;
  readonly body: Json | string;
  readonly headers: Record<string, string>;
}

const openai = (status: number, message: string, type: string, code: string | null, headers: Record<string, string> = {}): Reply => ({
  status,
  body: { error: { message, type, param: null, code } },
  headers,
});

const anthropic = (status: number, message: string, type: string, headers: Record<string, string> = {}, details?: Json): Reply => ({
  status,
  body: { type: "error", error: details === undefined ? { type, message } : { type, message, details } },
  headers,
});

const html = (status: number, title: string): Reply => ({
  status,
  body: `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n<center><h1>${status} ${title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`,
  headers: { "content-type": "text/html; charset=UTF-8" },
});

const OPENAI: Readonly<Record<Preset, Reply>> = {
  "rate-limit": openai(
    429,
    "Rate limit reached for the model in organization org-emulated on tokens per min (TPM): Limit 200000, Used 199000, Requested 2500. Please try again in 450ms.",
    "tokens",
    "rate_limit_exceeded",
    {
      "retry-after": "1",
      "retry-after-ms": "450",
      "x-ratelimit-limit-tokens": "200000",
      "x-ratelimit-remaining-tokens": "1000",
      "x-ratelimit-reset-tokens": "450ms",
    },
  ),
  "insufficient-quota": openai(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
  ),
  "spend-limit": openai(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
  ),
  // A limit that the organisation set itself is refused with the same words.
  "own-spend-limit": openai(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
  ),
  "slow-down": openai(
    503,
    "Slow down: your request rate rose too fast. Reduce it to its earlier level and raise it gradually.",
    "server_error",
    "slow_down",
  ),
  // The real body of this refusal is not published; clients should go by the status and the tier.
  "flex-unavailable": openai(429, "Resource Unavailable", "resource_unavailable", "resource_unavailable"),
  overloaded: openai(503, "The engine is currently overloaded, please try again later.", "server_error", "server_is_overloaded", {
    "retry-after": "5",
  }),
  "server-error": openai(500, "The server had an error while processing your request. Sorry about that!", "server_error", null),
  "html-502": html(502, "Bad Gateway"),
  "html-503": html(503, "Service Temporarily Unavailable"),
  timeout: openai(504, "The request timed out.", "server_error", "timeout"),
  unauthorized: openai(
    401,
    "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
    "invalid_request_error",
    "invalid_api_key",
  ),
};

const ANTHROPIC: Readonly<Record<Preset, Reply>> = {
  "rate-limit": anthropic(429, "This request would exceed your organization's rate limit.", "rate_limit_error", { "retry-after": "1" }),
  "insufficient-quota": anthropic(402, "Your credit balance is too low to access the API.", "billing_error"),
  // A reached spend cap comes without retry-after: waiting does not help.
  "spend-limit": anthropic(
    429,
    "This organization has reached its spend limit.",
    "rate_limit_error",
    {},
    { error_code: "enforced_spend_limit_reached" },
  ),
  "own-spend-limit": anthropic(
    400,
    "You have reached your specified workspace API usage limits. You will regain access on the first day of next month.",
    "invalid_request_error",
  ),
  "slow-down": anthropic(429, "Your request rate rose too fast.", "rate_limit_error", { "retry-after": "5" }, { error_code: "ramp_limit_exceeded" }),
  "flex-unavailable": anthropic(400, "service_tier: Input should be 'auto' or 'standard_only'", "invalid_request_error"),
  overloaded: anthropic(529, "Overloaded", "overloaded_error"),
  "server-error": anthropic(500, "Internal server error", "api_error"),
  "html-502": html(502, "Bad Gateway"),
  "html-503": html(503, "Service Temporarily Unavailable"),
  timeout: anthropic(504, "The request timed out.", "timeout_error"),
  unauthorized: anthropic(401, "invalid x-api-key", "authentication_error"),
};

/** The answer that a fault gives in place of the work, or null when the work goes on. */
export function faultReply(provider: Provider, effect: FaultEffect): Reply | null {
  const base = effect.preset === undefined ? null : (provider === "openai" ? OPENAI : ANTHROPIC)[effect.preset];
  if (base === null && effect.status === undefined) return null;
  const type =
    provider === "openai"
      ? openai(effect.status ?? 500, "Scripted fault.", "server_error", null)
      : anthropic(effect.status ?? 500, "Scripted fault.", "api_error");
  return {
    status: effect.status ?? base?.status ?? 500,
    body: effect.body ?? base?.body ?? type.body,
    headers: { ...base?.headers, ...effect.headers },
  };
}

const OVERLOADED = {
  message: "The server is currently overloaded. Please try again later.",
  type: "server_error",
  param: null,
  code: "server_is_overloaded",
};

/** The payload of an error inside a stream that began with status 200 and has had so many events; the responses API says it flat. */
export function streamError(provider: Provider, path: string, events: number): Json {
  if (provider === "anthropic") return { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
  if (path !== "/v1/responses") return { error: OVERLOADED };
  return { ...OVERLOADED, type: "error", sequence_number: events };
}
