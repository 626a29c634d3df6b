import Anthropic from "@anthropic-ai/sdk";
import { createKey } from "@slowboat/intake";
import { systemRng } from "@slowboat/runtime";
import { type KeyLimits, takeAllowances } from "@slowboat/store";
import { until } from "@slowboat/testkit";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "../interactive/testing/start-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

async function keyWith(limits: Partial<KeyLimits>): Promise<{ keyId: string; key: string }> {
  const nowMs = Date.now();
  const terms = { tenantId: api.tenantId, name: "limited", secret: "5".repeat(64), nowMs, rng: systemRng() };
  const made = await createKey(api.store.sql, { ...terms, limits });
  if (made === null) throw new Error("the key was there before");
  return made;
}
const openai = (key: string, maxRetries = 0): OpenAI => new OpenAI({ apiKey: key, baseURL: `${api.url}/v1`, maxRetries });
const chat = (content: string, maxTokens = 10) => ({
  model: "gpt-5.4-mini",
  max_completion_tokens: maxTokens,
  messages: [{ role: "user" as const, content }],
});

describe("a key's requests per minute", () => {
  test("are refused beyond the limit in OpenAI's words and headers", async () => {
    const { key, keyId } = await keyWith({ requestsPerMinute: 3 });
    const client = openai(key);
    const first = await client.chat.completions.create(chat("one")).withResponse();
    expect(first.response.headers.get("x-ratelimit-limit-requests")).toBe("3");
    expect(first.response.headers.get("x-ratelimit-remaining-requests")).toBe("2");
    expect(first.response.headers.get("x-ratelimit-reset-requests")).toMatch(/^\d/);
    // The provider's own limits do not show through where the key has its own.
    await client.chat.completions.create(chat("two"));
    await client.chat.completions.create(chat("three"));
    const refused = await client.chat.completions.create(chat("four")).catch((error: unknown) => error as InstanceType<typeof OpenAI.APIError>);
    expect(refused).toMatchObject({ status: 429, code: "rate_limit_exceeded", type: "rate_limit_error" });
    if (!(refused instanceof OpenAI.APIError)) throw new Error("it is an error");
    expect(refused.message).toContain(`Rate limit reached for key ${keyId} on requests per min (RPM): Limit 3, Used 3, Requested 1.`);
    const after = Number(refused.headers?.get("retry-after-ms"));
    expect(after).toBeGreaterThan(15_000);
    expect(after).toBeLessThanOrEqual(20_000);
    expect(refused.headers?.get("retry-after")).toBe(String(Math.ceil(after / 1000)));
    expect(refused.headers?.get("x-ratelimit-remaining-requests")).toBe("0");
  });

  test("are refused in Anthropic's words and headers on its paths", async () => {
    const { key } = await keyWith({ requestsPerMinute: 1, tokensPerMinute: 5_000 });
    const client = new Anthropic({ apiKey: key, baseURL: api.url, maxRetries: 0 });
    const ask = { model: "claude-haiku-4-5", max_tokens: 10, messages: [{ role: "user" as const, content: "hi" }] };
    const { response } = await client.messages.create(ask).withResponse();
    expect(response.headers.get("anthropic-ratelimit-requests-limit")).toBe("1");
    expect(response.headers.get("anthropic-ratelimit-tokens-limit")).toBe("5000");
    expect(Date.parse(response.headers.get("anthropic-ratelimit-requests-reset") ?? "")).toBeGreaterThan(Date.now() - 1_000);
    const refused = await client.messages.create(ask).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Anthropic.RateLimitError);
  });

  test("count over all processes: what another took is not there any more", async () => {
    const { key, keyId } = await keyWith({ requestsPerMinute: 2 });
    const ask = { id: "elsewhere", keyId, limits: { requestsPerMinute: 2, tokensPerMinute: null, concurrency: null }, tokens: 0, call: false };
    const realMs = Date.now();
    await api.store.begin((tx) => takeAllowances(tx, [ask, ask], { realMs, untilRealMs: realMs + 15_000 }));
    await expect(openai(key).chat.completions.create(chat("hi"))).rejects.toMatchObject({ status: 429 });
  });

  test("are waited for by the official client, which then gets its answer", async () => {
    const { key } = await keyWith({ requestsPerMinute: 60 });
    const burst = await Promise.all(
      Array.from({ length: 64 }, (_, n) =>
        openai(key, 5)
          .chat.completions.create(chat(`burst ${n}`))
          .then(() => "answered"),
      ),
    );
    expect(new Set(burst)).toEqual(new Set(["answered"]));
  });

  test("of a key without limits are not counted anywhere", async () => {
    await api.openai.chat.completions.create(chat("free"));
    expect(await api.store.sql`select 1 from key_allowance where key_id = ${api.keyId}`).toHaveLength(0);
  });
});

test("tokens per minute count the prompt and the output that is asked for, and what never fits is told so", async () => {
  const { key } = await keyWith({ tokensPerMinute: 1_000 });
  await openai(key).chat.completions.create(chat("small", 600));
  await expect(openai(key).chat.completions.create(chat("small", 600))).rejects.toMatchObject({
    status: 429,
    message: expect.stringContaining("TPM"),
  });
  const never = await openai(key)
    .chat.completions.create(chat("large", 2_000))
    .catch((error: unknown) => error as InstanceType<typeof OpenAI.APIError>);
  expect(never).toMatchObject({ status: 429, message: expect.stringContaining("can never pass") });
  expect(never instanceof OpenAI.APIError && never.headers?.get("retry-after")).toBeNull();
});

test("calls at once are counted until their answers have left, and the seats come back", async () => {
  const { key, keyId } = await keyWith({ concurrency: 2 });
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      openai(key)
        .chat.completions.create(chat(`c${n}`))
        .then(
          () => 200,
          (error: InstanceType<typeof OpenAI.APIError>) => error.status,
        ),
    ),
  );
  expect(outcomes.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
  expect(outcomes.filter((status) => status === 429).length).toBeGreaterThan(0);
  await until(async () => (await api.store.sql`select 1 from key_call where key_id = ${keyId}`).length === 0, "every seat is given back");
  await openai(key).chat.completions.create(chat("after"));
});

test("a stream holds its seat until it ends", async () => {
  const { key, keyId } = await keyWith({ concurrency: 1 });
  const stream = await openai(key).chat.completions.create({ ...chat("stream"), stream: true });
  let seen = 0;
  for await (const _ of stream) seen++;
  expect(seen).toBeGreaterThan(0);
  await until(async () => (await api.store.sql`select 1 from key_call where key_id = ${keyId}`).length === 0, "every seat is given back");
});
