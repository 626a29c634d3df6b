import { expect, test } from "vitest";
import { MINUTE, readme, started } from "./test-bed.ts";

const user = (content: string) => [{ role: "user" as const, content }];
const long = (salt: string): string => `${salt} ${"Boats carry goods along the river at a low price when nobody hurries. ".repeat(160)}`;

test("every answer says that the provider is emulated and carries a request id, errors too", async () => {
  const { emulator } = await started();
  const headers = { authorization: "Bearer k", "anthropic-version": "2023-06-01" };
  for (const [path, id] of [
    ["/v1/models", "request-id"],
    ["/v1/batches", "x-request-id"],
    ["/v1/messages/batches/none", "request-id"],
    ["/v1/nothing", "x-request-id"],
  ] as const) {
    const response = await fetch(emulator.url + path, { headers });
    expect(response.headers.get("x-slowboat-emulated")).toBe("emulated provider: no money is spent");
    expect(response.headers.get(id)).toMatch(/^req_/);
  }
});

test("both key headers are accepted on both APIs; none is a 401 in the provider's own form", async () => {
  const { emulator } = await started();
  const version = { "anthropic-version": "2023-06-01" };
  for (const auth of [{ authorization: "Bearer k" }, { "x-api-key": "k" }]) {
    expect((await fetch(`${emulator.url}/v1/models`, { headers: auth })).status).toBe(200);
    expect((await fetch(`${emulator.url}/v1/messages/batches`, { headers: { ...auth, ...version } })).status).toBe(200);
  }
  const openai = await fetch(`${emulator.url}/v1/files`);
  expect(openai.status).toBe(401);
  expect(await openai.json()).toMatchObject({ error: { type: "invalid_request_error", code: "invalid_api_key" } });
  const anthropic = await fetch(`${emulator.url}/v1/messages`, { method: "POST", headers: version, body: "{}" });
  expect(anthropic.status).toBe(401);
  expect(await anthropic.json()).toMatchObject({
    type: "error",
    error: { type: "authentication_error" },
    request_id: expect.stringMatching(/^req_/),
  });
  const unversioned = await fetch(`${emulator.url}/v1/messages`, { method: "POST", headers: { "x-api-key": "k" }, body: "{}" });
  expect(unversioned.status).toBe(400);
});

test("the model list follows the version header", async () => {
  const { openai, anthropic } = await started();
  const gpt = (await openai.models.list()).data.map((model) => model.id);
  const claude = (await anthropic.models.list()).data.map((model) => model.id);
  expect(gpt).toContain("gpt-5-mini");
  expect(claude).toContain("claude-haiku-4-5");
  expect(gpt.filter((id) => claude.includes(id))).toEqual([]);
  await expect(openai.models.retrieve("gpt-none")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  await expect(anthropic.models.retrieve("claude-none")).rejects.toMatchObject({ status: 404 });
});

test("malformed requests are refused in the provider's words", async () => {
  const { emulator, openai, anthropic } = await started();
  const headers = { authorization: "Bearer k", "anthropic-version": "2023-06-01" };
  for (const path of ["/v1/chat/completions", "/v1/messages", "/v1/batches", "/v1/messages/batches"]) {
    expect((await fetch(emulator.url + path, { method: "POST", headers, body: "{nope" })).status).toBe(400);
    expect((await fetch(emulator.url + path, { method: "POST", headers, body: "[]" })).status).toBe(400);
  }
  await expect(openai.chat.completions.create({ model: "gpt-none", messages: user("x") })).rejects.toMatchObject({
    status: 404,
    code: "model_not_found",
  });
  await expect(openai.chat.completions.create({ model: "gpt-5-mini" } as never)).rejects.toMatchObject({
    status: 400,
    param: "messages",
    message: expect.stringContaining("Missing required parameter: 'messages'."),
  });
  await expect(openai.embeddings.create({ model: "text-embedding-3-small", input: [] })).rejects.toMatchObject({ status: 400 });
  await expect(anthropic.messages.create({ model: "claude-none" as "claude-haiku-4-5", max_tokens: 5, messages: user("x") })).rejects.toMatchObject({
    status: 404,
    error: { error: { type: "not_found_error", message: "model: claude-none" } },
  });
  await expect(anthropic.messages.create({ model: "claude-haiku-4-5", messages: user("x") } as never)).rejects.toMatchObject({
    status: 400,
    error: { error: { message: "max_tokens: Field required" } },
  });
});

test("sampling parameters are refused from API version 2026-10-21 on", async () => {
  const { emulator } = await started();
  const body = JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 5, temperature: 1, messages: user("x") });
  const call = (version: string) =>
    fetch(`${emulator.url}/v1/messages`, { method: "POST", headers: { "x-api-key": "k", "anthropic-version": version }, body });
  expect((await call("2023-06-01")).status).toBe(200);
  expect((await call("2026-10-21")).status).toBe(400);
});

