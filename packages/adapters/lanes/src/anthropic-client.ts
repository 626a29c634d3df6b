import Anthropic from "@anthropic-ai/sdk";
import { ANTHROPIC_VERSION } from "@slowboat/contract";
import { BOUNDS } from "./bounds.ts";
import type { Wire } from "./wire.ts";

/** Where an Anthropic account is reached; `baseURL` has no `/v1`. */
export interface AnthropicAccount {
  readonly apiKey: string;
  readonly baseURL: string;
  readonly emulated: boolean;
}

/** The official client without retries of its own, without its log, and without settings from the environment. */
export const anthropicClient = (account: AnthropicAccount): Anthropic =>
  new Anthropic({
    apiKey: account.apiKey,
    authToken: null,
    webhookKey: null,
    baseURL: account.baseURL,
    defaultHeaders: { "anthropic-version": ANTHROPIC_VERSION },
    maxRetries: 0,
    timeout: BOUNDS.controlMs,
    logLevel: "off",
  });

/** The client on one watched connection. */
export const on = (client: Anthropic, wire: Wire, timeoutMs: number = BOUNDS.controlMs): Anthropic =>
  client.withOptions({ fetch: wire.fetch, timeout: timeoutMs, maxRetries: 0 });
