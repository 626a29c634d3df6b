import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { Agent } from "undici";
import { afterEach, expect, test } from "vitest";
import { createAnthropicLane, createLanes, createOpenAiLane, type LaneAnswer } from "./index.ts";
import { json, type Script, scriptedServer } from "./testing/scripted-server.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const never = new AbortController().signal;
const chat = { attemptId: "att_1", endpoint: "/v1/chat/completions", model: "m", body: '{"model":"m","messages":[]}' } as const;
const message = { ...chat, endpoint: "/v1/messages" } as const;

async function served(script: Script): Promise<string> {
  const server = await scriptedServer(script);
  open.push(server);
  return server.url;
}

async function ask(
  script: Script,
  lane: "openai" | "openai-flex" | "anthropic" = "openai",
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<LaneAnswer> {
  const url = await served(script);
  const common = { apiKey: "key", emulated: false, ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) };
  const made =
    lane === "anthropic"
      ? createAnthropicLane({ ...common, baseURL: url })
      : createOpenAiLane({ ...common, baseURL: `${url}/v1`, flex: lane === "openai-flex" });
  return made.call(lane === "anthropic" ? message : chat, options.signal ?? never);
}

const openAiError = (code: string | null, type = "invalid_request_error", text = "no"): string =>
  JSON.stringify({ error: { message: text, type, param: null, code } });
const anthropicError = (type: string, text = "no", details?: object): string =>
  JSON.stringify({ type: "error", error: { type, message: text, ...(details ? { details } : {}) }, request_id: "req_1" });

test.each([
  [400, openAiError("invalid_value"), "never", "invalid_value"],
  [401, openAiError("invalid_api_key"), "park", "invalid_api_key"],
  [403, openAiError(null, "permission_error"), "park", "permission_error"],
  [403, openAiError("model_not_found"), "never", "model_not_found"],
  [404, openAiError("model_not_found"), "never", "model_not_found"],
  [404, "<html>nginx</html>", "park", "not_the_api"],
  [408, openAiError(null, "timeout"), "later", "timeout"],
  [409, openAiError(null, "conflict"), "later", "conflict"],
  [413, "<html>too large</html>", "never", "http_413"],
  [422, openAiError(null), "never", "invalid_request_error"],
  [429, openAiError("rate_limit_exceeded", "tokens"), "later", "rate_limit_exceeded"],
  [429, openAiError("insufficient_quota", "insufficient_quota"), "park", "insufficient_quota"],
  [500, openAiError(null, "server_error"), "later", "server_error"],
  [502, "<html>Bad gateway</html>", "later", "http_502"],
  [503, openAiError("server_is_overloaded", "server_error"), "later", "server_is_overloaded"],
  [503, openAiError("slow_down", "server_error"), "later", "slow_down"],
  [504, openAiError("timeout", "server_error"), "later", "timeout"],
] as const)("OpenAI's %i %s may go again: %s", async (status, body, retry, code) => {
  const answer = await ask((_, res) => json(res, body, status, { "x-request-id": "req_9" }));
  expect(answer).toMatchObject({ kind: "refused", attemptId: "att_1", statusCode: status, retry, code, requestId: "req_9", body });
});

test.each([
  [400, anthropicError("invalid_request_error", "max_tokens: too high"), "never", "invalid_request_error"],
  [400, anthropicError("invalid_request_error", "Your credit balance is too low to access the API."), "park", "spend_limit_reached"],
  [400, anthropicError("invalid_request_error", 'messages.0: "Your credit balance is too low" is not a role'), "never", "invalid_request_error"],
  [401, anthropicError("authentication_error"), "park", "authentication_error"],
  [402, anthropicError("billing_error"), "park", "billing_error"],
  [403, anthropicError("permission_error"), "park", "permission_error"],
  [404, anthropicError("not_found_error", "model: claude-none"), "never", "not_found_error"],
  [409, anthropicError("conflict_error"), "later", "conflict_error"],
  [413, anthropicError("request_too_large"), "never", "request_too_large"],
  [429, anthropicError("rate_limit_error"), "later", "rate_limit_error"],
  [429, anthropicError("rate_limit_error", "cap", { error_code: "enforced_spend_limit_reached" }), "park", "enforced_spend_limit_reached"],
  [429, anthropicError("rate_limit_error", "ramp", { error_code: "ramp_limit_exceeded" }), "later", "ramp_limit_exceeded"],
  [500, anthropicError("api_error"), "later", "api_error"],
  [504, anthropicError("timeout_error"), "later", "timeout_error"],
  [529, anthropicError("overloaded_error"), "later", "overloaded_error"],
] as const)("Anthropic's %i %s may go again: %s", async (status, body, retry, code) => {
  expect(await ask((_, res) => json(res, body, status), "anthropic")).toMatchObject({ kind: "refused", statusCode: status, retry, code });
});