test("the answer to a request is the same again, on another emulator of the same seed too", async () => {
  const one = await started({ seed: 5 });
  const other = await started({ seed: 5 });
  const request = { model: "gpt-5-mini", messages: user(readme) };
  const texts = [
    await one.openai.chat.completions.create(request),
    await one.openai.chat.completions.create(request),
    await other.openai.chat.completions.create(request),
  ].map((a) => a.choices[0]?.message.content);
  expect(new Set(texts).size).toBe(1);
});

test("token limits are honoured and said", async () => {
  const { openai, anthropic } = await started();
  const chat = await openai.chat.completions.create({ model: "gpt-5-mini", messages: user(readme), max_completion_tokens: 5 });
  expect(chat.choices[0]?.finish_reason).toBe("length");
  expect(chat.usage?.completion_tokens).toBe(5);
  const message = await anthropic.messages.create({ model: "claude-haiku-4-5", max_tokens: 5, messages: user(readme) });
  expect(message).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 5 } });
  const warm = await anthropic.messages.create({ model: "claude-haiku-4-5", max_tokens: 0, messages: user(readme) });
  expect(warm).toMatchObject({ stop_reason: "max_tokens", content: [], usage: { output_tokens: 0 } });
  const response = await openai.responses.create({ model: "gpt-5-mini", input: readme, max_output_tokens: 16 });
  expect(response).toMatchObject({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
});

test("a JSON schema is answered with a valid instance, and a forced tool is called", async () => {
  const { openai, anthropic } = await started();
  const schema = {
    type: "object",
    properties: {
      topic: { type: "string", enum: ["cooking", "web", "games"] },
      score: { type: "integer", minimum: 1, maximum: 5 },
      tags: { type: "array", items: { type: "string" }, minItems: 2, maxItems: 2 },
    },
    required: ["topic", "score", "tags"],
    additionalProperties: false,
  };
  const chat = await openai.chat.completions.create({
    model: "gpt-5-mini",
    messages: user(readme),
    response_format: { type: "json_schema", json_schema: { name: "label", schema, strict: true } },
  });
  const label = JSON.parse(chat.choices[0]?.message.content ?? "");
  expect(label).toMatchObject({ topic: "web", tags: [expect.any(String), expect.any(String)] });
  expect(label.score).toBeGreaterThanOrEqual(1);
  expect(label.score).toBeLessThanOrEqual(5);
  const called = await openai.chat.completions.create({
    model: "gpt-5-mini",
    messages: user(readme),
    tools: [{ type: "function", function: { name: "label", parameters: schema } }],
    tool_choice: "required",
  });
  expect(called.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { content: null, tool_calls: [{ function: { name: "label" } }] } });
  const used = await anthropic.messages.create({
    model: "claude-haiku-4-5",
    max_tokens: 500,
    messages: user(readme),
    tools: [{ name: "label", input_schema: schema as { type: "object" } }],
    tool_choice: { type: "tool", name: "label" },
  });
  expect(used).toMatchObject({ stop_reason: "tool_use", content: [{ type: "tool_use", name: "label", input: { topic: "web" } }] });
});

test("token counts agree with what the same message is billed for", async () => {
  const { anthropic } = await started();
  const request = { model: "claude-haiku-4-5" as const, system: "Be brief.", messages: user(readme) };
  const counted = await anthropic.messages.countTokens(request);
  const answered = await anthropic.messages.create({ ...request, max_tokens: 50 });
  expect(answered.usage.input_tokens).toBe(counted.input_tokens);
});

test("before GPT-5.6 a long prefix is cached by itself, in steps of 128 tokens, from 1,024 on, until it expires", async () => {
  const { openai, emulator, time } = await started({ latency: "instant" });
  const ask = async (tail: string) =>
    (await openai.chat.completions.create({ model: "gpt-5-mini", messages: [{ role: "system", content: long("A") }, ...user(tail)] })).usage;
  const first = await ask("one");
  expect(first?.prompt_tokens_details?.cached_tokens).toBe(0);
  const second = await ask("two");
  const cached = second?.prompt_tokens_details?.cached_tokens ?? 0;
  expect(cached).toBeGreaterThanOrEqual(1_024);
  expect(cached % 128).toBe(0);
  expect((await emulator.invoice()).lines[1]?.nanoUsd).toBe(
    String(250 * ((second?.prompt_tokens ?? 0) - cached) + 25 * cached + 2_000 * (second?.completion_tokens ?? 0)),
  );
  time.nowMs += 11 * MINUTE;
  expect((await ask("three"))?.prompt_tokens_details?.cached_tokens).toBe(0);
});

