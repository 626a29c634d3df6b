import OpenAI from "openai";
import { BOUNDS } from "./bounds.ts";
import type { Wire } from "./wire.ts";

/** Where an account of OpenAI, or of a provider that speaks its API, is reached; `baseURL` holds the version (`.../v1`). */
export interface OpenAiAccount {
  /** The provider's name, of which its lanes are made; `openai` where it is not said. */
  readonly provider?: string;
  readonly apiKey: string;
  readonly baseURL: string;
  readonly emulated: boolean;
  /** Where the key goes: `Authorization: Bearer`, or `api-key` as at Azure. */
  readonly auth?: "bearer" | "api-key";
  /** Headers that the provider wants on every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an account sends with every request. */
export const accountHeaders = (account: OpenAiAccount): Record<string, string> => ({
  ...account.headers,
  ...(account.auth === "api-key" ? { "api-key": account.apiKey } : { authorization: `Bearer ${account.apiKey}` }),
});

/** The official client without retries of its own, without its log, and without settings from the environment. */
export const openAiClient = (account: OpenAiAccount): OpenAI =>
  new OpenAI({
    apiKey: account.apiKey,
    baseURL: account.baseURL,
    organization: null,
    project: null,
    defaultHeaders: { ...account.headers, ...(account.auth === "api-key" ? { "api-key": account.apiKey, authorization: null } : {}) },
    maxRetries: 0,
    timeout: BOUNDS.controlMs,
    logLevel: "off",
  });

/** The client on one watched connection. The time limit proper is the signal's, which also bounds the reading of the body. */
export const on = (client: OpenAI, wire: Wire, timeoutMs: number = BOUNDS.controlMs): OpenAI =>
  client.withOptions({ fetch: wire.fetch, timeout: timeoutMs, maxRetries: 0 });
