import OpenAI from "openai";
import { BOUNDS } from "./bounds.ts";
import type { Wire } from "./wire.ts";

/** Where an OpenAI account is reached; `baseURL` ends in `/v1`. */
export interface OpenAiAccount {
  readonly apiKey: string;
  readonly baseURL: string;
  readonly emulated: boolean;
}

/** The official client without retries of its own, without its log, and without settings from the environment. */
export const openAiClient = (account: OpenAiAccount): OpenAI =>
  new OpenAI({
    apiKey: account.apiKey,
    baseURL: account.baseURL,
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: BOUNDS.controlMs,
    logLevel: "off",
  });

/** The client on one watched connection. The time limit proper is the signal's, which also bounds the reading of the body. */
export const on = (client: OpenAI, wire: Wire, timeoutMs: number = BOUNDS.controlMs): OpenAI =>
  client.withOptions({ fetch: wire.fetch, timeout: timeoutMs, maxRetries: 0 });
