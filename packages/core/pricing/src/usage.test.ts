import { NO_USAGE } from "@slowboat/contract";
import { expect, test } from "vitest";
import { usageOf } from "./index.ts";

test("OpenAI's inclusive chat count is split into disjoint classes", () => {
  const read = usageOf("/v1/chat/completions", {
    model: "gpt-6-sol-2026-09-01",
    service_tier: "flex",
    usage: {
      prompt_tokens: 2000,
      completion_tokens: 300,
      total_tokens: 2300,
      prompt_tokens_details: { cached_tokens: 1024, cache_write_tokens: 512, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 200, audio_tokens: null },
    },
  });
  expect(read).toEqual({
    usage: { ...NO_USAGE, input: 464, cacheRead: 1024, cacheWrite30m: 512, output: 300, reasoning: 200 },
    tier: "flex",
    model: "gpt-6-sol-2026-09-01",
  });
});

test("OpenAI's responses split their cache writes by lifetime", () => {
  const read = usageOf("/v1/responses", {
    model: "gpt-6.1-terra",
    service_tier: "default",
    usage: {
      input_tokens: 5000,
      output_tokens: 10,
      total_tokens: 5010,
      input_tokens_details: {
        cached_tokens: 1000,
        cache_write_tokens: 3000,
        cache_write_tokens_details: { ttl_30m_tokens: 1000, ttl_12h_tokens: 2000 },
      },
      output_tokens_details: { reasoning_tokens: 0 },
    },
  });
  expect(read.usage).toEqual({ ...NO_USAGE, input: 1000, cacheRead: 1000, cacheWrite30m: 1000, cacheWrite12h: 2000, output: 10 });
  expect(read.usage !== null && read.tier).toBe("standard");
});

test("Anthropic's exclusive count stays as it is, with its writes split", () => {
  const read = usageOf("/v1/messages", {
    model: "claude-haiku-4-5",
    usage: {
      input_tokens: 50,
      cache_read_input_tokens: 4000,
      cache_creation_input_tokens: 700,
      cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 500 },
      output_tokens: 80,
      output_tokens_details: { thinking_tokens: 30 },
      service_tier: "batch",
      server_tool_use: null,
      inference_geo: "global",
    },
  });
  expect(read).toEqual({
    usage: { ...NO_USAGE, input: 50, cacheRead: 4000, cacheWrite5m: 200, cacheWrite1h: 500, output: 80, reasoning: 30 },
    tier: "batch",
    model: "claude-haiku-4-5",
  });
});

test("embeddings and classifications have a prompt and nothing else", () => {
  const body = { model: "m", usage: { prompt_tokens: 9, total_tokens: 9 } };
  for (const endpoint of ["/v1/embeddings", "/v1/classifications"] as const) {
    expect(usageOf(endpoint, body)).toEqual({ usage: { ...NO_USAGE, input: 9 }, tier: null, model: "m" });
  }
});

test("absent and null details are read as nothing", () => {
  const read = usageOf("/v1/chat/completions", { usage: { prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: null } });
  expect(read).toEqual({ usage: { ...NO_USAGE, input: 1, output: 2 }, tier: null, model: null });
});

test.each([
  ["no usage", "/v1/chat/completions", {}],
  ["no body", "/v1/chat/completions", null],
  [
    "more cached than sent",
    "/v1/chat/completions",
    { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 6 } } },
  ],
  ["a wrong total", "/v1/chat/completions", { usage: { prompt_tokens: 5, completion_tokens: 1, total_tokens: 7 } }],
  ["a fraction", "/v1/chat/completions", { usage: { prompt_tokens: 5.5, completion_tokens: 1 } }],
  ["a negative count", "/v1/messages", { usage: { input_tokens: 5, output_tokens: -1 } }],
  [
    "writes that do not add up",
    "/v1/messages",
    {
      usage: {
        input_tokens: 5,
        output_tokens: 1,
        cache_creation_input_tokens: 9,
        cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 3 },
      },
    },
  ],
  ["reasoning above output", "/v1/responses", { usage: { input_tokens: 5, output_tokens: 1, output_tokens_details: { reasoning_tokens: 2 } } }],
  ["audio", "/v1/chat/completions", { usage: { prompt_tokens: 5, completion_tokens: 1, prompt_tokens_details: { audio_tokens: 2 } } }],
  ["a billed search", "/v1/messages", { usage: { input_tokens: 5, output_tokens: 1, server_tool_use: { web_search_requests: 1 } } }],
  ["a dearer region", "/v1/messages", { usage: { input_tokens: 5, output_tokens: 1, inference_geo: "us" } }],
] as const)("an answer with %s is set apart with a reason, not guessed at", (_what, endpoint, body) => {
  const read = usageOf(endpoint, body);
  expect(read.usage).toBeNull();
  if (read.usage === null) expect(read.reason.length).toBeGreaterThan(5);
});
