import type { Endpoint } from "@slowboat/contract";

type Members = Readonly<Record<string, unknown>>;
const membersOf = (value: unknown): Members => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {});
const listOf = (value: unknown): readonly Members[] => (Array.isArray(value) ? value.map(membersOf) : []);
const joined = (parts: readonly Members[]): string | null => {
  const texts = parts.flatMap(({ type, text }) => ((type === "text" || type === "output_text") && typeof text === "string" ? [text] : []));
  return texts.length === 0 ? null : texts.join("");
};

/** What an answer says in words, whatever its API; `null` where it says nothing, or calls a tool. */
export function answerText(endpoint: Endpoint, body: unknown): string | null {
  const answer = membersOf(body);
  if (endpoint === "/v1/messages") {
    const content = listOf(answer["content"]);
    return content.some(({ type }) => type === "tool_use") ? null : joined(content);
  }
  if (endpoint === "/v1/responses") {
    const output = listOf(answer["output"]);
    return output.some(({ type }) => type === "function_call") ? null : joined(output.flatMap(({ content }) => listOf(content)));
  }
  const message = membersOf(listOf(answer["choices"])[0]?.["message"]);
  if (Array.isArray(message["tool_calls"]) && message["tool_calls"].length > 0) return null;
  return typeof message["content"] === "string" ? message["content"] : null;
}
