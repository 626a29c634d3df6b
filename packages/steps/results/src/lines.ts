import type { BatchLine } from "@slowboat/store";

/** The id of a line's request, derived from its job so that writing the file again gives the same bytes. */
const requestId = (line: BatchLine): string => `batch_req_${line.jobId.slice(4)}`;

/** A line of the output file; the body is the provider's text, spliced in and never re-serialised. */
export const outputLine = (line: BatchLine): string =>
  `{"id":${JSON.stringify(requestId(line))},"custom_id":${JSON.stringify(line.customId)},"response":{"status_code":${line.statusCode},"request_id":${JSON.stringify(line.requestId ?? requestId(line))},"body":${oneLine(line.answer ?? "null")}},"error":null}\n`;

/** A line of the error file: the provider's refusal as a response, ours as an error, a cancelled line as the provider words it. */
export function errorLine(line: BatchLine): string {
  const head = `{"id":${JSON.stringify(requestId(line))},"custom_id":${JSON.stringify(line.customId)}`;
  if (line.state === "cancelled")
    return `${head},"response":null,"error":{"code":"batch_cancelled","message":"This request was not executed because the batch was cancelled."}}\n`;
  if (line.answer !== null && line.statusCode !== null) {
    return `${head},"response":{"status_code":${line.statusCode},"request_id":${JSON.stringify(line.requestId ?? requestId(line))},"body":${oneLine(line.answer)}},"error":null}\n`;
  }
  return `${head},"response":null,"error":${line.error ?? '{"code":"internal","message":"The request failed without a recorded reason."}'}}\n`;
}

/** JSON text without raw line breaks; in valid JSON they only stand between tokens. */
const oneLine = (json: string): string => (/[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, " ") : json);
