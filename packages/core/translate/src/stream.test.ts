import { expect, test } from "vitest";
import { type AnswerContext, createStreamTranslator, translateAnswer } from "./index.ts";
import { completionOfChunks, messageOfEvents } from "./testing/assemble.ts";

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const context: AnswerContext = { id: "att_1", model: "asked", nowMs: 5000, includeUsage: true };

const named = (...events: ({ type: string } & Record<string, unknown>)[]): string[] =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
const data = (...chunks: unknown[]): string[] => chunks.map((chunk) => `data: ${typeof chunk === "string" ? chunk : JSON.stringify(chunk)}\n\n`);
const chunk = (delta: object, finish: string | null = null, more: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 5,
  model: "gpt",
  choices: [{ index: 0, delta, finish_reason: finish }],
  ...more,
});
const usage = { id: "chatcmpl-1", choices: [], usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 } };
const started = {
  type: "message_start",
  message: { id: "msg_1", type: "message", role: "assistant", model: "claude", content: [], usage: { input_tokens: 5, output_tokens: 1 } },
};
const ending = [
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 3 } },
  { type: "message_stop" },
];
const text = (words: string, index = 0) => [
  { type: "content_block_start", index, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index, delta: { type: "text_delta", text: words } },
  { type: "content_block_stop", index },
];

function run(from: typeof CHAT | typeof MESSAGES, events: readonly string[], about = context) {
  const translator = createStreamTranslator(from, from === CHAT ? MESSAGES : CHAT, about);
  const pieces = events.map((event) => translator.push(event).join(""));
  const end = translator.end().join("");
  return { pieces, end, all: pieces.join("") + end, outcome: translator.outcome, notes: translator.notes() };
}

test("text goes out with the event that brought it, in both directions", () => {
  const chat = run(MESSAGES, named(started, ...text("Hello"), ...ending));
  expect(chat.pieces[2]).toContain('"content":"Hello"');
  const messages = run(CHAT, data(chunk({ role: "assistant", content: "" }), chunk({ content: "Hello" })));
  expect(messages.pieces[0]).toContain("message_start");
  expect(messages.pieces[1]).toContain('"text":"Hello"');
});

test("a messages stream shows no finish reason, usage or [DONE] before message_stop", () => {
  const events = named(started, ...text("Hello"), ...ending);
  for (let cut = 0; cut < events.length; cut++) {
    const { all, end, outcome } = run(MESSAGES, events.slice(0, cut));
    expect(outcome).toBe("cut");
    expect(end).toBe("");
    expect(all).not.toMatch(/\[DONE\]|"finish_reason":"|"prompt_tokens"/);
  }
  const whole = run(MESSAGES, events);
  expect(whole.outcome).toBe("whole");
  expect(whole.all.endsWith("data: [DONE]\n\n")).toBe(true);
  expect(completionOfChunks(whole.all)).toMatchObject({
    choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 5, completion_tokens: 3 },
  });
});

test("a chat stream shows no stop reason and no message_stop before [DONE]", () => {
  const events = data(chunk({ content: "Hello" }), chunk({}, "stop"), "[DONE]");
  for (let cut = 0; cut < events.length; cut++) {
    const { all, outcome } = run(CHAT, events.slice(0, cut));
    expect(outcome).toBe("cut");
    expect(all).not.toMatch(/message_stop|message_delta/);
  }
  expect(run(CHAT, events)).toMatchObject({ outcome: "whole", notes: ["usage: the stream says none"] });
  // [DONE] alone is no end: nothing said why it stopped.
  expect(run(CHAT, data(chunk({ content: "Hello" }), "[DONE]")).outcome).toBe("cut");
  // Some servers leave [DONE] out; finish reason and usage together are the end.
  expect(run(CHAT, data(chunk({ content: "Hello" }), chunk({}, "stop"), usage))).toMatchObject({
    outcome: "whole",
    end: expect.stringContaining("message_stop"),
  });
});

test("the usage chunk comes only where the caller asked for it", () => {
  const events = named(started, ...text("x"), ...ending);
  expect(run(MESSAGES, events).all).toContain('"choices":[],"usage":{"prompt_tokens":5');
  expect(run(MESSAGES, events, { ...context, includeUsage: false }).all).not.toContain("usage");
});

