import type { Message } from "@anthropic-ai/sdk/resources/messages";
import type { ChatCompletion } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import { type AnswerContext, translateAnswer, translateError } from "./index.ts";

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const context: AnswerContext = { id: "att_1", model: "asked", nowMs: 1_764_000_000_500 };

const read = (result: ReturnType<typeof translateAnswer>): { body: unknown; notes: readonly string[] } =>
  result.kind === "translated" ? { body: JSON.parse(result.body), notes: result.notes } : { body: result.why, notes: [] };
const toChat = (answer: unknown) => read(translateAnswer(MESSAGES, CHAT, JSON.stringify(answer), context));
const toMessages = (answer: unknown) => read(translateAnswer(CHAT, MESSAGES, JSON.stringify(answer), context));

const message = {
  id: "msg_01X",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-5",
  content: [
    { type: "thinking", thinking: "hm", signature: "s" },
    { type: "text", text: "Let me ", citations: null },
    { type: "text", text: "look.", citations: null },
    { type: "tool_use", id: "toolu_1", name: "look", input: { at: "x" }, caller: { type: "direct" } },
  ],
  stop_reason: "tool_use",
  stop_sequence: null,
  usage: {
    input_tokens: 10,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 30,
    output_tokens: 7,
    output_tokens_details: { thinking_tokens: 3 },
    service_tier: "standard",
  },
};

test("a message becomes a chat completion of the SDK's own shape, with the prompt counted inclusively", () => {
  const expected: ChatCompletion = {
    id: "chatcmpl-01X",
    object: "chat.completion",
    created: 1_764_000_000,
    model: "claude-sonnet-5",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "Let me look.",
          refusal: null,
          tool_calls: [{ id: "toolu_1", type: "function", function: { name: "look", arguments: '{"at":"x"}' } }],
        },
        logprobs: null,
        finish_reason: "tool_calls",
      },
    ],
    usage: {
      prompt_tokens: 60,
      completion_tokens: 7,
      total_tokens: 67,
      prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20 },
      completion_tokens_details: { reasoning_tokens: 3 },
    },
    service_tier: "default",
  };
  expect(toChat(message)).toEqual({ body: expected, notes: ["content[]: thinking dropped, the caller's API does not carry it"] });
});

const completion = (said: object, finish: string, more: object = {}) => ({
  id: "chatcmpl-9",
  object: "chat.completion",
  created: 1,
  model: "gpt-6-luna",
  choices: [{ index: 0, message: { role: "assistant", content: null, refusal: null, ...said }, logprobs: null, finish_reason: finish }],
  ...more,
});

test("a chat completion becomes a message of the SDK's own shape, with only the fresh tokens as input", () => {
  const calls = [{ id: "call_1", type: "function", function: { name: "look", arguments: '{"at":"x"}' } }];
  const usage = {
    prompt_tokens: 60,
    completion_tokens: 7,
    total_tokens: 67,
    prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 20 },
    completion_tokens_details: { reasoning_tokens: 3 },
  };
  const expected: Message = {
    id: "msg_9",
    type: "message",
    role: "assistant",
    model: "gpt-6-luna",
    container: null,
    diagnostics: null,
    content: [
      { type: "text", text: "Looking.", citations: null },
      { type: "tool_use", id: "call_1", name: "look", input: { at: "x" }, caller: { type: "direct" } },
    ],
    stop_reason: "tool_use",
    stop_sequence: null,
    stop_details: null,
    usage: {
      input_tokens: 10,
      cache_creation_input_tokens: 20,
      cache_read_input_tokens: 30,
      cache_creation: null,
      output_tokens: 7,
      output_tokens_details: { thinking_tokens: 3 },
      server_tool_use: null,
      service_tier: "standard",
      inference_geo: null,
      speed: null,
    },
  };
  // A forced call ends with "stop" on chat; a messages client looks for tool_use.
  for (const finish of ["tool_calls", "stop"]) {
    const answer = completion({ content: "Looking.", tool_calls: calls }, finish, { usage, service_tier: "default" });
    expect(toMessages(answer)).toEqual({ body: expected, notes: [] });
  }
});

