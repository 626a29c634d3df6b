import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import { asksForUsage } from "./edit.ts";
import { accountHeaders, type OpenAiAccount } from "./openai-client.ts";
import { openAiAssembler } from "./openai-stream.ts";
import { createPaces, type Paces } from "./paces.ts";
import type { CallLane } from "./port.ts";
import { poster } from "./poster.ts";
import { createAgent } from "./wire.ts";

/** An OpenAI lane's settings. `flex` asks for the flex tier and makes the lane `openai-flex`, with 15 minutes a call instead of 10. */
export interface OpenAiOptions extends OpenAiAccount {
  readonly flex?: boolean;
  readonly timeoutMs?: number | (() => number);
  readonly agent?: Agent;
  /** Shared by every lane of the process; without it the lane paces itself alone. */
  readonly paces?: Paces;
}

/** OpenAI, or a provider that speaks its API, in real time: chat completions, responses and embeddings. */
export function createOpenAiLane(options: OpenAiOptions): CallLane {
  const flex = options.flex === true;
  const provider = options.provider ?? "openai";
  const below = poster(options.baseURL, accountHeaders(options));
  const timeoutMs = options.timeoutMs ?? (flex ? BOUNDS.flexMs : BOUNDS.callMs);
  return callLane(options.agent ?? createAgent(), {
    id: flex ? `${provider}-flex` : provider,
    account: accountOf(provider, options),
    emulated: options.emulated,
    timeoutMs,
    endpoints: ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"],
    streaming: ["/v1/chat/completions", "/v1/responses"],
    tier: flex ? "flex" : null,
    paces: options.paces ?? createPaces(),
    // The account's base URL holds the version already.
    post: (wire, path, body, init) => below(wire, path.replace(/^\/v1/, ""), body, init),
    assembler: (request) => openAiAssembler(request.endpoint, asksForUsage(request.body)),
  });
}