test("an error inside a stream becomes the caller's error event, and nothing follows it", () => {
  const overloaded = named({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  const chat = run(MESSAGES, [...named(started), ...overloaded, ...named(...text("late"), ...ending)]);
  expect(chat.outcome).toBe("failed");
  expect(chat.all).toBe('data: {"error":{"message":"Overloaded","type":"server_error","param":null,"code":"server_is_overloaded"}}\n\n');
  for (const said of [
    data({ error: { message: "Busy", type: "server_error", code: "server_is_overloaded" } }),
    ['event: error\ndata: {"type":"error","code":"server_is_overloaded","message":"Busy"}\n\n'],
  ]) {
    const messages = run(CHAT, [...data(chunk({ content: "x" })), ...said, ...data(chunk({}, "stop"), "[DONE]")]);
    expect(messages.outcome).toBe("failed");
    expect(messages.all).toContain('event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"},"request_id":null}\n\n');
    expect(messages.all.endsWith('"request_id":null}\n\n')).toBe(true);
  }
});

test("pings and comments keep the connection alive in the caller's words", () => {
  expect(run(MESSAGES, named({ type: "ping" })).all).toBe(": ping\n\n");
  expect(run(CHAT, [": keep-alive\n\n"]).all).toBe('event: ping\ndata: {"type":"ping"}\n\n');
});

test("pieces of several calls that arrive mixed come out one call after the other", () => {
  const call = (index: number, fn: object, id?: string) => chunk({ tool_calls: [{ index, ...(id ? { id, type: "function" } : {}), function: fn }] });
  const events = data(
    chunk({ role: "assistant", content: null }),
    call(0, { name: "a", arguments: "" }, "c0"),
    call(1, { name: "b", arguments: "" }, "c1"),
    call(1, { arguments: '{"y":' }),
    call(0, { arguments: '{"x":' }),
    call(1, { arguments: "2}" }),
    call(0, { arguments: "12345678901234567890}" }),
    call(0, { arguments: " " }),
    chunk({}, "tool_calls"),
    usage,
    "[DONE]",
  );
  const { all, pieces, outcome } = run(CHAT, events);
  expect(outcome).toBe("whole");
  // The first call passes at once, the second waits for it.
  expect(pieces[4]).toContain('{\\"x\\":');
  expect(pieces[3]).toBe("");
  const message = messageOfEvents(all);
  expect(message).toMatchObject({ stop_reason: "tool_use", content: [{ id: "c0" }, { id: "c1", input: { y: 2 } }] });
  expect(JSON.stringify(message)).toContain('"input":{"x":12345678901234567890}');
});

test("a call without arguments is an empty object on both sides", () => {
  const use = { type: "content_block_start", index: 0, content_block: { type: "tool_use", id: "t", name: "f", input: {} } };
  const chat = run(MESSAGES, named(started, use, { type: "content_block_stop", index: 0 }, ...ending));
  expect(completionOfChunks(chat.all)).toMatchObject({
    choices: [{ message: { content: null, tool_calls: [{ id: "t", function: { name: "f", arguments: "{}" } }] } }],
  });
  const messages = run(
    CHAT,
    data(chunk({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "" } }] }), chunk({}, "tool_calls"), usage, "[DONE]"),
  );
  expect(messageOfEvents(messages.all)).toMatchObject({ content: [{ type: "tool_use", id: "c", input: {} }] });
});

test("thinking, citations, second choices and unknown events are left out with a note", () => {
  const thinking = [
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "s" } },
    { type: "content_block_stop", index: 0 },
  ];
  const chat = run(MESSAGES, [...named(started, ...thinking, ...text("x", 1), { type: "novelty" }), "data: {half\n\n", ...named(...ending)]);
  expect(completionOfChunks(chat.all)).toMatchObject({ choices: [{ message: { content: "x" } }] });
  expect(chat.all).not.toContain("hm");
  expect(chat.notes).toEqual([
    "content[]: thinking dropped, the caller's API does not carry it",
    'event: "novelty" dropped',
    "event: one that is no JSON dropped",
  ]);
  const second = { ...chunk({}), choices: [{ index: 1, delta: { content: "other" }, finish_reason: "stop" }] };
  const messages = run(CHAT, data(second, chunk({ content: "x", reasoning_content: "hm" }), chunk({}, "stop"), usage, "[DONE]"));
  expect(messageOfEvents(messages.all)).toMatchObject({ content: [{ text: "x" }] });
  expect(messages.notes).toEqual([
    "choices: all but the first dropped",
    "message.reasoning_content: thinking dropped, the caller's API does not carry it",
  ]);
});

test("a refusal streams as the whole answer would say it", () => {
  const stop = {
    type: "message_delta",
    delta: { stop_reason: "refusal", stop_details: { type: "refusal", category: null, explanation: "No." } },
    usage: {},
  };
  const chat = run(MESSAGES, named(started, stop, { type: "message_stop" }));
  expect(completionOfChunks(chat.all)).toMatchObject({ choices: [{ message: { content: null, refusal: "No." }, finish_reason: "content_filter" }] });
  const messages = run(CHAT, data(chunk({ refusal: "I " }), chunk({ refusal: "refuse." }), chunk({}, "stop"), usage, "[DONE]"));
  const whole = translateAnswer(
    CHAT,
    MESSAGES,
    JSON.stringify({ ...chunk({}), choices: [{ message: { refusal: "I refuse." }, finish_reason: "stop" }], usage: usage.usage }),
    context,
  );
  expect(messageOfEvents(messages.all)).toEqual(whole.kind === "translated" && JSON.parse(whole.body));
});

test("an end that nobody began, and a stream of nothing, are cut", () => {
  expect(run(MESSAGES, named({ type: "message_stop" })).outcome).toBe("cut");
  expect(run(MESSAGES, []).outcome).toBe("cut");
  expect(run(CHAT, data("[DONE]")).outcome).toBe("cut");
});