test("from GPT-5.6 on the whole prompt is written at a price and read by whoever continues it", async () => {
  const { openai, emulator } = await started({ latency: "instant" });
  const start = { role: "user" as const, content: long("B") };
  const first = (await openai.chat.completions.create({ model: "gpt-5.6-luna", messages: [start] })).usage;
  const details = first?.prompt_tokens_details as { cached_tokens: number; cache_write_tokens: number };
  expect(details.cached_tokens).toBe(0);
  expect(details.cache_write_tokens).toBeGreaterThan(1_024);
  const second = (
    await openai.chat.completions.create({
      model: "gpt-5.6-luna",
      messages: [start, { role: "assistant", content: "Yes." }, { role: "user", content: "And then?" }],
    })
  ).usage;
  expect(second?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(1_024);
  const { lines } = await emulator.invoice();
  const input = (first?.prompt_tokens ?? 0) - details.cache_write_tokens;
  expect(lines[0]?.nanoUsd).toBe(String(200 * input + 250 * details.cache_write_tokens + 1_200 * (first?.completion_tokens ?? 0)));
});

test("Anthropic caches at breakpoints only, above the model's minimum, for five minutes or an hour, not before the writer's answer begins", async () => {
  const { anthropic, time, emulator } = await started({ latency: "instant" });
  const ask = async (ttl: "5m" | "1h" | null, model: "claude-sonnet-5" | "claude-haiku-4-5" = "claude-sonnet-5") =>
    (
      await anthropic.messages.create({
        model,
        max_tokens: 20,
        system: [{ type: "text", text: long("C"), ...(ttl === null ? {} : { cache_control: { type: "ephemeral", ttl } }) }],
        messages: user("Go on."),
      })
    ).usage;
  expect(await ask(null)).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 });
  const written = await ask("1h");
  expect(written.cache_creation).toMatchObject({ ephemeral_5m_input_tokens: 0 });
  const size = written.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  expect(size).toBeGreaterThan(1_024);
  time.nowMs += 50 * MINUTE;
  expect(await ask("1h")).toMatchObject({ cache_read_input_tokens: size, cache_creation_input_tokens: 0 });
  time.nowMs += 50 * MINUTE;
  expect((await ask("1h")).cache_read_input_tokens).toBe(size);
  time.nowMs += 61 * MINUTE;
  expect((await ask("5m")).cache_creation).toMatchObject({ ephemeral_5m_input_tokens: size });
  // Below Haiku's minimum of 4,096 tokens nothing is cached, silently.
  expect(await ask("5m", "claude-haiku-4-5")).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 });
  const { lines } = await emulator.invoice();
  const line = lines[1];
  expect(line?.nanoUsd).toBe(String(2_000 * written.input_tokens + 4_000 * size + 10_000 * written.output_tokens));
  const slow = await started();
  const twice = await Promise.all(
    [0, 1].map(() =>
      slow.anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 20, cache_control: { type: "ephemeral" }, messages: user(long("D")) }),
    ),
  );
  expect(twice.map((answer) => answer.usage.cache_read_input_tokens)).toEqual([0, 0]);
});

test("more than four breakpoints, and a longer life after a shorter one, are refused", async () => {
  const { anthropic } = await started();
  const block = (ttl: "5m" | "1h") => ({ type: "text" as const, text: "x", cache_control: { type: "ephemeral" as const, ttl } });
  const ask = (content: ReturnType<typeof block>[]) =>
    anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 5, messages: [{ role: "user", content }] });
  await expect(ask(Array.from({ length: 5 }, () => block("5m")))).rejects.toMatchObject({ status: 400 });
  await expect(ask([block("5m"), block("1h")])).rejects.toMatchObject({ status: 400 });
});

test("a message that may think shows its thoughts with a signature, streamed and whole alike, and bills them as output", async () => {
  const { anthropic, emulator } = await started();
  const wish = {
    model: "claude-sonnet-5" as const,
    max_tokens: 2_048,
    thinking: { type: "enabled" as const, budget_tokens: 1_024 },
    messages: [{ role: "user" as const, content: readme.slice(0, 2_000) }],
  };
  const whole = await anthropic.messages.create(wish);
  expect(whole.content.map((block) => block.type)).toEqual(["thinking", "text"]);
  expect(whole.content[0]).toMatchObject({ thinking: expect.stringMatching(/\w/), signature: expect.stringMatching(/^[\w+/=]{20,}$/) });
  const thinking = (whole.usage as { output_tokens_details?: { thinking_tokens: number } }).output_tokens_details?.thinking_tokens ?? 0;
  expect(thinking).toBeGreaterThan(10);
  expect(whole.usage.output_tokens).toBeGreaterThan(thinking);
  const streamed = await anthropic.messages.stream(wish).finalMessage();
  expect(streamed.content).toMatchObject(whole.content);
  expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
  const lines = (await emulator.invoice()).lines.map((line) => line.usage["output_tokens"]);
  expect(lines).toEqual([whole.usage.output_tokens, whole.usage.output_tokens]);
  const little = { ...wish, thinking: { type: "enabled" as const, budget_tokens: 100 } };
  await expect(anthropic.messages.create(little)).rejects.toMatchObject({ status: 400, message: expect.stringContaining("1024") });
  await expect(anthropic.messages.create({ ...wish, max_tokens: 1_024 })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("max_tokens"),
  });
});
