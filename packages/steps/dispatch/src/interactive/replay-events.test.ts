import { expect, test } from "vitest";
import { isLastEvent } from "./events.ts";
import { replayEvents } from "./replay-events.ts";

const chat = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Paris, of course." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
};
const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text: "Paris." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 4 },
};
const dataOf = (events: readonly string[] | null) =>
  (events ?? []).flatMap((event) => (event.includes("[DONE]") ? [] : [JSON.parse(event.slice(event.indexOf("data: ") + 6))]));

test("a kept chat completion streams its text, its ending and, where it is asked for, its usage", () => {
  const events = replayEvents("/v1/chat/completions", JSON.stringify(chat), { stream_options: { include_usage: true } });
  const chunks = dataOf(events);
  expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Paris, of course.");
  expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason ?? null)).toEqual([null, null, "stop", null]);
  expect(chunks.at(-1)).toMatchObject({ object: "chat.completion.chunk", choices: [], usage: { total_tokens: 7 } });
  expect(chunks[0].usage).toBeNull();
  expect(isLastEvent(events?.at(-1) ?? "")).toBe(true);
  const plain = dataOf(replayEvents("/v1/chat/completions", JSON.stringify(chat), {}));
  expect(plain.every((chunk) => !("usage" in chunk))).toBe(true);
});

test("a kept message streams its blocks between a beginning without text and an ending with its usage", () => {
  const events = replayEvents("/v1/messages", JSON.stringify(message), {});
  const told = dataOf(events);
  expect(told.map((event) => event.type)).toEqual([
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
  ]);
  expect(told[0].message).toMatchObject({ id: "msg_1", content: [], stop_reason: null });
  expect(told[2].delta.text).toBe("Paris.");
  expect(told[4]).toMatchObject({ delta: { stop_reason: "end_turn" }, usage: { output_tokens: 4 } });
  expect(isLastEvent(events?.at(-1) ?? "")).toBe(true);
});

test("what is not one text is not replayed", () => {
  const calls = { ...chat, choices: [{ ...chat.choices[0], message: { role: "assistant", content: null, tool_calls: [] } }] };
  expect(replayEvents("/v1/chat/completions", JSON.stringify(calls), {})).toBeNull();
  expect(replayEvents("/v1/messages", JSON.stringify({ ...message, content: [{ type: "tool_use" }] }), {})).toBeNull();
  expect(replayEvents("/v1/responses", JSON.stringify({ output: [] }), {})).toBeNull();
  expect(replayEvents("/v1/chat/completions", "gateway", {})).toBeNull();
});
