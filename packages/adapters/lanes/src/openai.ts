import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import { asksForUsage } from "./edit.ts";
import { type OpenAiAccount, on, openAiClient } from "./openai-client.ts";
import { openAiAssembler } from "./openai-stream.ts";
import type { CallLane } from "./port.ts";
import { createAgent } from "./wire.ts";

/** An OpenAI lane's settings. `flex` asks for the flex tier and makes the lane `openai-flex`, with 15 minutes a call instead of 10. */
export interface OpenAiOptions extends OpenAiAccount {
  readonly flex?: boolean;
  readonly timeoutMs?: number;
  readonly agent?: Agent;
}

/** OpenAI in real time: chat completions, responses and embeddings. */
export function createOpenAiLane(options: OpenAiOptions): CallLane {
  const flex = options.flex === true;
  const client = openAiClient(options);
  const timeoutMs = options.timeoutMs ?? (flex ? BOUNDS.flexMs : BOUNDS.callMs);
  return callLane(options.agent ?? createAgent(), {
    id: flex ? "openai-flex" : "openai",
    account: accountOf("openai", options),
    emulated: options.emulated,
    timeoutMs,
    endpoints: ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"],
    streaming: ["/v1/chat/completions", "/v1/responses"],
    tier: flex ? "flex" : null,
    // With a content type given, the SDK sends a string body as it is. Its base URL ends in /v1 already.
    post: (wire, path, body, { headers, signal }) =>
      on(client, wire, timeoutMs).post(path.replace(/^\/v1/, ""), { body, headers, signal }).asResponse(),
    assembler: (request) => openAiAssembler(request.endpoint, asksForUsage(request.body)),
  });
}
