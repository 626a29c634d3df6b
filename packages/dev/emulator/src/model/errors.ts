import type { Json } from "./json.ts";
import type { Provider } from "./types.ts";

/** A refusal by the emulated provider: it becomes an HTTP error, an error row of a batch, or an event in a stream. */
export class Refusal extends Error {
  readonly provider: Provider;
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
  readonly details: Json | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    provider: Provider,
    status: number,
    type: string,
    message: string,
    more: { param?: string | null; code?: string | null; details?: Json; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.provider = provider;
    this.status = status;
    this.type = type;
    this.param = more.param ?? null;
    this.code = more.code ?? null;
    this.details = more.details ?? null;
    this.headers = more.headers ?? {};
  }

  /** The error object that OpenAI nests under `error`. */
  openAiError(): Json {
    return { message: this.message, type: this.type, param: this.param, code: this.code };
  }

  /** The whole error body of Anthropic; batch rows pass the request id null. */
  anthropicBody(requestId: string | null): Json {
    const error: Json = { type: this.type, message: this.message };
    if (this.details !== null) error["details"] = this.details;
    return { type: "error", error, request_id: requestId };
  }

  /** The body in the provider's own form. */
  body(requestId: string): Json {
    return this.provider === "openai" ? { error: this.openAiError() } : this.anthropicBody(requestId);
  }
}

/** OpenAI refuses: `invalid_request_error` with status 400 unless said otherwise. */
export const openAiRefuses = (message: string, param: string | null = null, code: string | null = null, status = 400): Refusal =>
  new Refusal("openai", status, "invalid_request_error", message, { param, code });

const ANTHROPIC_TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** Anthropic refuses: the error type follows from the status. */
export const anthropicRefuses = (message: string, status = 400): Refusal =>
  new Refusal("anthropic", status, ANTHROPIC_TYPES[status] ?? "api_error", message);
