import type { MessageCreateParams } from "@anthropic-ai/sdk/resources/messages";
import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { canTranslate, translateRequest } from "./index.ts";
import { CHAT, claude, gpt, MESSAGES, toChat, toMessages, user } from "./testing/ask.ts";

test("only chat completions and messages translate, and only into each other", () => {
  expect(canTranslate(CHAT, MESSAGES)).toBe(true);
  expect(canTranslate(MESSAGES, CHAT)).toBe(true);
  for (const [from, to] of [
    [CHAT, CHAT],
    ["/v1/responses", MESSAGES],
    [CHAT, "/v1/embeddings"],
  ] as const) {
    expect(canTranslate(from, to)).toBe(false);
    expect(translateRequest(from, to, "{}", claude)).toMatchObject({ kind: "untranslatable", field: "endpoint" });
  }
});

test("a chat conversation with tools, images and instructions becomes a messages request of the SDK's own shape", () => {
  const asked: ChatCompletionCreateParams = {
    model: "gpt-5-mini",
    max_completion_tokens: 500,
    user: "u1",
    stop: "END",
    stream: true,
    stream_options: { include_usage: true },
    parallel_tool_calls: false,
    tool_choice: "required",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "developer", content: [{ type: "text", text: "In English." }] },
      {
        role: "user",
        content: [
          { type: "text", text: "What is here?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
          { type: "image_url", image_url: { url: "https://example.com/a.jpg", detail: "high" } },
          { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,BBBB" } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "look", arguments: '{"at":"x"}' } },
          { id: "call_2", type: "function", function: { name: "look", arguments: "" } },
        ],
      },
      { role: "tool", tool_call_id: "call_2", content: "two" },
      { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "one" }] },
      { role: "user", content: "And now?" },
    ],
    tools: [{ type: "function", function: { name: "look", description: "Looks.", parameters: { type: "object", properties: {} } } }],
  };
  const expected: MessageCreateParams = {
    model: "claude-sonnet-4-5",
    max_tokens: 500,
    system: [
      { type: "text", text: "Be brief." },
      { type: "text", text: "In English." },
    ],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "What is here?" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
          { type: "image", source: { type: "url", url: "https://example.com/a.jpg" } },
          { type: "document", source: { type: "base64", media_type: "application/pdf", data: "BBBB" }, title: "a.pdf" },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "tool_use", id: "call_1", name: "look", input: { at: "x" } },
          { type: "tool_use", id: "call_2", name: "look", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_2", content: "two" },
          { type: "tool_result", tool_use_id: "call_1", content: "one" },
          { type: "text", text: "And now?" },
        ],
      },
    ],
    tools: [{ name: "look", description: "Looks.", input_schema: { type: "object", properties: {} } }],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    stop_sequences: ["END"],
    metadata: { user_id: "u1" },
    stream: true,
  };
  const { body, notes } = toMessages(asked);
  expect(body).toEqual(expected);
  expect(notes).toEqual(["messages[].content[].image_url.detail: dropped, the other API decides the resolution itself"]);
});

test("a messages conversation becomes a chat request of the SDK's own shape", () => {
  const asked: MessageCreateParams = {
    model: "claude-sonnet-5-5",
    max_tokens: 300,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    stop_sequences: ["END"],
    metadata: { user_id: "u1" },
    stream: true,
    messages: [
      { role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } }] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "text", text: "Looking." },
          { type: "tool_use", id: "toolu_1", name: "look", input: { at: "x" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "toolu_1", is_error: true, content: [{ type: "text", text: "no" }] },
          { type: "text", text: "So?" },
        ],
      },
    ],
    tools: [{ name: "look", input_schema: { type: "object", properties: {} } }],
    tool_choice: { type: "tool", name: "look", disable_parallel_tool_use: true },
  };
  const expected: ChatCompletionCreateParams = {
    model: "gpt-4.1",
    max_completion_tokens: 300,
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] },
      {
        role: "assistant",
        content: "Looking.",
        tool_calls: [{ id: "toolu_1", type: "function", function: { name: "look", arguments: '{"at":"x"}' } }],
      },
      { role: "tool", tool_call_id: "toolu_1", content: "no" },
      { role: "user", content: "So?" },
    ],
    tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
    tool_choice: { type: "function", function: { name: "look" } },
    parallel_tool_calls: false,
    stop: ["END"],
    user: "u1",
    stream: true,
    stream_options: { include_usage: true },
  };
  const { body, notes } = toChat(asked);
  expect(body).toEqual(expected);
  expect(notes).toEqual([
    "system[].cache_control: dropped, cache breakpoints are set anew for the model that answers",
    "messages[].content[]: thinking dropped, only the first provider can read it",
    "messages[].content[].is_error: dropped, a tool result of the other API has no such mark",
  ]);
});

