import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { expect, test } from "vitest";
import { batchLine, HOUR, MINUTE, makeBatch, readme, rowsOf, started } from "./test-bed.ts";

const ask = { model: "gpt-5-mini", messages: [{ role: "user" as const, content: readme }] };
const tell = { model: "claude-haiku-4-5" as const, max_tokens: 300, messages: [{ role: "user" as const, content: readme }] };
const chat = { match: { path: "/v1/chat/completions" } };
const messages = { match: { path: "/v1/messages" } };

test("scripted faults meet the next matching requests only, and a refused request is not billed", async () => {
  const { emulator, openai } = await started();
  const scripted = await fetch(`${emulator.url}/emulator/faults`, {
    method: "POST",
    body: JSON.stringify([
      { ...chat, preset: "rate-limit", times: 2 },
      { match: { model: "gpt-4o-mini" }, preset: "insufficient-quota" },
    ]),
  });
  expect(scripted.status).toBe(200);
  for (let i = 0; i < 2; i++) {
    const error = await openai.chat.completions.create(ask).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ code: "rate_limit_exceeded", type: "tokens" });
    expect((error as InstanceType<typeof OpenAI.RateLimitError>).headers?.get("retry-after-ms")).toBe("450");
  }
  await openai.chat.completions.create(ask);
  await expect(openai.chat.completions.create({ ...ask, model: "gpt-4o-mini" })).rejects.toMatchObject({ status: 429, code: "insufficient_quota" });
  expect((await emulator.invoice()).lines).toHaveLength(1);
  const nonsense = await fetch(`${emulator.url}/emulator/faults`, { method: "POST", body: JSON.stringify({ presets: 1 }) });
  expect(nonsense.status).toBe(400);
});

test.each([
  { preset: "overloaded", openaiStatus: 503, anthropicStatus: 529, type: "overloaded_error" },
  { preset: "server-error", openaiStatus: 500, anthropicStatus: 500, type: "api_error" },
  { preset: "html-502", openaiStatus: 502, anthropicStatus: 502, type: null },
  { preset: "html-503", openaiStatus: 503, anthropicStatus: 503, type: null },
  { preset: "spend-limit", openaiStatus: 429, anthropicStatus: 429, type: "rate_limit_error" },
  { preset: "own-spend-limit", openaiStatus: 429, anthropicStatus: 400, type: "invalid_request_error" },
  { preset: "unauthorized", openaiStatus: 401, anthropicStatus: 401, type: "authentication_error" },
] as const)("$preset reaches both clients as their own error", async ({ preset, openaiStatus, anthropicStatus, type }) => {
  const { emulator, openai, anthropic } = await started();
  emulator.addFaults({ ...chat, preset }, { ...messages, preset });
  await expect(openai.chat.completions.create(ask)).rejects.toMatchObject({ status: openaiStatus });
  const error = await anthropic.messages.create(tell).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(Anthropic.APIError);
  expect(error).toMatchObject({ status: anthropicStatus });
  if (type !== null) expect(error).toMatchObject({ error: { error: { type } } });
});

test("a clients' own retry gets past one fault, and the count of its retries is seen", async () => {
  const { emulator } = await started();
  emulator.addFaults({ ...chat, preset: "server-error", headers: { "retry-after-ms": "1" } });
  const retrying = new OpenAI({ apiKey: "any", baseURL: `${emulator.url}/v1`, maxRetries: 1 });
  expect((await retrying.chat.completions.create(ask)).choices).toHaveLength(1);
  emulator.addFaults({ ...chat, preset: "server-error", headers: { "x-should-retry": "false" } });
  await expect(retrying.chat.completions.create(ask)).rejects.toMatchObject({ status: 500 });
});

