import type { Endpoint } from "@slowboat/contract";

type Bag = Readonly<Record<string, unknown>>;
const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A kept answer as the events of a stream: the same text in one piece, and the same ending and usage. `null` for what is no single text of a chat
 * completion or a message, and for other endpoints.
 */
export function replayEvents(endpoint: Endpoint, answer: string, value: Bag): string[] | null {
  let body: unknown;
  try {
    body = JSON.parse(answer);
  } catch {
    return null;
  }
  if (!isBag(body)) return null;
  if (endpoint === "/v1/chat/completions")
    return chatEvents(body, isBag(value["stream_options"]) && value["stream_options"]["include_usage"] === true);
  return endpoint === "/v1/messages" ? messageEvents(body) : null;
}

function chatEvents(body: Bag, includeUsage: boolean): string[] | null {
  const { choices, usage, ...head } = body;
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : null;
  const message = isBag(choice) ? choice["message"] : null;
  if (!isBag(choice) || !isBag(message) || typeof message["content"] !== "string") return null;
  // As the provider does: where usage is asked for, each chunk has the member, and the last one the figures.
  const said = (chunk: Bag, total: unknown): string =>
    `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...chunk, ...(includeUsage ? { usage: total } : {}) })}\n\n`;
  const chunk = (delta: Bag, finish: unknown): string => said({ choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] }, null);
  return [
    chunk({ role: "assistant", content: "", refusal: null }, null),
    chunk({ content: message["content"] }, null),
    chunk({}, choice["finish_reason"] ?? "stop"),
    ...(includeUsage ? [said({ choices: [] }, usage ?? null)] : []),
    "data: [DONE]\n\n",
  ];
}

function messageEvents(body: Bag): string[] | null {
  const { content, usage: counted, stop_reason, stop_sequence = null, ...head } = body;
  const usage = isBag(counted) ? counted : {};
  if (!Array.isArray(content) || !content.every((part: unknown) => isBag(part) && part["type"] === "text" && typeof part["text"] === "string"))
    return null;
  const event = (type: string, more: Bag): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  const blocks = (content as Bag[]).flatMap((block, index) => [
    event("content_block_start", { index, content_block: { ...block, text: "" } }),
    event("content_block_delta", { index, delta: { type: "text_delta", text: block["text"] } }),
    event("content_block_stop", { index }),
  ]);
  const started = { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } };
  return [
    event("message_start", { message: started }),
    ...blocks,
    event("message_delta", { delta: { stop_reason: stop_reason ?? "end_turn", stop_sequence }, usage }),
    event("message_stop", {}),
  ];
}