test("images of a tool result follow the results as the user's", () => {
  const call = { role: "assistant", content: [{ type: "tool_use", id: "t1", name: "shot", input: {} }] };
  const image = { type: "image", source: { type: "url", url: "https://example.com/a.png" } };
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "done" }, image] }] };
  const tools = [{ name: "shot", input_schema: { type: "object" } }];
  expect(toChat({ tools, messages: [user, call, result] }).body["messages"]).toEqual([
    user,
    { role: "assistant", content: null, tool_calls: [{ id: "t1", type: "function", function: { name: "shot", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "t1", content: "done" },
    {
      role: "user",
      content: [
        { type: "text", text: "From the result of the tool call t1:" },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      ],
    },
  ]);
});

test("big integers, NUL, lone surrogates and number spellings survive in inputs, arguments and schemas", () => {
  const args = '{"n":12345678901234567890,"f":1.0,"e":1e400,"s":"\\u0000\\ud800"}';
  const messages = [user, { role: "assistant", tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: args } }] }];
  const schema = '{"type":"object","properties":{"n":{"type":"integer","maximum":9007199254740993}}}';
  const tools = '[{"type":"function","function":{"name":"f","parameters":SCHEMA}}]'.replace("SCHEMA", schema);
  const chat = `{"model":"m","messages":${JSON.stringify([...messages, { role: "tool", tool_call_id: "c1", content: "ok\u0000" }])},"tools":${tools}}`;
  const there = translateRequest(CHAT, MESSAGES, chat, claude);
  const text = there.kind === "translated" ? there.body : "";
  expect(text).toContain(`"input":${args}`);
  expect(text).toContain(`"input_schema":${schema}`);
  const back = translateRequest(MESSAGES, CHAT, text, gpt);
  expect(back.kind === "translated" ? back.body : "").toContain(`"arguments":${JSON.stringify(args)}`);
});

test("arguments that are no JSON object are kept as text and come back as they were", () => {
  for (const args of ['{"a":', "[1]", "nonsense", "7"]) {
    const call = { role: "assistant", tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: args } }] };
    const there = toMessages({ messages: [user, call, { role: "tool", tool_call_id: "c1", content: "x" }] });
    expect(there.text).toContain(`"input":{"INVALID_JSON":${JSON.stringify(args)}}`);
    expect(there.notes.join()).toContain("INVALID_JSON");
    const back = toChat(JSON.parse(there.text) as object);
    expect(back.text).toContain(`"arguments":${JSON.stringify(args)}`);
  }
});

test("ids that the other API refuses, or that repeat, change together with their results", () => {
  const turn = (id: string) => [
    { role: "assistant", tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }] },
    { role: "tool", tool_call_id: id, content: id },
  ];
  const { body, notes } = toMessages({ messages: [user, ...turn("functions.f:0"), ...turn("call_0"), ...turn("call_0"), user] });
  const blocks = (body["messages"] as { content: { id?: string; tool_use_id?: string }[] }[]).flatMap((message) => message.content);
  const ids = blocks.flatMap((block) => block.id ?? []);
  expect(ids).toEqual(["functions_f_0", "call_0", "call_0_2"]);
  expect(blocks.flatMap((block) => block.tool_use_id ?? [])).toEqual(ids);
  expect(notes).toContain("messages[].tool_calls[].id: changed with its results, since the other API refuses the id or another call has it");
  const long = `toolu_${"x".repeat(60)}`;
  const chat = toChat({
    messages: [
      user,
      { role: "assistant", content: [{ type: "tool_use", id: long, name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: long }] },
    ],
    tools: [{ name: "f", input_schema: { type: "object" } }],
  });
  const [, call, result] = chat.body["messages"] as [unknown, { tool_calls: { id: string }[] }, { tool_call_id: string }];
  expect(call.tool_calls[0]?.id.length).toBeLessThanOrEqual(40);
  expect(result.tool_call_id).toBe(call.tool_calls[0]?.id);
});

test("the user stands first and last, roles alternate, and what says nothing goes", () => {
  const { body, notes } = toMessages({
    messages: [
      { role: "assistant", content: "Welcome." },
      { role: "user", content: "" },
      { role: "user", content: " \n" },
      { role: "assistant", content: "Still here." },
      { role: "system", content: "Late rule." },
    ],
  });
  expect(body["system"]).toEqual([{ type: "text", text: "Late rule." }]);
  expect(body["messages"]).toEqual([
    { role: "user", content: [{ type: "text", text: "(The conversation starts here.)" }] },
    {
      role: "assistant",
      content: [
        { type: "text", text: "Welcome." },
        { type: "text", text: "Still here." },
      ],
    },
    { role: "user", content: [{ type: "text", text: "(Please go on.)" }] },
  ]);
  expect(notes.map((note) => note.split(":")[0])).toEqual([
    "messages[].content",
    "messages[]",
    "messages[].role",
    "messages",
    "messages",
    "max_tokens",
  ]);
  expect(toMessages({ messages: [{ role: "system", content: "Only this." }] }).body["messages"]).toEqual([
    { role: "user", content: [{ type: "text", text: "Only this." }] },
  ]);
});

test("tool choices translate both ways, and an allowed list leaves only its tools", () => {
  const tool = (name: string) => ({ type: "function", function: { name } });
  const pairs: [unknown, object][] = [
    ["auto", { type: "auto" }],
    ["none", { type: "none" }],
    ["required", { type: "any" }],
    [tool("b"), { type: "tool", name: "b" }],
  ];
  for (const [choice, wanted] of pairs) {
    const there = toMessages({ messages: [user], tools: [tool("a"), tool("b")], tool_choice: choice });
    expect(there.body["tool_choice"]).toEqual(wanted);
    expect(toChat(there.body).body["tool_choice"]).toEqual(choice);
  }
  const allowed = { type: "allowed_tools", allowed_tools: { mode: "required", tools: [tool("b")] } };
  const { body } = toMessages({ messages: [user], tools: [tool("a"), tool("b")], tool_choice: allowed });
  expect(body).toMatchObject({ tools: [{ name: "b" }], tool_choice: { type: "any" } });
});
