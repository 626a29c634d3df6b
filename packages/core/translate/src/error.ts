import { asBag, asText, type Bag, parseBag } from "./json.ts";
import type { TranslatableEndpoint } from "./request.ts";

/** What a provider said about a failure, whichever API it speaks. */
interface Said {
  readonly type: string | null;
  readonly code: string | null;
  readonly message: string;
  readonly param: string | null;
}

/** An error as it goes out: HTTP status and body. */
export interface TranslatedError {
  readonly status: number;
  readonly body: string;
}

/**
 * An error answer of the API that was asked in the shape of the API that the caller speaks, with the status that the caller's client
 * knows (529 and 503, 402 and 429 for an exhausted quota). A body that is no error object, such as a proxy's HTML, is not shown.
 */
export function translateError(from: TranslatableEndpoint, to: TranslatableEndpoint, status: number, body: string): TranslatedError {
  if (from === to) return { status, body };
  const said = saidIn(parseBag(body), status);
  const out = to === "/v1/messages" ? messagesError(said, status) : chatError(said, status);
  return { status: out.status, body: JSON.stringify(out.body) };
}

/** The error object of an event inside a stream, whose status nobody said, in the other API's shape. */
export function translateStreamError(to: TranslatableEndpoint, event: Bag): Bag {
  const said = saidIn(event, null);
  return (to === "/v1/messages" ? messagesError(said, null) : chatError(said, null)).body;
}

function saidIn(body: Bag | null, status: number | null): Said {
  // The responses API and some servers write the error flat.
  const error = asBag(body?.["error"]) ?? (asText(body?.["message"]) === null ? null : body);
  const code = asText(asBag(error?.["details"])?.["error_code"]) ?? asText(error?.["code"]);
  const fallback = status === null ? "The provider broke off the stream." : `The provider answered with status ${status}.`;
  return {
    type: asText(error?.["type"]),
    code,
    message: asText(error?.["message"]) || asText(body?.["error"]) || fallback,
    param: asText(error?.["param"]),
  };
}

type Row = readonly [status: number, type: string, code: string | null];

const CHAT: Readonly<Record<string, Row>> = {
  invalid_request_error: [400, "invalid_request_error", null],
  authentication_error: [401, "invalid_request_error", "invalid_api_key"],
  billing_error: [429, "insufficient_quota", "insufficient_quota"],
  permission_error: [403, "invalid_request_error", "permission_denied"],
  not_found_error: [404, "invalid_request_error", null],
  conflict_error: [409, "invalid_request_error", null],
  request_too_large: [413, "invalid_request_error", "request_too_large"],
  rate_limit_error: [429, "requests", "rate_limit_exceeded"],
  api_error: [500, "server_error", null],
  timeout_error: [504, "server_error", "timeout"],
  overloaded_error: [503, "server_error", "server_is_overloaded"],
};

const BY_STATUS: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
};

const typeOfStatus = (status: number | null): string =>
  status === null ? "api_error" : (BY_STATUS[status] ?? (status >= 500 || status < 400 ? "api_error" : "invalid_request_error"));

function chatError(said: Said, status: number | null): { readonly status: number; readonly body: Bag } {
  const key = said.type !== null && said.type in CHAT ? said.type : typeOfStatus(status);
  const [mapped, type, code] = CHAT[said.code?.endsWith("spend_limit_reached") ? "billing_error" : key] ?? [500, "server_error", null];
  const own = status !== null && mapped === 500 && status > 500 ? status : mapped;
  return { status: own, body: { error: { message: said.message, type, param: said.param, code: code ?? chatCode(key, said) } } };
}

function chatCode(type: string, said: Said): string | null {
  if (type === "not_found_error") return said.message.startsWith("model:") ? "model_not_found" : null;
  if (type !== "invalid_request_error") return null;
  return /prompt is too long|exceeds? the (?:model's )?context/i.test(said.message) ? "context_length_exceeded" : said.code;
}

const MESSAGES_BY_CODE: Readonly<Record<string, string>> = {
  insufficient_quota: "billing_error",
  invalid_api_key: "authentication_error",
  model_not_found: "not_found_error",
  rate_limit_exceeded: "rate_limit_error",
  server_is_overloaded: "overloaded_error",
  slow_down: "overloaded_error",
  request_too_large: "request_too_large",
};

const MESSAGES_STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

function messagesError(said: Said, status: number | null): { readonly status: number; readonly body: Bag } {
  const byCode = MESSAGES_BY_CODE[said.code ?? ""] ?? MESSAGES_BY_CODE[said.type ?? ""];
  const inStream = said.type === "invalid_request_error" ? "invalid_request_error" : null;
  const type = byCode ?? (status === null ? inStream : null) ?? typeOfStatus(status);
  const long = said.code === "context_length_exceeded";
  // Clients of this API know a prompt that is too long by these words.
  const message = long ? `prompt is too long: ${said.message}` : said.message;
  return {
    status: MESSAGES_STATUS[type] ?? 500,
    body: { type: "error", error: { type: long ? "invalid_request_error" : type, message }, request_id: null },
  };
}
