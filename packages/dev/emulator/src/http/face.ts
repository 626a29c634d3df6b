import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { MessageBatches } from "../anthropic-batches.ts";
import { Refusal } from "../model/errors.ts";
import type { FaultEffect } from "../model/faults.ts";
import { isObject, type Json } from "../model/json.ts";
import type { createLimiter } from "../model/limits.ts";
import type { Provider } from "../model/types.ts";
import type { OpenAiBatches } from "../openai-batches.ts";
import type { ProviderCore } from "../provider.ts";
import type { Announcer } from "../webhooks.ts";

/** Said in a header of every answer. */
export const EMULATED = "emulated provider: no money is spent";

export type Env = { Bindings: HttpBindings; Variables: { provider: Provider; requestId: string; effect?: FaultEffect } };
export type Ctx = Context<Env>;

/** What the routes work with. */
export interface Face {
  readonly core: ProviderCore;
  readonly openAiBatches: OpenAiBatches;
  readonly messageBatches: MessageBatches;
  readonly announcer: Announcer;
  readonly limiter: ReturnType<typeof createLimiter>;
  /** Waits so many job milliseconds, or less when the emulator stops. */
  sleep(jobMs: number): Promise<void>;
  /** Breaks every connection off and listens again after so many job milliseconds; during an outage nothing more happens. */
  outage(jobMs: number): void;
}

/** A JSON answer. */
export const json = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

/** A refusal as the provider answers it. */
export const refused = (c: Ctx, error: Refusal): Response => json(error.body(c.get("requestId")), error.status, error.headers);

/** A JSON object from a request's text; anything else is the provider's 400. */
export function parseBody(provider: Provider, text: string): Json {
  const bad = (): Refusal =>
    provider === "openai"
      ? new Refusal(
          "openai",
          400,
          "invalid_request_error",
          "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        )
      : new Refusal("anthropic", 400, "invalid_request_error", "The request body is not valid JSON");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad();
  }
  if (!isObject(value)) throw bad();
  return value;
}

/** A number from the query within bounds; the provider's 400 otherwise. */
export function queryNumber(c: Ctx, name: string, fallback: number, most: number): number {
  const text = c.req.query(name);
  if (text === undefined) return fallback;
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > most)
    throw new Refusal(c.get("provider"), 400, "invalid_request_error", `Invalid '${name}': expected an integer from 1 to ${most}.`, { param: name });
  return n;
}

/** Closes the connection under the request's feet, with a TCP reset where asked; the response that follows goes nowhere. */
export function destroySocket(c: Ctx, reset = false): Response {
  const { socket } = c.env.incoming;
  if (reset) socket.resetAndDestroy();
  else socket.destroy();
  return new Response(null);
}