test("stop reasons and finish reasons translate, refusals with their words", () => {
  const finish = (reason: unknown, details: unknown = null) => {
    const { body, notes } = toChat({ ...message, content: [{ type: "text", text: "x" }], stop_reason: reason, stop_details: details });
    const [choice] = (body as ChatCompletion).choices;
    return [choice?.finish_reason, choice?.message.refusal, notes.length];
  };
  expect(finish("end_turn")).toEqual(["stop", null, 0]);
  expect(finish("stop_sequence")).toEqual(["stop", null, 0]);
  expect(finish("max_tokens")).toEqual(["length", null, 0]);
  expect(finish("model_context_window_exceeded")).toEqual(["length", null, 0]);
  expect(finish("pause_turn")).toEqual(["length", null, 1]);
  expect(finish("refusal", { type: "refusal", category: "bio", explanation: "No." })).toEqual(["content_filter", "No.", 0]);
  expect(finish("unheard_of")).toEqual(["stop", null, 1]);
  const stop = (said: object, reason: string) => {
    const body = toMessages(completion(said, reason, { usage: {} })).body as Message;
    return [body.stop_reason, body.stop_details?.explanation ?? null, body.content.map((block) => (block.type === "text" ? block.text : block.type))];
  };
  expect(stop({ content: "x" }, "stop")).toEqual(["end_turn", null, ["x"]]);
  expect(stop({ content: "x" }, "length")).toEqual(["max_tokens", null, ["x"]]);
  expect(stop({ content: "" }, "content_filter")).toEqual(["refusal", null, []]);
  expect(stop({ refusal: "I will not." }, "stop")).toEqual(["refusal", "I will not.", ["I will not."]]);
});

test("arguments keep their digits, and those that are no JSON object are kept as text", () => {
  const big = '{"n":12345678901234567890}';
  const calls = (args: string) => [{ id: "c", type: "function", function: { name: "f", arguments: args } }];
  const there = translateAnswer(CHAT, MESSAGES, JSON.stringify(completion({ tool_calls: calls(big) }, "tool_calls", { usage: {} })), context);
  expect(there.kind === "translated" && there.body).toContain(`"input":${big}`);
  const back = translateAnswer(MESSAGES, CHAT, there.kind === "translated" ? there.body : "", context);
  expect(back.kind === "translated" && back.body).toContain(`"arguments":${JSON.stringify(big)}`);
  const broken = toMessages(completion({ tool_calls: calls('{"n":1') }, "length", { usage: {} }));
  expect(broken.body).toMatchObject({ content: [{ input: { INVALID_JSON: '{"n":1' } }], stop_reason: "max_tokens" });
  expect(broken.notes).toHaveLength(1);
  expect(toMessages(completion({ tool_calls: calls("") }, "tool_calls", { usage: {} })).body).toMatchObject({ content: [{ input: {} }] });
});

test("what an answer cannot carry is noted, and one that is no answer is unreadable", () => {
  const extra = { content: "x", annotations: [{ type: "url_citation" }], audio: { id: "a" }, reasoning_content: "hm" };
  expect(toMessages(completion(extra, "stop")).notes).toEqual([
    "message.annotations: dropped, the caller's API does not carry it",
    "message.audio: dropped, the caller's API does not carry it",
    "message.reasoning_content: thinking dropped, the caller's API does not carry it",
    "usage: the answer says none",
  ]);
  expect(toChat({ ...message, content: [{ type: "server_tool_use" }] }).notes).toEqual(['content[]: a block of the type "server_tool_use" dropped']);
  for (const body of ["<html>", "[]", "{}", '{"choices":[]}', '{"content":"x"}']) {
    expect(translateAnswer(CHAT, MESSAGES, body, context).kind).toBe("unreadable");
    expect(translateAnswer(MESSAGES, CHAT, body, context).kind).toBe("unreadable");
  }
});

