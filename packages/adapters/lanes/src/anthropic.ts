import { ANTHROPIC_VERSION } from "@slowboat/contract";
import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import type { AnthropicAccount } from "./anthropic-client.ts";
import { anthropicAssembler } from "./anthropic-stream.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import { createPaces, type Paces } from "./paces.ts";
import type { CallLane } from "./port.ts";
import { poster } from "./poster.ts";
import { createAgent } from "./wire.ts";

/** An Anthropic lane's settings. */
export interface AnthropicOptions extends AnthropicAccount {
  readonly timeoutMs?: number | (() => number);
  readonly agent?: Agent;
  /** Shared by every lane of the process; without it the lane paces itself alone. */
  readonly paces?: Paces;
}

/** Anthropic in real time: messages. */
export function createAnthropicLane(options: AnthropicOptions): CallLane {
  const timeoutMs = options.timeoutMs ?? BOUNDS.callMs;
  return callLane(options.agent ?? createAgent(), {
    id: "anthropic",
    account: accountOf("anthropic", options),
    emulated: options.emulated,
    timeoutMs,
    endpoints: ["/v1/messages"],
    streaming: ["/v1/messages"],
    tier: null,
    paces: options.paces ?? createPaces(),
    countPath: "/v1/messages/count_tokens",
    post: poster(options.baseURL, { "x-api-key": options.apiKey, "anthropic-version": ANTHROPIC_VERSION }),
    assembler: () => anthropicAssembler(),
  });
}
