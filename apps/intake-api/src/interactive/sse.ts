import type { Endpoint } from "@slowboat/contract";
import { type Fault, fault, isFault } from "@slowboat/kernel";
import { anthropicError, openaiError } from "../http/errors.ts";

/** What a stream says when it broke off after `sent` events: an error event in the shape that the clients of its API raise on. */
function errorEvent(endpoint: Endpoint, thrown: unknown, requestId: string, sent: number): string {
  const err: Fault = isFault(thrown) ? thrown : fault("internal", { cause: thrown });
  if (endpoint === "/v1/messages") return `event: error\ndata: ${JSON.stringify(anthropicError(err, requestId))}\n\n`;
  const body = openaiError(err);
  if (endpoint !== "/v1/responses") return `data: ${JSON.stringify(body)}\n\n`;
  return `event: error\ndata: ${JSON.stringify({ type: "error", code: err.code, message: err.message, param: null, sequence_number: sent, ...body })}\n\n`;
}

/**
 * The bytes of a stream of events. A stream that broke off ends with an error event and never with the mark of a whole one; a
 * chat stream that was whole ends with `[DONE]` even where the provider left it out.
 */
export async function* sseBytes(
  events: AsyncGenerator<string, void, undefined>,
  about: { readonly endpoint: Endpoint; readonly requestId: string; onError(thrown: unknown): void },
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let done = about.endpoint !== "/v1/chat/completions";
  let sent = 0;
  try {
    for await (const event of events) {
      sent++;
      if (/^data: ?(?:\[DONE\]|\{"error":)/m.test(event)) done = true;
      yield encoder.encode(event);
    }
    if (!done) yield encoder.encode("data: [DONE]\n\n");
  } catch (thrown) {
    about.onError(thrown);
    yield encoder.encode(errorEvent(about.endpoint, thrown, about.requestId, sent));
  }
}
