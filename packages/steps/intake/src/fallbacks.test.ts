import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { judgeFallbacks } from "./fallbacks.ts";

const book = loadPriceBook(STANDARD_PRICES);
const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";

const judge = (
  body: object,
  names: readonly string[] | null,
  over: { endpoint?: typeof CHAT | typeof MESSAGES | "/v1/responses" | "/v1/embeddings"; defaults?: readonly string[]; allowUnpriced?: boolean } = {},
) => {
  const { endpoint = CHAT, defaults = null, allowUnpriced = false } = over;
  const value = { model: "gpt-5-mini", ...body };
  const asked = { endpoint, model: "gpt-5-mini", value, text: JSON.stringify(value) };
  return judgeFallbacks(book, asked, { names, param: "fallbacks", defaults, rule: null, allowUnpriced });
};
const user = { messages: [{ role: "user", content: "hi" }] };

test("a model of the same API is asked at the same endpoint, one of the other at its own, with what the translation changes", () => {
  expect(judge(user, ["gpt-6-luna", "claude-haiku-4-5"])).toEqual([
    { model: "gpt-6-luna", provider: "openai", endpoint: CHAT },
    {
      model: "claude-haiku-4-5",
      provider: "anthropic",
      endpoint: MESSAGES,
      notes: ["max_tokens: set to 8192, since the other API needs a limit"],
    },
  ]);
  const message = { ...user, max_tokens: 9 };
  expect(judge(message, ["gpt-6-luna"], { endpoint: MESSAGES })).toEqual([{ model: "gpt-6-luna", provider: "openai", endpoint: CHAT }]);
});

test("what cannot be said in the other API is kept as a reason by the name of its field, and rules out that model alone", () => {
  const [claude, luna] = judge({ ...user, n: 2 }, ["claude-haiku-4-5", "gpt-6-luna"]);
  expect(claude?.refused).toBe("n: asks for several answers, the other API gives one");
  expect(luna).not.toHaveProperty("refused");
});

test("the model itself is no fallback for itself, and nothing is named where nothing is wished", () => {
  expect(judge(user, ["gpt-5-mini"])).toEqual([]);
  expect(judge(user, null)).toEqual([]);
});

test("the tenant's own list holds where the request names none, an empty list of the request's turns it off", () => {
  const defaults = ["claude-haiku-4-5"];
  expect(judge(user, null, { defaults }).map((one) => one.model)).toEqual(defaults);
  expect(judge(user, [], { defaults })).toEqual([]);
  expect(judge(user, ["gpt-6-luna"], { defaults }).map((one) => one.model)).toEqual(["gpt-6-luna"]);
});

test("what the request names and could never answer is a fault; on the tenant's list it is ruled out, or passed over where nothing compares", () => {
  expect(() => judge(user, ["text-embedding-3-small"])).toThrow(/cannot stand in here/);
  expect(() => judge(user, ["gpt-0"])).toThrow(/does not exist/);
  expect(() => judge({ input: "x" }, ["slowboat-embed"], { endpoint: "/v1/embeddings" })).toThrow(/do not compare/);
  const defaults = ["text-embedding-3-small", "gone-from-the-book"];
  expect(judge(user, null, { defaults })).toMatchObject([{ model: "text-embedding-3-small", refused: expect.stringContaining("no counterpart") }]);
  expect(judge({ input: "x" }, null, { endpoint: "/v1/embeddings", defaults })).toEqual([]);
  expect(judge({ input: "x" }, null, { endpoint: "/v1/responses", defaults: ["claude-haiku-4-5"] })).toMatchObject([{ refused: expect.any(String) }]);
});

test("a model without a price may stand in where the tenant allows them, at the request's own provider", () => {
  expect(() => judge(user, ["unlisted-preview"])).toThrow(/no price/);
  expect(judge(user, ["unlisted-preview"], { allowUnpriced: true })).toEqual([{ model: "unlisted-preview", provider: "openai", endpoint: CHAT }]);
});

test("reasons and notes are bounded, whatever the caller names its fields", () => {
  const long = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${"x".repeat(1_000)}${i}`, 1]));
  const [claude] = judge({ ...user, ...long }, ["claude-haiku-4-5"]);
  expect(claude?.notes?.length).toBeLessThanOrEqual(20);
  expect(JSON.stringify(claude).length).toBeLessThan(6_000);
});

test("a beta of the caller's, which may change what the body means, keeps it from the other API and not from its own", () => {
  const asked = {
    endpoint: MESSAGES,
    model: "claude-opus-5",
    value: { model: "claude-opus-5", max_tokens: 9, ...user },
    text: JSON.stringify({ model: "claude-opus-5", max_tokens: 9, ...user }),
    beta: "some-beta",
  } as const;
  const wish = { names: ["gpt-6-luna", "claude-haiku-4-5"], param: "fallbacks", defaults: null, rule: null, allowUnpriced: false };
  const [luna, haiku] = judgeFallbacks(book, asked, wish);
  expect(luna?.refused).toMatch(/^anthropic-beta: /);
  expect(haiku).not.toHaveProperty("refused");
});