test("inconsistent counts never make a class negative or change a total", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 5 } };
  expect(toMessages(completion({ content: "x" }, "stop", { usage })).body).toMatchObject({
    usage: { input_tokens: 0, cache_read_input_tokens: 10, cache_creation_input_tokens: 0 },
  });
});

test("errors get the caller's shape, code and status", () => {
  const anthropic = (type: string, message: string, more: object = {}) =>
    JSON.stringify({ type: "error", error: { type, message, ...more }, request_id: "req_1" });
  const chat = (status: number, body: string) => {
    const out = translateError(MESSAGES, CHAT, status, body);
    const { error } = JSON.parse(out.body) as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(["message", "type", "param", "code"]);
    return [out.status, error["type"], error["code"]];
  };
  expect(chat(400, anthropic("invalid_request_error", "bad"))).toEqual([400, "invalid_request_error", null]);
  expect(chat(400, anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"))).toEqual([
    400,
    "invalid_request_error",
    "context_length_exceeded",
  ]);
  expect(chat(401, anthropic("authentication_error", "x"))).toEqual([401, "invalid_request_error", "invalid_api_key"]);
  expect(chat(402, anthropic("billing_error", "x"))).toEqual([429, "insufficient_quota", "insufficient_quota"]);
  expect(chat(404, anthropic("not_found_error", "model: x"))).toEqual([404, "invalid_request_error", "model_not_found"]);
  expect(chat(413, anthropic("request_too_large", "x"))).toEqual([413, "invalid_request_error", "request_too_large"]);
  expect(chat(429, anthropic("rate_limit_error", "x"))).toEqual([429, "requests", "rate_limit_exceeded"]);
  const spent = anthropic("rate_limit_error", "x", { details: { error_code: "enforced_spend_limit_reached" } });
  expect(chat(429, spent)).toEqual([429, "insufficient_quota", "insufficient_quota"]);
  expect(chat(529, anthropic("overloaded_error", "x"))).toEqual([503, "server_error", "server_is_overloaded"]);
  expect(chat(502, "<html>bad gateway</html>")).toEqual([502, "server_error", null]);
  expect(translateError(MESSAGES, CHAT, 502, "<html>bad gateway</html>").body).not.toContain("html");
  const messages = (status: number, error: unknown) => {
    const out = translateError(CHAT, MESSAGES, status, JSON.stringify({ error }));
    const body = JSON.parse(out.body) as { type: string; error: { type: string; message: string }; request_id: null };
    expect(body).toEqual({ type: "error", error: { type: expect.any(String), message: expect.any(String) }, request_id: null });
    return [out.status, body.error.type, body.error.message];
  };
  expect(messages(400, { message: "m", type: "invalid_request_error", param: "x", code: null })).toEqual([400, "invalid_request_error", "m"]);
  expect(messages(400, { message: "m", code: "context_length_exceeded" })).toEqual([400, "invalid_request_error", "prompt is too long: m"]);
  expect(messages(401, { message: "m", code: "invalid_api_key" })).toEqual([401, "authentication_error", "m"]);
  expect(messages(429, { message: "m", type: "tokens", code: "rate_limit_exceeded" })).toEqual([429, "rate_limit_error", "m"]);
  expect(messages(429, { message: "m", type: "insufficient_quota", code: "insufficient_quota" })).toEqual([402, "billing_error", "m"]);
  expect(messages(404, { message: "m", code: "model_not_found" })).toEqual([404, "not_found_error", "m"]);
  expect(messages(503, { message: "m" })).toEqual([529, "overloaded_error", "m"]);
  expect(messages(500, { message: "m", type: "server_error" })).toEqual([500, "api_error", "m"]);
  expect(messages(422, "odd")).toEqual([400, "invalid_request_error", "odd"]);
});
