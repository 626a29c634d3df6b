import type { Endpoint } from "@slowboat/contract";
import { type Compared, compareAnswers, sameMeaning } from "@slowboat/reuse";

type Value = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Value => typeof value === "object" && value !== null && !Array.isArray(value);

/** The text of an answer that is one text and nothing else; `null` for any other, such as one that calls a tool. */
export function soleText(endpoint: Endpoint, body: unknown): string | null {
  if (!isRecord(body)) return null;
  if (endpoint === "/v1/messages") return textOf(body["content"], "text");
  if (endpoint === "/v1/responses") {
    const output = Array.isArray(body["output"]) ? body["output"].filter((item) => !isRecord(item) || item["type"] !== "reasoning") : null;
    const [message] = output ?? [];
    return output?.length === 1 && isRecord(message) && message["type"] === "message" ? textOf(message["content"], "output_text") : null;
  }
  const choices = body["choices"];
  const message = Array.isArray(choices) && choices.length === 1 && isRecord(choices[0]) ? choices[0]["message"] : null;
  if (!isRecord(message)) return null;
  const calls = message["tool_calls"];
  if ((Array.isArray(calls) && calls.length > 0) || isRecord(message["function_call"])) return null;
  return typeof message["content"] === "string" ? message["content"] : null;
}

/** The text of parts that are all of one type. */
function textOf(parts: unknown, type: string): string | null {
  if (!Array.isArray(parts) || parts.length === 0) return null;
  const texts = parts.map((part: unknown) => (isRecord(part) && part["type"] === type && typeof part["text"] === "string" ? part["text"] : null));
  return texts.includes(null) ? null : texts.join("");
}

/** Compares two answers; `cosine` of their vectors is asked only where it decides. `null` where it cannot be had. */
export async function sameAnswer(a: string, b: string, cosine: () => Promise<number | null>): Promise<Compared | null> {
  const plainly = compareAnswers(a, b);
  if (plainly !== null) return plainly;
  const similarity = await cosine();
  return similarity === null ? null : sameMeaning(similarity);
}
