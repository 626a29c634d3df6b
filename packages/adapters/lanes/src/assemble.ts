import { asRecord } from "./json.ts";
import type { SseEvent } from "./sse.ts";

/** What a finished stream came to. */
export type StreamEnd =
  | { readonly kind: "whole"; readonly body: string }
  /** The provider said so inside a 200 stream. `started`: output had begun, so it may be charged. */
  | { readonly kind: "error"; readonly text: string; readonly status: number; readonly started: boolean }
  | { readonly kind: "cut" };

/** Builds the non-streaming answer out of a stream's events. */
export interface Assembler {
  /** False for an event that the consumer must not see. */
  push(event: SseEvent): boolean;
  end(): StreamEnd;
}

/** The HTTP status that an error inside a stream or a batch row would have had: the first of its code and type that says so, or 500. */
export function statusOfError(...words: readonly unknown[]): number {
  for (const word of words) {
    if (typeof word !== "string") continue;
    const known = Object.hasOwn(STATUS, word) ? STATUS[word] : undefined;
    const status = known ?? (/overloaded|slow_down|unavailable/.test(word) ? 503 : /rate_limit/.test(word) ? 429 : null);
    if (status !== null) return status;
  }
  return 500;
}

const STATUS: Record<string, number> = {
  invalid_request_error: 400,
  invalid_prompt: 400,
  content_policy_violation: 400,
  context_length_exceeded: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  model_not_found: 404,
  conflict_error: 409,
  request_too_large: 413,
  insufficient_quota: 429,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  requests: 429,
  tokens: 429,
  api_error: 500,
  server_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** The error event's text in the shape of an error body, and the status it stands for; `null` for any other event. */
export function errorEvent(event: SseEvent, data: Record<string, unknown>): { text: string; status: number } | null {
  const nested = asRecord(data["error"]);
  // The responses API writes {"type":"error","code","message","param"} without nesting.
  const flat = data["type"] === "error" || event.event === "error" ? data : null;
  const error = nested ?? flat;
  if (!error || (nested === null && typeof error["message"] !== "string")) return null;
  return { text: nested ? (event.data ?? "") : JSON.stringify({ error: data }), status: statusOfError(error["code"], error["type"]) };
}
