import type { ServerResponse } from "node:http";
import Anthropic from "@anthropic-ai/sdk";
import { startEmulator } from "@slowboat/emulator";
import { type AnswerContext, createStreamTranslator, translateAnswer, translateError, translateRequest } from "@slowboat/translate";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import { type CallLane, createAnthropicLane, createOpenAiLane, type LaneRequest } from "./index.ts";
import { json, scriptedServer } from "./testing/scripted-server.ts";

/** Both official clients, each answered by the other API's emulator, or by a server that breaks off, through a lane and a translation. */
const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const never = new AbortController().signal;

/** A server that answers chat callers by the messages lane and messages callers by the chat lane. */
async function crossed(
  lanes: { readonly chat: CallLane; readonly messages: CallLane },
  models: { readonly chat: string; readonly messages: string },
) {
  const notes: string[] = [];
  const answer = async (body: string, from: typeof CHAT | typeof MESSAGES, res: ServerResponse): Promise<void> => {
    const to = from === CHAT ? MESSAGES : CHAT;
    const target = { model: from === CHAT ? models.messages : models.chat, defaultMaxTokens: 200, anthropicVersion: "2023-06-01" };
    const asked = translateRequest(from, to, body, target);
    if (asked.kind === "untranslatable") return json(res, { error: { message: `${asked.field} ${asked.why}` } }, 422);
    notes.push(...asked.notes);
    const caller = JSON.parse(body) as { stream?: boolean; stream_options?: { include_usage?: boolean } };
    const includeUsage = caller.stream_options?.include_usage === true;
    const context: AnswerContext = { id: "att_1", model: target.model, nowMs: 1_764_000_000_000, includeUsage };
    const lane = from === CHAT ? lanes.messages : lanes.chat;
    const request: LaneRequest = { attemptId: "att_1", endpoint: to, model: target.model, body: asked.body };
    const got = caller.stream ? await lane.stream(request, never) : await lane.call(request, never);
    if (got.kind === "stream") {
      const translator = createStreamTranslator(to, from, context);
      res.writeHead(200, { "content-type": "text/event-stream" });
      for await (const event of got.events) for (const out of translator.push(event)) res.write(out);
      for (const out of translator.end()) res.write(out);
      // What a translated stream says of its end is what the lane says of it.
      expect(translator.outcome === "whole").toBe((await got.final).kind === "answered");
      return void res.end();
    }
    if (got.kind === "answered") {
      const said = translateAnswer(to, from, got.body, context);
      return json(res, said.kind === "translated" ? said.body : said, said.kind === "translated" ? 200 : 502);
    }
    const error = translateError(to, from, got.kind === "refused" ? got.statusCode : 502, got.kind === "refused" ? got.body : "");
    json(res, error.body, error.status);
  };
  const server = await scriptedServer((heard, res) => {
    answer(heard.body, heard.path.startsWith(CHAT) ? CHAT : MESSAGES, res).catch((error: unknown) => res.destroy(error as Error));
  });
  open.push(server.close);
  return {
    notes,
    openai: new OpenAI({ apiKey: "k", baseURL: `${server.url}/v1`, maxRetries: 0, logLevel: "off" }),
    anthropic: new Anthropic({ apiKey: "k", baseURL: server.url, maxRetries: 0, logLevel: "off" }),
  };
}

async function emulated() {
  const emulator = await startEmulator({ clock: () => Date.UTC(2026, 10, 20) });
  open.push(() => emulator.stop());
  const account = { apiKey: "k", emulated: true };
  const lanes = {
    chat: createOpenAiLane({ ...account, baseURL: `${emulator.url}/v1` }),
    messages: createAnthropicLane({ ...account, baseURL: emulator.url }),
  };
  return crossed(lanes, { chat: "gpt-5-mini", messages: "claude-haiku-4-5" });
}

/** A provider that says exactly these events and ends. */
async function saying(events: string) {
  const server = await scriptedServer((_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.end(events);
  });
  open.push(server.close);
  const account = { apiKey: "k", emulated: false };
  const lanes = {
    chat: createOpenAiLane({ ...account, baseURL: `${server.url}/v1` }),
    messages: createAnthropicLane({ ...account, baseURL: server.url }),
  };
  return crossed(lanes, { chat: "gpt-5-mini", messages: "claude-haiku-4-5" });
}

const parameters = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const question = "Tell me about boats that carry goods along the river when nobody hurries.";

test("the OpenAI client reads a messages model's answer, streamed and whole alike", async () => {
  const { openai, notes } = await emulated();
  const asked = { model: "gpt-5-mini", temperature: 0.5, messages: [{ role: "user" as const, content: question }] };
  const whole = await openai.chat.completions.create(asked);
  expect(whole).toMatchObject({ object: "chat.completion", model: "claude-haiku-4-5", choices: [{ finish_reason: "stop" }] });
  expect(whole.usage?.total_tokens).toBe((whole.usage?.prompt_tokens ?? 0) + (whole.usage?.completion_tokens ?? 0));
  const streamed = await openai.chat.completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion();
  expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
  expect(streamed.usage).toEqual(whole.usage);
  expect(notes).toEqual(Array(2).fill("max_tokens: set to 200, since the other API needs a limit"));
});

