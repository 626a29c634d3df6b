import { expect, test } from "vitest";
import { translateRequest } from "./index.ts";
import { CHAT, claude, gpt, MESSAGES, toChat, toMessages, user } from "./testing/ask.ts";

test("sampling parameters are stripped for versions and models that refuse them, with a note", () => {
  const asked = { messages: [user], max_tokens: 5, temperature: 1.6, top_p: 0.9 };
  expect(toMessages(asked, { ...claude, model: "claude-3-5-haiku-20241022" }).body).toMatchObject({ temperature: 1, top_p: 0.9 });
  const one = toMessages(asked);
  expect(one.body["temperature"]).toBe(1);
  expect(one.body).not.toHaveProperty("top_p");
  expect(one.notes).toEqual(["temperature: lowered to 1, the other API's highest", "top_p: dropped, the model takes temperature or top_p"]);
  for (const target of [
    { ...claude, anthropicVersion: "2026-10-21" },
    { model: claude.model, defaultMaxTokens: 1 },
    ...["claude-opus-4-7", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-fable-5-2", "claude-mythos-preview"].map((model) => ({
      ...claude,
      model,
    })),
  ]) {
    const { body, notes } = toMessages({ ...asked, temperature: 1 }, target);
    expect(Object.keys(body)).toEqual(["model", "max_tokens", "messages"]);
    expect(notes).toEqual([
      "temperature: dropped, the other API refuses sampling parameters",
      "top_p: dropped, the other API refuses sampling parameters",
    ]);
  }
  const back = toChat({ messages: [user], temperature: 0.3, top_k: 4 });
  expect(back.body["temperature"]).toBe(0.3);
  expect(back.notes).toEqual(["top_k: dropped, the other API has no such field"]);
  expect(toChat({ messages: [user], temperature: 0.3 }, { ...gpt, model: "gpt-5.6-luna" }).body).not.toHaveProperty("temperature");
});

test("efforts go to the nearest one that the model takes", () => {
  const there = (effort: string, model: string) => {
    const { body, notes } = toMessages({ messages: [user], max_tokens: 5, reasoning_effort: effort }, { ...claude, model });
    return [(body["output_config"] as { effort?: string } | undefined)?.effort ?? null, body["thinking"] ?? null, notes.length];
  };
  expect(there("high", "claude-opus-5-5")).toEqual(["high", null, 0]);
  expect(there("minimal", "claude-opus-5-5")).toEqual(["low", null, 1]);
  expect(there("xhigh", "claude-opus-4-6")).toEqual(["high", null, 1]);
  expect(there("max", "claude-sonnet-5")).toEqual(["max", null, 0]);
  expect(there("high", "claude-haiku-4-5")).toEqual([null, null, 1]);
  expect(there("none", "claude-sonnet-5")).toEqual([null, { type: "disabled" }, 0]);
  expect(there("none", "claude-fable-5-2")).toEqual(["low", null, 1]);
  expect(there("none", "claude-haiku-4-5")).toEqual([null, null, 0]);
  const back = (more: object, model: string) => toChat({ messages: [user], ...more }, { ...gpt, model }).body["reasoning_effort"] ?? null;
  expect(back({ output_config: { effort: "max" } }, "gpt-5.6-sol")).toBe("max");
  expect(back({ output_config: { effort: "max" } }, "gpt-5.2")).toBe("xhigh");
  expect(back({ output_config: { effort: "max" } }, "o4-mini")).toBe("high");
  expect(back({ output_config: { effort: "low" } }, "gpt-4.1")).toBe(null);
  expect(back({ thinking: { type: "disabled" } }, "gpt-5-mini")).toBe("minimal");
  expect(back({ thinking: { type: "enabled", budget_tokens: 10_000 } }, "gpt-5.1")).toBe("medium");
  expect(back({ thinking: { type: "adaptive" } }, "gpt-5.1")).toBe(null);
  const tools = [{ name: "f", input_schema: { type: "object" } }];
  expect(back({ tools, output_config: { effort: "high" } }, "gpt-5.6-luna")).toBe(null);
  expect(back({ tools, thinking: { type: "disabled" } }, "gpt-5.6-luna")).toBe("none");
});

