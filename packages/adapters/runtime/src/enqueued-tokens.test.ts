import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readEnqueuedTokens } from "./enqueued-tokens.ts";
import { openMarket } from "./providers.ts";

const dir = mkdtempSync(join(tmpdir(), "slowboat-enqueued-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const provider = (name: string, batch: boolean) => ({
  name,
  base_url: "https://api.example.com/v1",
  api_key_env: "SOME_KEY",
  batch,
  prices_source: "example.com",
  prices_checked_at: "2026-11-01",
  models: [
    { model: `${name}-big`, usd_per_mtok: { input: "1" }, ...(batch ? { batch_usd_per_mtok: { input: "0.5" } } : {}) },
    { model: `${name}-live`, usd_per_mtok: { input: "1" } },
  ],
});
const file = join(dir, "providers.json");
writeFileSync(file, JSON.stringify({ providers: [provider("groq", true), provider("vllm", false)] }));
const market = openMarket(file, {});

test("limits come by lane and model, of the built-in providers and of those in the file, keys or not", () => {
  const limits = { "openai-batch": { "gpt-5-mini": 1_500_000, "*": 900_000 }, "anthropic-batch": { "*": 1 }, "groq-batch": { "groq-big": 5 } };
  expect(readEnqueuedTokens(JSON.stringify(limits), market)).toEqual(limits);
  expect(readEnqueuedTokens(undefined, market)).toEqual({});
});

test.each([
  ["[]", "is not lane, then model, then tokens"],
  ['{"openai-batch":5}', "is not lane, then model, then tokens"],
  ['{"openai":{"*":5}}', "'openai' is no batch lane here; known: openai-batch, anthropic-batch, groq-batch."],
  ['{"vllm-batch":{"*":5}}', "'vllm-batch' is no batch lane here"],
  ['{"groq-batch":{"groq-live":5}}', "groq-batch sells no model 'groq-live'; known: groq-big, and * for all others."],
  ['{"anthropic-batch":{"gpt-5-mini":5}}', "anthropic-batch sells no model 'gpt-5-mini'; known: claude-"],
  ['{"openai-batch":{"gpt-5-mini":"many"}}', "the limit of openai-batch for gpt-5-mini is not possible"],
])("%s is refused with what can be", (text, words) => {
  expect(() => readEnqueuedTokens(text, market)).toThrow(`SLOWBOAT_ENQUEUED_TOKENS`);
  expect(() => readEnqueuedTokens(text, market)).toThrow(words);
});