test("the Anthropic client reads a chat model's answer, streamed and whole alike", async () => {
  const { anthropic } = await emulated();
  const asked = { model: "claude-haiku-4-5", max_tokens: 200, system: "Be brief.", messages: [{ role: "user" as const, content: question }] };
  const whole = await anthropic.messages.create(asked);
  expect(whole).toMatchObject({ type: "message", model: "gpt-5-mini", stop_reason: "end_turn", content: [{ type: "text" }] });
  expect(whole.usage.input_tokens).toBeGreaterThan(10);
  const streamed = await anthropic.messages.stream(asked).finalMessage();
  expect(streamed.content).toEqual(whole.content);
  expect(streamed.usage).toEqual(whole.usage);
});

test("forced tools are called across providers, and both clients parse the arguments", async () => {
  const { openai, anthropic } = await emulated();
  const chat = {
    model: "gpt-5-mini",
    messages: [{ role: "user" as const, content: question }],
    tools: [{ type: "function" as const, function: { name: "weather", parameters, strict: true } }],
    tool_choice: "required" as const,
  };
  const calls = [
    (await openai.chat.completions.create(chat)).choices[0],
    (await openai.chat.completions.stream(chat).finalChatCompletion()).choices[0],
  ];
  for (const choice of calls) {
    const call = choice?.message.tool_calls?.[0];
    expect(choice?.finish_reason).toBe("tool_calls");
    expect(call?.type === "function" && JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });
  }
  const messages = {
    model: "claude-haiku-4-5",
    max_tokens: 200,
    messages: [{ role: "user" as const, content: question }],
    tools: [{ name: "weather", input_schema: parameters }],
    tool_choice: { type: "tool" as const, name: "weather" },
  };
  for (const message of [await anthropic.messages.create(messages), await anthropic.messages.stream(messages).finalMessage()]) {
    expect(message).toMatchObject({ stop_reason: "tool_use", content: [{ type: "tool_use", name: "weather", input: { city: expect.any(String) } }] });
  }
});

test("a JSON schema holds across providers", async () => {
  const { openai, anthropic } = await emulated();
  const chat = await openai.chat.completions.parse({
    model: "gpt-5-mini",
    messages: [{ role: "user", content: question }],
    response_format: { type: "json_schema", json_schema: { name: "place", strict: true, schema: parameters } },
  });
  expect(JSON.parse(chat.choices[0]?.message.content ?? "")).toEqual({ city: expect.any(String) });
  const message = await anthropic.messages.create({
    model: "claude-haiku-4-5",
    max_tokens: 200,
    messages: [{ role: "user", content: question }],
    output_config: { format: { type: "json_schema", schema: parameters } },
  });
  const [block] = message.content;
  expect(JSON.parse(block?.type === "text" ? block.text : "")).toEqual({ city: expect.any(String) });
});

test("a refusal reaches each client as the error class of its own API", async () => {
  const { openai, anthropic } = await emulated();
  const user = [{ role: "user" as const, content: "x" }];
  await expect(openai.chat.completions.create({ model: "m", messages: user, max_completion_tokens: 10_000_000 })).rejects.toMatchObject({
    status: 400,
    type: "invalid_request_error",
    message: expect.stringContaining("max_tokens"),
  });
  await expect(anthropic.messages.create({ model: "m", messages: user, max_tokens: 10_000_000 }, { timeout: 5000 })).rejects.toMatchObject({
    status: 400,
    type: "invalid_request_error",
  });
});

const messagesEvents = (...events: ({ type: string } & Record<string, unknown>)[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
const messagesHead = messagesEvents(
  {
    type: "message_start",
    message: { id: "msg_1", type: "message", role: "assistant", model: "c", content: [], usage: { input_tokens: 1, output_tokens: 1 } },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Half" } },
);
const chatHead = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "g", choices: [{ index: 0, delta: { role: "assistant", content: "Half" }, finish_reason: null }] })}\n\n`;
const chatFinish = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "g", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`;

test("a stream that the provider cut is never whole for either client", async () => {
  const user = [{ role: "user" as const, content: "x" }];
  const delta = messagesEvents({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } });
  for (const events of [messagesHead, messagesHead + delta]) {
    const { openai } = await saying(events);
    await expect(openai.chat.completions.stream({ model: "m", messages: user }).finalChatCompletion()).rejects.toThrow("finish_reason");
  }
  for (const events of [chatHead, chatHead + chatFinish]) {
    const { anthropic } = await saying(events);
    await expect(anthropic.messages.stream({ model: "m", max_tokens: 9, messages: user }).finalMessage()).rejects.toThrow();
  }
});

test("an error inside a stream raises in each client what its own API's error would raise", async () => {
  const user = [{ role: "user" as const, content: "x" }];
  const overloaded = messagesEvents({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  const { openai } = await saying(messagesHead + overloaded);
  await expect(openai.chat.completions.stream({ model: "m", messages: user }).finalChatCompletion()).rejects.toMatchObject({
    code: "server_is_overloaded",
    message: expect.stringContaining("Overloaded"),
  });
  const busy = `data: ${JSON.stringify({ error: { message: "Busy", type: "server_error", code: "server_is_overloaded", param: null } })}\n\n`;
  const { anthropic } = await saying(chatHead + busy);
  await expect(anthropic.messages.stream({ model: "m", max_tokens: 9, messages: user }).finalMessage()).rejects.toMatchObject({
    type: "overloaded_error",
  });
});
