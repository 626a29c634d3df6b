import type { Endpoint } from "@slowboat/contract";
import type { BatchLine, BatchRow } from "@slowboat/store";
import { asAsked } from "@slowboat/translate";

/** One line of a results file, without its newline. A provider's answer goes in byte for byte, another API's in this one's shape. */
export function resultLine(stored: BatchLine): string {
  const line = asAskedFor(stored);
  const id = `{"custom_id":${JSON.stringify(line.customId)},"result":`;
  if (line.state === "completed" && line.statusCode !== 200 && line.answer !== null && line !== stored)
    return `${id}{"type":"errored","error":${erroredBody(line, null)}}}`;
  if (line.state === "completed") return line.answer === null ? forgotten(id) : `${id}{"type":"succeeded","message":${oneLine(line.answer)}}}`;
  if (line.state === "cancelled") return `${id}{"type":"canceled"}}`;
  const own = ownError(line.error);
  if (own !== null && EXPIRED.includes(own.code)) return `${id}{"type":"expired"}}`;
  return `${id}{"type":"errored","error":${erroredBody(line, own)}}}`;
}

function asAskedFor(line: BatchLine): BatchLine {
  if (line.otherEndpoint === null || line.answer === null || line.statusCode === null) return line;
  const context = { id: line.jobId.replace("job_", ""), model: line.otherModel ?? "", nowMs: line.answeredAtMs ?? 0 };
  const raw = { statusCode: line.statusCode, body: line.answer, wire: line.otherEndpoint as Endpoint };
  const said = asAsked(raw, line.endpoint as Endpoint, context);
  return { ...line, statusCode: said.statusCode, answer: said.body };
}

/** The line of a request that never became a job, since its batch was cancelled or could not run at all. */
export function unreadLine(customId: string, batch: Pick<BatchRow, "state" | "errors">): string {
  const id = `{"custom_id":${JSON.stringify(customId)},"result":`;
  if (batch.state !== "failed") return `${id}{"type":"canceled"}}`;
  const [first] = JSON.parse(batch.errors ?? "[]") as { message?: string }[];
  const error = { type: "invalid_request_error", message: first?.message ?? "The batch could not be run." };
  return `${id}{"type":"errored","error":${JSON.stringify({ type: "error", error, request_id: null })}}}`;
}

/** Codes of requests whose time ran out before they were run. */
const EXPIRED: readonly string[] = ["expired", "batch_expired", "deadline-missed"];

const forgotten = (id: string): string => {
  const error = { type: "not_found_error", message: "The result of this request is no longer kept." };
  return `${id}{"type":"errored","error":${JSON.stringify({ type: "error", error, request_id: null })}}}`;
};

/** A raw JSON text may span lines; outside of strings a newline is only layout, and inside one it cannot stand raw. */
const oneLine = (json: string): string => json.replace(/[\r\n]+/g, " ").trim();

interface OwnError {
  readonly code: string;
  readonly message: string;
}

const ownError = (text: string | null): OwnError | null => {
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as { code?: unknown; message?: unknown };
    return { code: String(value.code ?? "api_error"), message: String(value.message ?? "The request failed.") };
  } catch {
    return { code: "api_error", message: text };
  }
};

/** The envelope inside `error`: the provider's own where it refused, else one of the same shape (hence the double nesting). */
function erroredBody(line: BatchLine, own: OwnError | null): string {
  if (line.answer !== null && isErrorEnvelope(line.answer)) return oneLine(line.answer);
  const type = ERROR_TYPES[own?.code ?? ""] ?? "api_error";
  return JSON.stringify({ type: "error", error: { type, message: own?.message ?? "The request failed." }, request_id: line.requestId });
}

const isErrorEnvelope = (text: string): boolean => {
  try {
    const value = JSON.parse(text) as { type?: unknown; error?: unknown } | null;
    return value?.type === "error" && typeof value.error === "object" && value.error !== null;
  } catch {
    return false;
  }
};

/** Our own codes in the provider's words; anything else is an `api_error`. */
const ERROR_TYPES: Readonly<Record<string, string>> = {
  "unknown-model": "not_found_error",
  "model-unpriced": "invalid_request_error",
  "invalid-request": "invalid_request_error",
  "missing-parameter": "invalid_request_error",
  "lanes-empty": "invalid_request_error",
  "over-max-cost": "invalid_request_error",
  "provider-refused": "invalid_request_error",
  "deadline-infeasible": "invalid_request_error",
  "lane-unavailable": "overloaded_error",
};
