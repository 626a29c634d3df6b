import type { ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import { createAnthropicLane, createOpenAiLane, type LaneAnswer, type LaneRequest, type LaneStream } from "./index.ts";
import { json, type Script, scriptedServer } from "./testing/scripted-server.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const never = new AbortController().signal;
const chat: LaneRequest = { attemptId: "att_1", endpoint: "/v1/chat/completions", model: "m", body: '{"model":"m","messages":[],"stream":true}' };
const responses: LaneRequest = { ...chat, endpoint: "/v1/responses" };
const message: LaneRequest = { ...chat, endpoint: "/v1/messages" };

async function start(
  request: LaneRequest,
  script: Script,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LaneStream | LaneAnswer> {
  const server = await scriptedServer(script);
  open.push(server);
  const common = { apiKey: "key", emulated: false, ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) };
  const lane =
    request.endpoint === "/v1/messages"
      ? createAnthropicLane({ ...common, baseURL: server.url })
      : createOpenAiLane({ ...common, baseURL: `${server.url}/v1` });
  return lane.stream(request, options.signal ?? never);
}

const sse = (res: ServerResponse, text: string): void => {
  res.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_1" });
  res.end(text);
};

async function read(stream: LaneStream | LaneAnswer): Promise<{ text: string; final: LaneAnswer }> {
  if (stream.kind !== "stream") return { text: "", final: stream };
  let text = "";
  for await (const event of stream.events) text += event;
  return { text, final: await stream.final };
}

const data = (...chunks: unknown[]): string =>
  chunks.map((chunk) => `data: ${typeof chunk === "string" ? chunk : JSON.stringify(chunk)}\n\n`).join("");
const delta = (part: object, finish: string | null = null, index = 0): object => ({
  id: "c1",
  object: "chat.completion.chunk",
  created: 7,
  model: "m-1",
  choices: [{ index, delta: part, finish_reason: finish }],
});
const usage = {
  id: "c1",
  object: "chat.completion.chunk",
  created: 7,
  model: "m-1",
  choices: [],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
};
const named = (...events: [string, object][]): string =>
  events.map(([type, rest]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`).join("");

test("a chat stream becomes the answer that a call would have given, and the usage chunk is ours alone", async () => {
  const shown = data(delta({ role: "assistant", content: "" }), delta({ content: "Hel\u0000" }), delta({ content: "lo" }), delta({}, "stop"));
  const { text, final } = await read(await start(chat, (_, res) => sse(res, `${shown}${data(usage, "[DONE]")}`)));
  expect(text).toBe(`${shown}${data("[DONE]")}`);
  expect(final).toMatchObject({ kind: "answered", attemptId: "att_1", statusCode: 200, requestId: "req_1" });
  expect(JSON.parse(final.kind === "answered" ? final.body : "")).toEqual({
    id: "c1",
    object: "chat.completion",
    created: 7,
    model: "m-1",
    choices: [{ index: 0, message: { role: "assistant", content: "Hel\u0000lo", refusal: null }, logprobs: null, finish_reason: "stop" }],
    usage: usage.usage,
  });
});

test("a caller that asked for the usage chunk sees it", async () => {
  const all = data(delta({ content: "x" }, "stop"), usage, "[DONE]");
  const asked = { ...chat, body: '{"model":"m","stream":true,"stream_options":{"include_usage":true}}' };
  expect((await read(await start(asked, (_, res) => sse(res, all)))).text).toBe(all);
});

test("tool calls and several choices are put together by their index", async () => {
  const call = (index: number, fn: object, id?: string): object => ({
    tool_calls: [{ index, ...(id ? { id, type: "function" } : {}), function: fn }],
  });
  const body = data(
    delta(call(0, { name: "f", arguments: "" }, "call_1")),
    delta(call(0, { arguments: '{"n":123456' })),
    delta(call(1, { name: "g" }, "call_2")),
    delta(call(0, { arguments: "78901234567890}" })),
    delta({}, "tool_calls"),
    delta({ content: "b" }, "length", 1),
    usage,
    "[DONE]",
  );
  const { final } = await read(await start(chat, (_, res) => sse(res, body)));
  const answer = JSON.parse(final.kind === "answered" ? final.body : "{}") as { choices: unknown[] };
  expect(answer.choices).toMatchObject([
    {
      message: {
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "f", arguments: '{"n":12345678901234567890}' } },
          { id: "call_2", function: { name: "g", arguments: "" } },
        ],
      },
      finish_reason: "tool_calls",
    },
    { index: 1, message: { content: "b" }, finish_reason: "length" },
  ]);
});

test("events arrive as they were written, whatever the line ends and wherever the bytes are cut", async () => {
  const text = `: hello\r\n\r\n${data(delta({ content: "é€😀" }))}${data(delta({}, "stop")).replaceAll("\n", "\r\n")}data: [DONE]\n\n`;
  const bytes = Buffer.from(text);
  const got = await read(
    await start(chat, (_, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      let at = 0;
      const next = (): void => {
        if (at >= bytes.length) return void res.end();
        res.write(bytes.subarray(at, ++at), next);
      };
      next();
    }),
  );
  expect(got.text).toBe(text);
  expect(JSON.parse(got.final.kind === "answered" ? got.final.body : "{}")).toMatchObject({ choices: [{ message: { content: "é€😀" } }] });
});

test.each([
  ["in the middle of the text", data(delta({ content: "x" }))],
  ["after the finish reason, without usage or [DONE]", data(delta({ content: "x" }, "stop"))],
  ["with [DONE] but without a finish reason", data(delta({ content: "x" }), "[DONE]")],
  ["in the middle of an event", `${data(delta({ content: "x" }))}data: {"id":"c1","cho`],
  ["before the first event", ""],
])("a chat stream that ends %s is unknown", async (_, text) => {
  expect((await read(await start(chat, (_heard, res) => sse(res, text)))).final).toMatchObject({ kind: "unknown", code: "stream_truncated" });
});

test("a stream whose socket breaks ends early without throwing, and is unknown", async () => {
  const got = await read(
    await start(chat, (_, res, req) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(data(delta({ content: "x" })), () => setImmediate(() => req.socket.destroy()));
    }),
  );
  expect(got.text).toBe(data(delta({ content: "x" })));
  expect(got.final).toMatchObject({ kind: "unknown" });
});

test("an error inside a 200 stream before any output is a refusal, after it unknown", async () => {
  const error = { error: { message: "overloaded", type: "server_error", code: "server_is_overloaded", param: null } };
  expect(await start(chat, (_, res) => sse(res, data(error)))).toMatchObject({
    kind: "refused",
    statusCode: 503,
    retry: "later",
    code: "server_is_overloaded",
    requestId: "req_1",
  });
  const late = await read(await start(chat, (_, res) => sse(res, data(delta({ content: "x" }), error))));
  expect(late.final).toMatchObject({ kind: "unknown", code: "server_is_overloaded" });
  expect(late.text).toContain("server_is_overloaded");
  const anthropic = named(["error", { error: { type: "overloaded_error", message: "Overloaded" } }]);
  expect(await start(message, (_, res) => sse(res, anthropic))).toMatchObject({
    kind: "refused",
    statusCode: 529,
    retry: "later",
    code: "overloaded_error",
  });
  const flat = named(["error", { code: "rate_limit_exceeded", message: "slow down", param: null }]);
  expect(await start(responses, (_, res) => sse(res, flat))).toMatchObject({ kind: "refused", statusCode: 429, retry: "later" });
});

test("a refusal before the stream is an answer, and so is JSON instead of a stream", async () => {
  expect(await start(chat, (_, res) => json(res, { error: { message: "no", type: "invalid_request_error", code: null } }, 400))).toMatchObject({
    kind: "refused",
    retry: "never",
  });
  expect(await start(chat, (_, res) => json(res, { choices: [] }))).toMatchObject({ kind: "answered", body: '{"choices":[]}' });
});

test("a responses stream's answer is the text of its last event, digit for digit", async () => {
  const response = '{"id":"resp_1","object":"response", "status":"completed","output":[{"n":12345678901234567890}],"usage":{"input_tokens":1}}';
  const text = `${named(["response.created", { response: {} }], ["response.output_text.delta", { delta: "x" }])}event: response.completed\ndata: {"type":"response.completed","response":${response}}\n\n`;
  const got = await read(await start(responses, (_, res) => sse(res, text)));
  expect(got.text).toBe(text);
  expect(got.final).toMatchObject({ kind: "answered", body: response });
  const failed = named(["response.failed", { response: { status: "failed", error: { code: "server_error", message: "x" }, usage: null } }]);
  expect((await read(await start(responses, (_, res) => sse(res, failed)))).final).toMatchObject({
    kind: "refused",
    statusCode: 500,
    retry: "later",
    code: "server_error",
  });
});

const begin: [string, object] = [
  "message_start",
  {
    message: {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "c",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 9, output_tokens: 1, cache_read_input_tokens: 4 },
    },
  },
];
const block = (index: number, start: object, ...deltas: object[]): [string, object][] => [
  ["content_block_start", { index, content_block: start }],
  ...deltas.map((d): [string, object] => ["content_block_delta", { index, delta: d }]),
  ["content_block_stop", { index }],
];
const finish: [string, object][] = [
  ["message_delta", { delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 21 } }],
  ["message_stop", {}],
];

