import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import { asksForUsage } from "./edit.ts";
import type { OpenAiAccount } from "./openai-client.ts";
import { openAiAssembler } from "./openai-stream.ts";
import type { CallLane } from "./port.ts";
import { poster } from "./poster.ts";
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
  // The account's base URL ends in /v1 already.
  const post = poster(options.baseURL.replace(/\/v1\/*$/, ""), { authorization: `Bearer ${options.apiKey}` });
  const timeoutMs = options.timeoutMs ?? (flex ? BOUNDS.flexMs : BOUNDS.callMs);
  return callLane(options.agent ?? createAgent(), {
    id: flex ? "openai-flex" : "openai",
    account: accountOf("openai", options),
    emulated: options.emulated,
    timeoutMs,
    endpoints: ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"],
    streaming: ["/v1/chat/completions", "/v1/responses"],
    tier: flex ? "flex" : null,
    post,
    assembler: (request) => openAiAssembler(request.endpoint, asksForUsage(request.body)),
  });
}