test("flex without capacity is told by status and lane, a rate limit on it stays one", async () => {
  expect(await ask((_, res) => json(res, openAiError(null, "x", "Resource Unavailable"), 429), "openai-flex")).toMatchObject({
    retry: "later",
    code: "resource_unavailable",
  });
  expect(await ask((_, res) => json(res, openAiError("rate_limit_exceeded"), 429), "openai-flex")).toMatchObject({ code: "rate_limit_exceeded" });
  expect(await ask((_, res) => json(res, openAiError("insufficient_quota"), 429), "openai-flex")).toMatchObject({ retry: "park" });
});

test.each([
  [{ "retry-after-ms": "1500", "retry-after": "9" }, "", 1500],
  [{ "retry-after": "7" }, "", 7000],
  [
    {
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "6m0s",
      "x-ratelimit-remaining-requests": "9",
      "x-ratelimit-reset-requests": "20h",
    },
    "",
    360_000,
  ],
  [{}, "Rate limit reached. Please try again in 6.596s. Visit", 6596],
  [{ "retry-after": "99999999" }, "", 3_600_000],
  [{}, "soon", null],
] as const)("the wait after a rate limit comes from %j %s", async (headers, text, expected) => {
  const answer = await ask((_, res) => json(res, openAiError("rate_limit_exceeded", "tokens", text), 429, headers as Record<string, string>));
  expect(answer).toMatchObject({ kind: "refused", retryAfterMs: expected });
});

test("no answer in time is unknown, never refused", async () => {
  expect(await ask(() => {}, "openai", { timeoutMs: 50 })).toMatchObject({ kind: "unknown", code: "timeout" });
  expect(await ask((_, res) => res.write('{"choices":['), "anthropic", { timeoutMs: 50 })).toMatchObject({ kind: "unknown", code: "timeout" });
});

test("a reset after the request was written is unknown, in the head of the answer and in its body", async () => {
  expect(await ask((_, __, req) => req.socket.destroy())).toMatchObject({ kind: "unknown" });
  const midway = await ask((_, res, req) => {
    res.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    res.write('{"choices":[');
    setImmediate(() => req.socket.destroy());
  });
  expect(midway).toMatchObject({ kind: "unknown" });
});

test("a connection that was refused is void: nothing left this house", async () => {
  const server = await scriptedServer(() => {});
  await server.close();
  const lane = createOpenAiLane({ apiKey: "key", baseURL: `${server.url}/v1`, emulated: false });
  expect(await lane.call(chat, never)).toMatchObject({ kind: "void", code: "unsent" });
  expect(await lane.stream(chat, never)).toMatchObject({ kind: "void", code: "unsent" });
});

test("a host that does not exist is void", async () => {
  const lane = createAnthropicLane({ apiKey: "key", baseURL: "http://nowhere.invalid", emulated: false });
  expect(await lane.call(message, never)).toMatchObject({ kind: "void", code: "unsent" });
});

test("an abort before the request was sent is void, after it unknown", async () => {
  const early = new AbortController();
  early.abort();
  expect(await ask((_, res) => json(res, {}), "openai", { signal: early.signal })).toMatchObject({ kind: "void", code: "unsent" });
  const late = new AbortController();
  expect(await ask(() => late.abort(), "openai", { signal: late.signal })).toMatchObject({ kind: "unknown", code: "aborted" });
});

test("a 200 that is no answer is unknown: a proxy's page, broken JSON, an error in disguise", async () => {
  for (const body of ["<html>hello</html>", '{"choices":[', '{"error":{"message":"x"}}', "[]", ""]) {
    expect(await ask((_, res) => json(res, body))).toMatchObject({ kind: "unknown", code: "unrecognised_answer" });
  }
});

test("a failed request is sent once: nothing in the SDKs retries", async () => {
  const server = await scriptedServer((_, res) =>
    json(res, openAiError(null, "server_error"), 500, { "x-should-retry": "true", "retry-after-ms": "1" }),
  );
  open.push(server);
  await createOpenAiLane({ apiKey: "key", baseURL: `${server.url}/v1`, emulated: false }).call(chat, never);
  await createAnthropicLane({ apiKey: "key", baseURL: server.url, emulated: false }).call(message, never);
  expect(server.heard.map((one) => one.path)).toEqual(["/v1/chat/completions", "/v1/messages"]);
});