test("a messages stream becomes one message: thinking, text and a tool's input with every digit", async () => {
  const text = named(
    begin,
    ["ping", {}],
    ...block(
      0,
      { type: "thinking", thinking: "", signature: "" },
      { type: "thinking_delta", thinking: "hm" },
      { type: "signature_delta", signature: "sig" },
    ),
    ...block(1, { type: "text", text: "" }, { type: "text_delta", text: "a" }, { type: "text_delta", text: "b" }),
    ...block(
      2,
      { type: "tool_use", id: "t1", name: "f", input: {} },
      { type: "input_json_delta", partial_json: '{"n": 123456789' },
      { type: "input_json_delta", partial_json: "01234567890}" },
    ),
    ...block(3, { type: "tool_use", id: "t2", name: "g", input: {} }),
    ...finish,
  );
  const got = await read(await start(message, (_, res) => sse(res, text)));
  expect(got.text).toBe(text);
  const body = got.final.kind === "answered" ? got.final.body : "";
  expect(body).toContain('"input":{"n": 12345678901234567890}');
  expect(JSON.parse(body)).toMatchObject({
    id: "msg_1",
    stop_reason: "tool_use",
    content: [
      { type: "thinking", thinking: "hm", signature: "sig" },
      { type: "text", text: "ab" },
      { type: "tool_use", id: "t1" },
      { type: "tool_use", id: "t2", input: {} },
    ],
    usage: { input_tokens: 9, output_tokens: 21, cache_read_input_tokens: 4 },
  });
});

