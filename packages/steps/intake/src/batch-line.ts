import { depthOf, type Fault, isFault, LIMITS, memberSpans } from "@slowboat/kernel";
import type { Line } from "./lines.ts";

/** One thing that is wrong with a batch's input, as it stands in `errors.data` of the batch. */
export interface InputError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** 1-based; `null` where the whole input is meant. */
  readonly line: number | null;
}

/** A request of a batch: where its body lies in the input, and the body to look at. */
export interface BatchEntry {
  /** 1-based line of the input, or place in the list. */
  readonly no: number;
  readonly customId: string;
  readonly offset: number;
  readonly bytes: number;
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for: Postgres has no text for it.
const UNKEEPABLE = /\u0000/;

/**
 * Reads one line of a batch file: its custom_id, method and url checked, its body found as a range of bytes. Returns what is wrong, in
 * the provider's codes, or `null` for a blank line. Never throws, whatever the line holds.
 */
export function readBatchLine(line: Line, endpoint: string): BatchEntry | InputError | null {
  const bad = (code: string, message: string, param: string | null = null): InputError => ({ code, message, param, line: line.no });
  if (line.bytes === null) return bad("invalid_request", `The line is longer than ${LIMITS.lineBytes} bytes.`);
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(line.bytes);
    if (text.trim() === "" && !text.startsWith("\ufeff")) return null;
    if (depthOf(text) > LIMITS.jsonDepth) return bad("invalid_request", `The line is nested deeper than ${LIMITS.jsonDepth} levels.`);
    value = JSON.parse(text);
  } catch {
    return bad("invalid_json_line", "This line is not parseable as valid JSON.");
  }
  if (!isRecord(value)) return bad("invalid_json_line", "This line is not a JSON object.");
  const customId = value["custom_id"];
  if (customId === undefined || customId === null) return bad("missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id");
  if (
    typeof customId !== "string" ||
    customId === "" ||
    customId.length > LIMITS.customIdChars ||
    UNKEEPABLE.test(customId) ||
    !customId.isWellFormed()
  ) {
    return bad(
      "invalid_request",
      `'custom_id' must be a text of 1 to ${LIMITS.customIdChars} characters without NUL or half a surrogate pair.`,
      "custom_id",
    );
  }
  if (value["method"] !== "POST") {
    return value["method"] === undefined
      ? bad("missing_required_parameter", "Missing required parameter: 'method'.", "method")
      : bad("invalid_request", "'method' must be POST.", "method");
  }
  if (value["url"] === undefined) return bad("missing_required_parameter", "Missing required parameter: 'url'.", "url");
  if (value["url"] !== endpoint) return bad("invalid_url", `The 'url' of every line must be the endpoint of the batch, ${endpoint}.`, "url");
  const body = value["body"];
  if (body === undefined) return bad("missing_required_parameter", "Missing required parameter: 'body'.", "body");
  const span = isRecord(body) ? memberSpans(text).get("body") : undefined;
  if (!span || !isRecord(body)) return bad("invalid_request", "'body' must be a JSON object.", "body");
  // Characters are bytes where the line is all ASCII, which most are; else the bytes before the body are counted.
  const ascii = text.length === line.bytes.length;
  const raw = text.slice(span.start, span.end);
  const before = ascii ? span.start : Buffer.byteLength(text.slice(0, span.start));
  return { no: line.no, customId, offset: line.offset + before, bytes: ascii ? raw.length : Buffer.byteLength(raw), text: raw, value: body };
}

/** A fault about a line's body in the provider's codes. What is no fault of the caller's is a bug and goes on. */
export function inputError(thrown: unknown, line: number | null): InputError {
  if (!isFault(thrown) || thrown.status >= 500) throw thrown;
  return { code: codeOf(thrown), message: thrown.message, param: thrown.detail.param ?? null, line };
}

function codeOf(err: Fault): string {
  const { param } = err.detail;
  if (param === "body.stream") return "streaming_unsupported";
  if (err.code === "unknown-model") return "model_not_found";
  if (err.code === "missing-parameter") return param === "body.model" ? "invalid_request" : "missing_required_parameter";
  return err.code === "invalid-request" ? "invalid_request" : err.code.replaceAll("-", "_");
}