test("the output limit has the name that the model knows, and one is set where the caller gave none", () => {
  expect(toChat({ messages: [user] }, { ...gpt, model: "o4-mini" }).body["max_completion_tokens"]).toBe(100);
  expect(toChat({ messages: [user] }, { ...gpt, model: "llama-3" }).body["max_tokens"]).toBe(100);
  const { body, notes } = toMessages({ messages: [user] });
  expect(body["max_tokens"]).toBe(4096);
  expect(notes).toEqual(["max_tokens: set to 4096, since the other API needs a limit"]);
  expect(toMessages({ messages: [user], max_tokens: 7, max_completion_tokens: 9 }).body["max_tokens"]).toBe(9);
});

test("what changes the meaning is untranslatable, by the name of its field", () => {
  const chat: [object, string][] = [
    [{ n: 2 }, "n"],
    [{ logprobs: true }, "logprobs"],
    [{ logit_bias: { "5": -100 } }, "logit_bias"],
    [{ modalities: ["text", "audio"] }, "modalities"],
    [{ audio: { voice: "ash", format: "wav" } }, "audio"],
    [{ web_search_options: {} }, "web_search_options"],
    [{ functions: [] }, "functions"],
    [{ tools: [{ type: "custom", custom: { name: "x" } }] }, "tools[0].type"],
    [{ tool_choice: "required" }, "tool_choice"],
    [{ stop: "\n" }, "stop"],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ messages: "hi" }, "messages"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://x/a" } }] }] }, "messages[0].content[0].image_url.url"],
    [{ messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] }, "messages[0].content[0].file.file_id"],
    [{ messages: [user, { role: "tool", tool_call_id: "c", content: "x" }] }, "messages[1].tool_call_id"],
    [
      { messages: [user, { role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }] }] },
      "messages[1].tool_calls[0]",
    ],
    [{ response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } } }, "response_format.json_schema.schema"],
  ];
  for (const [more, field] of chat) expect(toMessages({ messages: [user], ...more }).refused?.split(": ")[0]).toBe(field);
  const messages: [object, string][] = [
    [{ max_tokens: 0 }, "max_tokens"],
    [{ tools: [{ type: "web_search_20260318", name: "web_search" }] }, "tools[0].type"],
    [{ mcp_servers: [] }, "mcp_servers"],
    [{ container: "c" }, "container"],
    [{ inference_geo: "us" }, "inference_geo"],
    [{ stop_sequences: ["1", "2", "3", "4", "5"] }, "stop_sequences"],
    [{ messages: [user, { role: "assistant", content: "The answer is (" }] }, "messages[1]"],
    [{ messages: [{ role: "user", content: [{ type: "search_result" }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: [{ type: "image", source: { type: "file", file_id: "f" } }] }] }, "messages[0].content[0].source.type"],
    [{ messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t" }] }] }, "messages[0].content[0].tool_use_id"],
  ];
  for (const [more, field] of messages) expect(toChat({ messages: [user], ...more }).refused?.split(": ")[0]).toBe(field);
  for (const body of ["", "[]", "{nope", `{"a":${"[".repeat(100)}${"]".repeat(100)}}`]) {
    expect(translateRequest(CHAT, MESSAGES, body, claude)).toMatchObject({ kind: "untranslatable", field: "body" });
  }
});

test("nothing is dropped without a note, and members of ours stay for the lane", () => {
  const { body, notes } = toMessages({
    messages: [{ role: "user", name: "ann", content: [{ type: "text", text: "x", shiny: 1 }], mood: "good" }],
    max_tokens: 5,
    seed: 4,
    store: true,
    verbosity: "low",
    metadata: { a: "b" },
    service_tier: "priority",
    brand_new: { a: 1 },
    prompt_cache_key: "k",
    slowboat_deadline: "4h",
    slowboat: { x: 12345678901234567890n.toString() },
  });
  expect(body).toMatchObject({ slowboat_deadline: "4h", slowboat: { x: "12345678901234567890" } });
  expect(notes.map((note) => note.split(":")[0]).sort()).toEqual([
    "brand_new",
    "messages[].content[].shiny",
    "messages[].mood",
    "messages[].name",
    "metadata",
    "prompt_cache_key",
    "seed",
    "service_tier",
    "store",
    "verbosity",
  ]);
});