test.each([
  ["after message_start", [begin]],
  ["after message_delta", [begin, ...block(0, { type: "text", text: "" }), finish[0] as [string, object]]],
])("a messages stream that ends %s is unknown", async (_, events) => {
  expect((await read(await start(message, (_heard, res) => sse(res, named(...events))))).final).toMatchObject({
    kind: "unknown",
    code: "stream_truncated",
  });
});

test("when the consumer leaves, the stream is read to its end, so that what was paid for is known", async () => {
  let rest: (() => void) | undefined;
  const stream = await start(chat, (_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(data(delta({ content: "x" })));
    rest = () => void res.end(data(delta({ content: "y" }, "stop"), usage, "[DONE]"));
  });
  if (stream.kind !== "stream") throw new Error("no stream");
  for await (const _ of stream.events) break;
  rest?.();
  expect(JSON.parse(((await stream.final) as { body: string }).body)).toMatchObject({
    choices: [{ message: { content: "xy" } }],
    usage: usage.usage,
  });
});

test("an abort and a time limit end a stream that nobody reads", async () => {
  const hang: Script = (_, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(data(delta({ content: "x" })));
  };
  const controller = new AbortController();
  const aborted = await start(chat, hang, { signal: controller.signal });
  controller.abort();
  expect(aborted.kind === "stream" && (await aborted.final)).toMatchObject({ kind: "unknown", code: "aborted" });
  const late = await start(chat, hang, { timeoutMs: 60 });
  expect((await read(late)).final).toMatchObject({ kind: "unknown", code: "timeout" });
});