test("the answer's text is kept as it came", async () => {
  const raw = '{"id":"x", "choices":[{"n":12345678901234567890,"t":"\\u0000"}],"usage":{"total_tokens":1}}';
  expect(await ask((_, res) => json(res, raw))).toMatchObject({ kind: "answered", body: raw });
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["br", brotliCompressSync],
] as const)("an answer and a refusal that come packed as %s are read", async (encoding, pack) => {
  const raw = '{"id":"x","choices":[{"t":"\\u0000 12345678901234567890"}]}';
  const send =
    (status: number, text: string): Script =>
    (_, res) =>
      void res.writeHead(status, { "content-type": "application/json", "content-encoding": encoding }).end(pack(text));
  expect(await ask(send(200, raw))).toMatchObject({ kind: "answered", body: raw });
  expect(await ask(send(429, openAiError("rate_limit_exceeded")))).toMatchObject({ kind: "refused", code: "rate_limit_exceeded" });
});

test("a packed answer that breaks off is unknown", async () => {
  const packed = gzipSync(`{"choices":["${"x".repeat(5000)}"]}`);
  const answer = await ask((_, res, req) => {
    res.writeHead(200, { "content-encoding": "gzip", "content-length": String(packed.length) });
    res.write(packed.subarray(0, packed.length - 12));
    setImmediate(() => req.socket.destroy());
  });
  expect(answer).toMatchObject({ kind: "unknown" });
});

test("a redirect is not followed: neither request nor key goes to another address", async () => {
  const elsewhere = await scriptedServer((_, res) => json(res, '{"choices":[]}'));
  open.push(elsewhere);
  const answer = await ask((_, res) => json(res, "", 307, { location: `${elsewhere.url}/v1/chat/completions` }));
  expect(answer).toMatchObject({ kind: "refused", statusCode: 307, retry: "later" });
  expect(elsewhere.heard).toEqual([]);
});

test("a call that is called off while it waits for a socket is void", async () => {
  const agent = new Agent({ connections: 1 });
  open.push(agent);
  const server = await scriptedServer(() => {});
  open.push(server);
  const lane = createOpenAiLane({ apiKey: "key", baseURL: `${server.url}/v1`, emulated: false, agent });
  const first = new AbortController();
  const busy = lane.call(chat, first.signal);
  const second = new AbortController();
  const waiting = lane.call({ ...chat, attemptId: "att_2" }, second.signal);
  second.abort();
  expect(await waiting).toMatchObject({ kind: "void", code: "unsent" });
  first.abort();
  expect(await busy).toMatchObject({ attemptId: "att_1" });
});

test("the client's request id is the attempt, and only known headers of the caller go along", async () => {
  const server = await scriptedServer((_, res) => json(res, '{"content":[]}'));
  open.push(server);
  const lane = createAnthropicLane({ apiKey: "key", baseURL: server.url, emulated: false });
  await lane.call({ ...message, headers: { "anthropic-version": "2026-10-21", "anthropic-beta": "x", cookie: "secret" } }, never);
  await lane.call(message, never);
  expect(server.heard[0]?.headers).toMatchObject({ "x-client-request-id": "att_1", "anthropic-version": "2026-10-21", "anthropic-beta": "x" });
  expect(server.heard[0]?.headers.cookie).toBeUndefined();
  expect(server.heard[1]?.headers["anthropic-version"]).toBe("2023-06-01");
});

test("tokens are counted without a charge where the provider counts them", async () => {
  const server = await scriptedServer((_, res) => json(res, '{"input_tokens":12}'));
  open.push(server);
  const lane = createAnthropicLane({ apiKey: "key", baseURL: server.url, emulated: false });
  expect(await lane.count?.(message, never)).toMatchObject({ kind: "answered", body: '{"input_tokens":12}' });
  expect(server.heard[0]?.path).toBe("/v1/messages/count_tokens");
  expect(createOpenAiLane({ apiKey: "key", baseURL: server.url, emulated: false }).count).toBeUndefined();
});

test("a lane exists only where its account does, and accounts tell keys apart without showing them", () => {
  const lanes = createLanes({ openai: { apiKey: "secret-key" }, emulated: false });
  expect([...lanes.keys()]).toEqual(["openai", "openai-flex", "openai-batch"]);
  expect([...createLanes({ anthropic: { apiKey: "a" }, poolUrl: "http://127.0.0.1:1", emulated: false }).keys()]).toEqual([
    "anthropic",
    "anthropic-batch",
    "pool",
  ]);
  expect(lanes.get("openai")?.account).toMatch(/^openai\|https:\/\/api\.openai\.com\/v1\|[0-9a-f]{12}$/);
  expect(lanes.get("openai")?.account).not.toContain("secret");
  expect([...createLanes({ emulated: false }).keys()]).toEqual([]);
  const emulator = (port: number) => createLanes({ openai: { apiKey: "k", baseURL: `http://127.0.0.1:${port}/v1` }, emulated: true });
  expect(emulator(1).get("openai-batch")?.account, "the emulator keeps its batches, whatever its port").toBe(
    emulator(2).get("openai-batch")?.account,
  );
});
