import { type Fault, type FaultCode, fault, isFault } from "@slowboat/kernel";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppDeps, AppEnv } from "./env.ts";
import { speaksAnthropic } from "./surface.ts";

/** Fault codes that OpenAI's clients know under another name; `null` where that API sends no code. */
const OPENAI_CODE: Partial<Record<FaultCode, string | null>> = {
  "unknown-model": "model_not_found",
  "key-missing": "invalid_api_key",
  "key-invalid": "invalid_api_key",
  "missing-parameter": "missing_required_parameter",
  "invalid-request": null,
  "not-found": null,
  "rate-limited": "rate_limit_exceeded",
};

/** Kinds of error that OpenAI's clients tell apart; any other is the request's fault, or the server's. */
const OPENAI_TYPE: Record<number, string> = { 402: "insufficient_quota", 429: "rate_limit_error" };

/** The OpenAI error envelope; our own facts ride along as extra members, which its clients ignore. */
export function openaiError(err: Fault): Record<string, unknown> {
  const named = OPENAI_CODE[err.code];
  return {
    error: {
      message: err.message,
      type: OPENAI_TYPE[err.status] ?? (err.status >= 500 ? "server_error" : "invalid_request_error"),
      param: err.detail.param ?? null,
      code: named === undefined ? err.code.replaceAll("-", "_") : named,
      ...(err.detail.line === undefined ? {} : { line: err.detail.line }),
      ...err.detail.extra,
    },
  };
}

const ANTHROPIC_TYPE: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  408: "timeout_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** The Anthropic error envelope. */
export const anthropicError = (err: Fault, requestId: string): Record<string, unknown> => ({
  type: "error",
  error: { type: ANTHROPIC_TYPE[err.status] ?? "api_error", message: err.message },
  request_id: requestId,
});

/** When the same call may do better, in both headers that SDKs read; none where it is not known. */
export const retryHeaders = (ms: number | null): Readonly<Record<string, string>> =>
  ms === null ? {} : { "retry-after": String(Math.ceil(ms / 1000)), "retry-after-ms": String(Math.ceil(ms)) };

/** Faults that end a request before its body has been read. */
const UNREAD: readonly FaultCode[] = ["body-too-large", "body-timeout", "unsupported-encoding", "overloaded"];

/** Turns whatever a route threw into the error shape of the API whose path was called; what is no fault is a bug, logged once and told as 500. */
export function errorReply(thrown: unknown, c: Context<AppEnv>, logger: AppDeps["logger"]): Response {
  const err = isFault(thrown) ? thrown : fault("internal", { cause: thrown });
  const requestId = c.get("requestId") ?? "";
  if (err.code === "overloaded") logger.warn({ requestId, path: c.req.path }, "body-refused");
  else if (err.status >= 500) logger.error({ err: thrown, requestId, path: c.req.path, inside: err.detail.inside }, "request-failed");
  for (const [name, value] of Object.entries(retryHeaders(err.detail.retryAfterMs ?? null))) c.header(name, value);
  // SDKs retry every 409 and 5xx unless they are told; a fault knows whether trying again can help.
  if (err.status === 409 || err.status >= 500) c.header("x-should-retry", String(err.retryable));
  // The rest of a refused body is not read: the connection cannot carry another request.
  if (UNREAD.includes(err.code)) c.header("connection", "close");
  const body = speaksAnthropic(c) ? anthropicError(err, requestId) : openaiError(err);
  return c.json(body, err.status as ContentfulStatusCode);
}