test("a reply dropped after the commit is billed though the client only sees a broken connection", async () => {
  const { emulator, openai } = await started();
  emulator.addFaults({ ...chat, drop: "after-commit" }, { match: { method: "POST", path: "/v1/batches" }, drop: "after-commit" });
  await expect(openai.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  expect((await emulator.invoice()).lines).toHaveLength(1);
  await expect(makeBatch(openai, [batchLine("a")])).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  expect((await openai.batches.list()).data).toHaveLength(1);
});

test("a connection dropped before the work bills nothing, and a hanging request ends with the client's patience", async () => {
  const { emulator, openai } = await started();
  emulator.addFaults({ ...chat, drop: "before" }, { ...chat, hang: true });
  await expect(openai.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  await expect(openai.chat.completions.create(ask, { timeout: 100 })).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("an outage breaks what is on the line, refuses connections while it lasts, and forgets nothing", async () => {
  const { emulator, openai } = await started();
  await openai.chat.completions.create(ask);
  emulator.addFaults({ ...chat, outageMs: 300 });
  const began = performance.now();
  await expect(openai.chat.completions.create(ask)).rejects.toBeInstanceOf(OpenAI.APIConnectionError);
  const refused = await fetch(`${emulator.url}/v1/models`).catch((e: unknown) => e);
  expect((refused as { cause?: { code?: string } }).cause?.code).toBe("ECONNREFUSED");
  await expect
    .poll(() =>
      openai.chat.completions.create(ask).then(
        () => "answered",
        () => "gone",
      ),
    )
    .toBe("answered");
  expect(performance.now() - began).toBeGreaterThanOrEqual(299);
  expect((await emulator.invoice()).lines).toHaveLength(2);
});

test("a stream can end too early in four ways, and the clients notice each as they do with the real providers", async () => {
  const { emulator, openai, anthropic } = await started();
  for (const end of ["eof", "reset", "half-line", "error"] as const) {
    emulator.addFaults({ ...chat, stream: { afterEvents: 3, end } }, { ...messages, stream: { afterEvents: 4, end } });
    await expect(openai.chat.completions.stream(ask).finalChatCompletion()).rejects.toBeInstanceOf(Error);
    const failure = await anthropic.messages
      .stream(tell)
      .finalMessage()
      .catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(Error);
    if (end === "error") expect(failure).toMatchObject({ error: { error: { type: "overloaded_error" } } });
  }
  emulator.addFaults({ ...chat, stream: { afterEvents: 3, end: "eof" } });
  let chunks = 0;
  for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) chunks += chunk.choices.length;
  expect(chunks).toBe(3);
});

test("an overload inside a 200 stream is charged once output had begun, and not before", async () => {
  const { emulator, openai, anthropic } = await started();
  const error = (afterEvents: number) => ({ stream: { afterEvents, end: "error" as const } });
  emulator.addFaults({ ...chat, ...error(0) }, { ...messages, ...error(2) });
  await expect(openai.chat.completions.stream(ask).finalChatCompletion()).rejects.toBeInstanceOf(Error);
  await expect(anthropic.messages.stream(tell).finalMessage()).rejects.toBeInstanceOf(Error);
  expect((await emulator.invoice()).lines).toEqual([]);
  emulator.addFaults({ ...chat, ...error(4) }, { ...messages, ...error(5) });
  await expect(openai.chat.completions.stream(ask).finalChatCompletion()).rejects.toBeInstanceOf(Error);
  await expect(anthropic.messages.stream(tell).finalMessage()).rejects.toBeInstanceOf(Error);
  expect((await emulator.invoice()).lines).toHaveLength(2);
});

test("every fault at random is one post, repeats with its seed, and counts what fired", async () => {
  const run = async (wish: object) => {
    const { emulator, openai } = await started();
    const posted = await fetch(`${emulator.url}/emulator/chaos`, { method: "POST", body: JSON.stringify(wish) });
    expect(posted.status).toBe(200);
    const said: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      const outcome = openai.chat.completions.create({ ...ask, messages: [{ role: "user", content: `Say ${i}.` }] }, { timeout: 300 });
      said.push(
        await outcome.then(
          () => 200,
          (error: { status?: number }) => error.status ?? "silence",
        ),
      );
    }
    const told = (await (await fetch(`${emulator.url}/emulator/faults`)).json()) as { fired: Record<string, number>; lostReplies: number };
    return { said, told, billed: (await emulator.invoice()).lines.length };
  };
  const wish = { seed: 7, rate: 8, probabilities: { "call-hangs": 0, outage: 0 } };
  const one = await run(wish);
  const two = await run(wish);
  expect(two.said).toEqual(one.said);
  expect(two.told.fired).toEqual(one.told.fired);
  const { fired, lostReplies } = one.told;
  expect(Object.keys(fired).length).toBeGreaterThan(4);
  expect(Object.keys(fired)).not.toContain("call-hangs");
  const heard = one.said.filter((status) => status === 200).length;
  expect(heard).toBeLessThan(60);
  expect(lostReplies).toBe(fired["call-reply-lost"] ?? 0);
  expect(one.billed).toBe(heard + lostReplies);
  expect((await run({ seed: 8, rate: 8, probabilities: { "call-hangs": 0, outage: 0 } })).said).not.toEqual(one.said);
  const { emulator } = await started();
  const nonsense = await fetch(`${emulator.url}/emulator/chaos`, { method: "POST", body: JSON.stringify({ probabilities: { "no-such": 1 } }) });
  expect(nonsense.status).toBe(400);
});

test("a delay is job time and passes at the clock's scale", async () => {
  const { emulator, openai } = await started({ clock: { realAnchorMs: Date.now(), jobAnchorMs: Date.now(), scale: 6_000 } });
  emulator.addFaults({ ...chat, delayMs: HOUR / 6 });
  const before = performance.now();
  await openai.chat.completions.create(ask);
  const took = performance.now() - before;
  expect(took).toBeGreaterThanOrEqual(99);
});

test("flex is refused as often as asked, is billed at its own price, and a downgrade is billed as what was served", async () => {
  const refusing = await started({ flexRefusals: 1 });
  await expect(refusing.openai.chat.completions.create({ ...ask, service_tier: "flex" })).rejects.toMatchObject({
    status: 429,
    code: "resource_unavailable",
  });
  await refusing.openai.chat.completions.create(ask);
  const { openai, emulator } = await started();
  expect((await openai.chat.completions.create({ ...ask, service_tier: "flex" })).service_tier).toBe("flex");
  emulator.addFaults({ ...chat, servedTier: "default" });
  expect((await openai.chat.completions.create({ ...ask, service_tier: "flex" })).service_tier).toBe("default");
  expect((await emulator.invoice()).lines.map((line) => line.tier)).toEqual(["flex", "standard"]);
  await expect(openai.chat.completions.create({ ...ask, model: "gpt-4o-mini", service_tier: "flex" })).rejects.toMatchObject({
    status: 400,
    param: "service_tier",
  });
});

test("one line of a batch can be made to fail by its custom_id", async () => {
  const { openai, emulator, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  emulator.addFaults({ match: { customId: "b" }, preset: "server-error" });
  const { batch } = await makeBatch(
    openai,
    ["a", "b", "c"].map((id) => batchLine(id)),
  );
  time.nowMs += HOUR;
  const done = await openai.batches.retrieve(batch.id);
  expect(done.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
  expect(await rowsOf(openai, done.error_file_id)).toMatchObject([{ custom_id: "b", response: { status_code: 500 } }]);
});

test("an enforced rate refuses with headers that say when to come back", async () => {
  const { openai, anthropic, time } = await started({ requestsPerMinute: 2 });
  await openai.chat.completions.create(ask);
  const { response } = await openai.chat.completions.create(ask).withResponse();
  expect(response.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect(response.headers.get("x-ratelimit-reset-requests")).toBe("1m0s");
  const refused = await openai.chat.completions.create(ask).catch((e: unknown) => e);
  expect(refused).toMatchObject({ status: 429, code: "rate_limit_exceeded", message: expect.stringContaining("Please try again in 30s") });
  expect((refused as { headers: Headers }).headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect((refused as { headers: Headers }).headers.get("x-ratelimit-reset-requests")).toBe("1m0s");
  for (let i = 0; i < 2; i++) await anthropic.messages.create(tell);
  const limited = await anthropic.messages.create(tell).catch((e: unknown) => e);
  expect(limited).toMatchObject({ status: 429, error: { error: { type: "rate_limit_error" } } });
  expect((limited as { headers: Headers }).headers.get("retry-after")).toBe("30");
  expect((limited as { headers: Headers }).headers.get("anthropic-ratelimit-requests-remaining")).toBe("0");
  time.nowMs += MINUTE;
  await openai.chat.completions.create(ask);
  const message = await anthropic.messages.create(tell).withResponse();
  expect(message.response.headers.get("anthropic-ratelimit-requests-remaining")).toBe("1");
  expect(message.response.headers.get("anthropic-ratelimit-requests-reset")).toMatch(/^\d{4}-.*Z$/);
});

test("an incident slows the batches in flight and lets new ones hang", async () => {
  const { openai, emulator, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  const { batch } = await makeBatch(openai, [batchLine("a")]);
  const answer = await fetch(`${emulator.url}/emulator/regime`, { method: "POST", body: JSON.stringify({ multiplier: 20 }) });
  expect(answer.status).toBe(200);
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(batch.id)).status).toBe("in_progress");
  time.nowMs += 3 * HOUR;
  expect((await openai.batches.retrieve(batch.id)).status).toBe("completed");
});
