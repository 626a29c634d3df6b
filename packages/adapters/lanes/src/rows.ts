import { memberSpans } from "@slowboat/kernel";
import { statusOfError } from "./assemble.ts";
import { classify, refused } from "./classify.ts";
import { memberText } from "./edit.ts";
import { asRecord, parseObject } from "./json.ts";
import type { LaneAnswer } from "./port.ts";

/** A row that cannot be read may still have been executed and charged. Its id is looked for in the wreck; "" when there is none. */
function unreadable(line: string | null, why: string): LaneAnswer {
  const attemptId = /"custom_id"\s*:\s*"([\w-]{1,64})"/.exec(line ?? "")?.[1] ?? "";
  return { kind: "unknown", attemptId, code: "unreadable_row", message: why };
}

/** Raw text of a member inside a member: `path` of own keys from the top. */
function textAt(line: string, path: readonly string[]): string | null {
  let at = 0;
  let end = 0;
  for (const key of path) {
    const span = memberSpans(line, at).get(key);
    if (!span) return null;
    at = span.start;
    end = span.end;
  }
  return line.slice(at, end);
}

/** One line of an OpenAI output or error file. A 4xx line has `error: null` and its error in the response's body. */
export function openAiRow(line: string | null): LaneAnswer {
  const row = line === null ? null : parseObject(line);
  const attemptId = row?.["custom_id"];
  if (line === null || !row || typeof attemptId !== "string")
    return unreadable(line, line === null ? "a row too long to read" : "a row that is not JSON with a custom_id");
  const response = asRecord(row["response"]);
  if (!response) return openAiVoid(attemptId, line, asRecord(row["error"]));
  const status = typeof response["status_code"] === "number" ? response["status_code"] : 0;
  const requestId = typeof response["request_id"] === "string" ? response["request_id"] : null;
  const body = textAt(line, ["response", "body"]) ?? "";
  if (status >= 200 && status < 300) {
    if (asRecord(response["body"])) return { kind: "answered", attemptId, statusCode: status, body, requestId };
    return { kind: "unknown", attemptId, code: "unrecognised_answer", message: `status ${status} without a body` };
  }
  const refusal = { status, headers: null, text: body };
  return refused(attemptId, refusal, classify(refusal, Date.now()), requestId);
}

function openAiVoid(attemptId: string, line: string, error: Record<string, unknown> | null): LaneAnswer {
  const code = typeof error?.["code"] === "string" ? error["code"] : "unknown_row";
  const message = typeof error?.["message"] === "string" ? error["message"] : "";
  if (code === "batch_expired") return { kind: "void", attemptId, code: "expired", message };
  if (code === "batch_cancelled") return { kind: "void", attemptId, code: "cancelled", message };
  if (!error) return { kind: "unknown", attemptId, code, message: "a row with neither a response nor an error" };
  const refusal = { status: statusOfError(code), headers: null, text: `{"error":${memberText(line, "error") ?? "null"}}` };
  return refused(attemptId, refusal, classify(refusal, Date.now()), null);
}

/** One line of a message batch's results. Only `succeeded` is charged; the error of an errored row is nested twice. */
export function anthropicRow(line: string | null): LaneAnswer {
  const row = line === null ? null : parseObject(line);
  const attemptId = row?.["custom_id"];
  const result = asRecord(row?.["result"]);
  if (line === null || typeof attemptId !== "string" || !result)
    return unreadable(line, line === null ? "a row too long to read" : "a row that is not JSON with a custom_id and a result");
  switch (result["type"]) {
    case "succeeded": {
      const body = textAt(line, ["result", "message"]);
      if (body === null || !asRecord(result["message"])) break;
      return { kind: "answered", attemptId, statusCode: 200, body, requestId: null };
    }
    case "canceled":
      return { kind: "void", attemptId, code: "cancelled", message: "the batch was cancelled before this request ran" };
    case "expired":
      return { kind: "void", attemptId, code: "expired", message: "the batch expired before this request ran" };
    case "errored": {
      const outer = asRecord(result["error"]) ?? {};
      const inner = asRecord(outer["error"]) ?? outer;
      const text = textAt(line, ["result", "error"]) ?? "{}";
      const body = inner === outer ? `{"type":"error","error":${text}}` : text;
      const refusal = { status: statusOfError(inner["type"]), headers: null, text: body };
      const requestId = typeof outer["request_id"] === "string" ? outer["request_id"] : null;
      return refused(attemptId, refusal, classify(refusal, Date.now()), requestId);
    }
  }
  return { kind: "unknown", attemptId, code: "unrecognised_answer", message: `a row of type ${String(result["type"]).slice(0, 40)}` };
}

/** Turns lines into answers; a second row of the same request is dropped, so that each has one answer. */
export async function* answersOf(
  source: AsyncIterable<string | null>,
  read: (line: string | null) => LaneAnswer,
  seen: Set<string>,
): AsyncGenerator<LaneAnswer> {
  for await (const line of source) {
    const answer = read(line);
    if (answer.attemptId !== "" && seen.has(answer.attemptId)) continue;
    if (answer.attemptId !== "") seen.add(answer.attemptId);
    yield answer;
  }
}
