import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { candidateOf, shadowRequest } from "./shadow-request.ts";

const book = loadPriceBook(STANDARD_PRICES);
const CHAT = "/v1/chat/completions";
const body =
  '{"model":"gpt-5.5","stream":true,"stream_options":{"include_usage":true},"service_tier":"flex","seed":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}';

test("a request goes to another model with every digit as it was, and without what says how it is delivered", () => {
  const sent = shadowRequest(book, { endpoint: CHAT, body }, "gpt-5-mini");
  expect(sent).toEqual({ endpoint: CHAT, body: '{"model":"gpt-5-mini","seed":12345678901234567890,"messages":[{"role":"user","content":"Hi"}]}' });
});

test("a model behind the other API is asked in its shape, under its name in the book", () => {
  const sent = shadowRequest(book, { endpoint: CHAT, body: '{"model":"gpt-5.5","messages":[{"role":"user","content":"Hi"}]}' }, "claude-haiku-4-5");
  expect(sent?.endpoint).toBe("/v1/messages");
  expect(JSON.parse(sent?.body ?? "{}")).toMatchObject({ model: "claude-haiku-4-5", max_tokens: expect.any(Number), messages: [{ role: "user" }] });
});

test("what cannot be said to a model is not asked of it", () => {
  expect(
    shadowRequest(book, { endpoint: CHAT, body: body.replace('"seed"', '"logprobs":true,"top_logprobs":3,"n":2,"seed"') }, "claude-haiku-4-5"),
  ).toBeNull();
  expect(shadowRequest(book, { endpoint: CHAT, body }, "nobody-9")).toBeNull();
  expect(shadowRequest(book, { endpoint: CHAT, body }, "text-embedding-3-small")).toBeNull();
});

test("who answered is found by the name of the book or the provider's", () => {
  expect(candidateOf(book, ["gpt-5.5", "gpt-5-mini"], "gpt-5-mini")).toBe("gpt-5-mini");
  expect(candidateOf(book, ["gpt-5.5"], "gpt-6-luna")).toBeNull();
});
