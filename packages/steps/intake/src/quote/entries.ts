import { type Endpoint, isEndpoint } from "@slowboat/contract";
import { depthOf, isFault, LIMITS } from "@slowboat/kernel";
import { type BatchEntry, type InputError, readBatchLine } from "../batch-line.ts";
import { type Line, readLines } from "../lines.ts";
import { messageRequest } from "../message-request.ts";
import type { ScannedElement } from "../scan-requests.ts";

/** A line of a file with the endpoint that it is for. */
export interface LineEntry extends BatchEntry {
  readonly endpoint: Endpoint;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads JSON lines of either API: those of a batch file, and requests of a message batch (`{custom_id, params}`), one a line. Without `endpoint` the first line
 * that names one settles it. What is wrong with a line comes in its place.
 */
export async function* lineEntries(chunks: AsyncIterable<Uint8Array>, endpoint: Endpoint | null): AsyncGenerator<LineEntry | InputError> {
  let settled = endpoint;
  for await (const line of readLines(chunks, LIMITS.lineBytes)) {
    settled ??= endpointOf(line);
    const entry = lineEntry(line, settled);
    if (entry !== null) yield entry;
  }
}

/** One line of either API, or what is wrong with it; `null` for a blank one. */
function lineEntry(line: Line, endpoint: Endpoint | null): LineEntry | InputError | null {
  const entry = messageLine(line, endpoint) ?? readBatchLine(line, endpoint ?? "");
  if (entry === null || "code" in entry) return entry;
  return { ...entry, endpoint: endpoint as Endpoint };
}

/** One element of a list of requests: a line of either API as an object, or `null` for anything else, which may be a job. */
export function elementEntry(element: ScannedElement): LineEntry | InputError | null {
  const { value } = element;
  const isLine = typeof value === "object" && value !== null && ("params" in value || "url" in value) && !("request" in value);
  if (!isLine) return null;
  const line = { no: element.index + 1, offset: 0, bytes: Buffer.from(element.text) };
  return lineEntry(line, endpointOf(line));
}

/** The endpoint that a line names by itself; `null` where it names none. */
function endpointOf(line: Line): Endpoint | null {
  const value = objectOf(line)?.value;
  if (value?.["params"] !== undefined && value["url"] === undefined) return "/v1/messages";
  const url = value?.["url"];
  return typeof url === "string" && isEndpoint(url) ? url : null;
}

function objectOf(line: Line): { readonly text: string; readonly value: Readonly<Record<string, unknown>> } | null {
  if (line.bytes === null) return null;
  try {
    const text = utf8.decode(line.bytes);
    if (depthOf(text) > LIMITS.jsonDepth) return null;
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { text, value: value as Record<string, unknown> } : null;
  } catch {
    return null;
  }
}

const PARAMS = Buffer.from('"params"');

/** A request of a message batch on a line of its own; `null` for any other line. */
function messageLine(line: Line, endpoint: Endpoint | null): BatchEntry | InputError | null {
  if (
    endpoint !== "/v1/messages" ||
    line.bytes === null ||
    !Buffer.from(line.bytes.buffer, line.bytes.byteOffset, line.bytes.length).includes(PARAMS)
  )
    return null;
  const read = objectOf(line);
  if (read === null || read.value["params"] === undefined || read.value["url"] !== undefined) return null;
  try {
    const { customId, params, offset, bytes, value } = messageRequest({ index: line.no - 1, offset: line.offset, ...read });
    return { no: line.no, customId, offset, bytes, text: params, value };
  } catch (thrown) {
    if (!isFault(thrown) || thrown.status >= 500) throw thrown;
    const { param = "" } = thrown.detail;
    const name = param.replace(/^requests\.\d+\.?/, "");
    return {
      code: "invalid_request",
      message: thrown.message.replace(param, name === "" ? "line" : name),
      param: name === "" ? null : name,
      line: line.no,
    };
  }
}
