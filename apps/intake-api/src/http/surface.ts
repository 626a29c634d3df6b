import type { Context } from "hono";
import type { AppEnv } from "./env.ts";

const OPENAI_PATHS = /^\/(?:v1\/(?:chat|responses|embeddings|classifications|files|batches|jobs|budgets|cache)|webhooks\/openai)(?:\/|$)/;

/** The header in which the API that is called says its request ids. */
export const requestIdHeader = (c: Context<AppEnv>): string => (speaksAnthropic(c) ? "request-id" : "x-request-id");

/**
 * True for a call of the Anthropic-compatible API, which has its own error shape and request-id header. Its own paths tell; on a path of both
 * (`/v1/models`) or of neither, the version header does, which only its clients send.
 */
export function speaksAnthropic(c: Context<AppEnv>): boolean {
  const { path } = c.req;
  if (path === "/v1/messages" || path.startsWith("/v1/messages/")) return true;
  return c.req.header("anthropic-version") !== undefined && !OPENAI_PATHS.test(path);
}
