import type { Endpoint } from "@slowboat/contract";
import type { BatchLine } from "@slowboat/store";
import { asAsked } from "@slowboat/translate";

/** The id of a line's request, derived from its job so that writing the file again gives the same bytes. */
const requestId = (line: BatchLine): string => `batch_req_${line.jobId.slice(4)}`;

/** What was answered, in the shape of the line's own endpoint, as the member `response`. */
function responseOf(line: BatchLine & { readonly answer: string; readonly statusCode: number }): string {
  const { otherEndpoint, answer, statusCode } = line;
  const context = { id: requestId(line), model: line.otherModel ?? "", nowMs: line.answeredAtMs ?? 0 };
  const said = asAsked({ statusCode, body: answer, wire: otherEndpoint as Endpoint | null }, line.endpoint as Endpoint, context);
  const id = JSON.stringify(line.requestId ?? requestId(line));
  return `{"status_code":${said.statusCode},"request_id":${id},"body":${oneLine(said.body)}}`;
}

const headOf = (line: BatchLine): string => `{"id":${JSON.stringify(requestId(line))},"custom_id":${JSON.stringify(line.customId)}`;

/** A line of the output file; the body is the provider's text, spliced in and never re-serialised unless another API's model stood in. */
export const outputLine = (line: BatchLine): string =>
  `${headOf(line)},"response":${answered(line) ? responseOf(line) : forgotten(line)},"error":null}\n`;

const answered = (line: BatchLine): line is BatchLine & { readonly answer: string; readonly statusCode: number } =>
  line.answer !== null && line.statusCode !== null;

const forgotten = (line: BatchLine): string =>
  `{"status_code":${line.statusCode},"request_id":${JSON.stringify(line.requestId ?? requestId(line))},"body":null}`;

/** A line of the error file: the provider's refusal as a response, ours as an error, a cancelled line as the provider words it. */
export function errorLine(line: BatchLine): string {
  const head = headOf(line);
  if (line.state === "cancelled")
    return `${head},"response":null,"error":{"code":"batch_cancelled","message":"This request was not executed because the batch was cancelled."}}\n`;
  if (answered(line)) return `${head},"response":${responseOf(line)},"error":null}\n`;
  return `${head},"response":null,"error":${line.error ?? '{"code":"internal","message":"The request failed without a recorded reason."}'}}\n`;
}

/** JSON text without raw line breaks; in valid JSON they only stand between tokens. */
const oneLine = (json: string): string => (/[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, " ") : json);
