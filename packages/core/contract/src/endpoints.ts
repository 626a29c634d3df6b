/** Where a request would go at its provider; it also says which API shape the body has. */
export const ENDPOINTS = [
  "/v1/chat/completions",
  "/v1/embeddings",
  "/v1/responses",
  "/v1/messages",
  /** Ours: zero-shot classification by the pool, `{model, input, labels}`. */
  "/v1/classifications",
] as const;

export type Endpoint = (typeof ENDPOINTS)[number];

export const isEndpoint = (text: string): text is Endpoint => (ENDPOINTS as readonly string[]).includes(text);

/**
 * The Anthropic version that requests go out with unless a caller on the line names one: it accepts sampling parameters, which 2026-10-21
 * refuses even at their defaults.
 */
export const ANTHROPIC_VERSION = "2023-06-01";

/** Who answers: `openai`, `anthropic`, the self-hosted `pool`, or an OpenAI-compatible provider by the name that the operator gave it. */
export type Provider = string;

/** Names that a provider may have: they become parts of lane ids and of ledger accounts. */
export const PROVIDER_NAME: RegExp = /^[a-z][a-z0-9]{1,20}$/;

/** Through which API a batch came; decides the shapes of objects and errors. */
export type Surface = "native" | "openai" | "anthropic";
