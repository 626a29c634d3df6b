import type { ModelRule } from "@slowboat/contract";
import { loadPriceBook, readProviders, STANDARD_PRICES, withProviders } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { needsOf } from "./eligible.ts";
import { judgeFallbacks } from "./fallbacks.ts";

const CHAT = "/v1/chat/completions";
const model = (name: string, limits: object) => ({ model: name, usd_per_mtok: { input: "1", output: "1" }, ...limits });
const book = loadPriceBook(
  withProviders(
    STANDARD_PRICES,
    readProviders({
      providers: [
        {
          ...{ name: "own", base_url: "http://127.0.0.1:8000/v1", api_key_env: "OWN_KEY", prices_source: "own", prices_checked_at: "2026-11-01" },
          models: [
            model("words-only", { accepts: ["text"] }),
            model("sees", { accepts: ["text", "image", "tools", "schema"] }),
            model("small", { context: 1_000, max_output: 200 }),
            model("unstated", {}),
          ],
        },
      ],
    }),
  ),
);

const reasons = (
  value: Readonly<Record<string, unknown>>,
  names: readonly string[],
  over: { readonly rule?: ModelRule; readonly own?: boolean } = {},
) => {
  const asked = { endpoint: CHAT, model: "gpt-5.5", value, text: JSON.stringify(value) } as const;
  const listed = over.own === true ? { names, defaults: null } : { names: null, defaults: names };
  const judged = judgeFallbacks(book, asked, { ...listed, param: "fallbacks", rule: over.rule ?? null, allowUnpriced: false });
  return judged.map(({ refused }) => refused ?? null);
};
const says = (content: unknown, more: object = {}) => ({ model: "gpt-5.5", messages: [{ role: "user", content }], ...more });
const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(20_000)}` } };

test("a model is not asked what it does not take, by the name of the field; one that nothing is stated of is", () => {
  const names = ["words-only", "sees", "unstated"];
  expect(reasons(says("hi"), names)).toEqual([null, null, null]);
  expect(reasons(says([{ type: "text", text: "see" }, image]), names)).toEqual(["messages: the model takes no image", null, null]);
  expect(reasons(says([{ type: "input_audio", input_audio: { data: "AA", format: "wav" } }]), names)).toEqual([
    "messages: the model takes no audio",
    "messages: the model takes no audio",
    null,
  ]);
  const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];
  expect(reasons(says("hi", { tools }), names)).toEqual(["tools: the model takes no tools", null, null]);
  expect(reasons(says("hi", { tools: [] }), names)).toEqual([null, null, null]);
  const response_format = { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } };
  expect(reasons(says("hi", { response_format }), names)).toEqual(["response_format: the model takes no schema", null, null]);
});

test("media are found where the other APIs put them, and what only looks like one is not taken for one", () => {
  const kinds = (endpoint: "/v1/messages" | "/v1/responses", value: Readonly<Record<string, unknown>>) =>
    [...needsOf({ endpoint, value, text: JSON.stringify(value) }).kinds.keys()].slice(1);
  const messages = (content: unknown) => ({ messages: [{ role: "user", content }] });
  const shot = { type: "image", source: { type: "base64", data: "AA" } };
  expect(kinds("/v1/messages", messages([{ type: "tool_result", content: [shot] }]))).toEqual(["image"]);
  expect(kinds("/v1/messages", messages([{ type: "document", source: { type: "base64", data: "AA" } }]))).toEqual(["pdf"]);
  expect(kinds("/v1/messages", messages([{ type: "document", source: { type: "text", data: "AA" } }]))).toEqual([]);
  expect(kinds("/v1/messages", messages([{ type: "tool_use", input: { type: "image" } }]))).toEqual([]);
  expect(kinds("/v1/responses", { input: [{ role: "user", content: [{ type: "input_image", image_url: "https://e.org/a" }] }] })).toEqual(["image"]);
  expect(kinds("/v1/responses", { input: [{ type: "function_call_output", output: [{ type: "input_file", file_data: "AA" }] }] })).toEqual(["pdf"]);
  expect(kinds("/v1/responses", { input: "hi", text: { format: { type: "json_schema", schema: {} } } })).toEqual(["schema"]);
});

test("a prompt that does not fit with its answer is not put to a model, nor an answer longer than it gives; an image's bytes are not tokens", () => {
  expect(reasons(says("x".repeat(2_000), { max_tokens: 100 }), ["small"])).toEqual([null]);
  expect(reasons(says("x".repeat(3_400), { max_tokens: 100 }), ["small", "unstated"])).toEqual([
    expect.stringMatching(/^context: about 1\d{3} tokens with the answer, the model holds 1000$/),
    null,
  ]);
  expect(reasons(says("hi", { max_completion_tokens: 201 }), ["small"])).toEqual(["max_tokens: 201 are asked for, the model gives at most 200"]);
  expect(reasons(says([image]), ["small"])).toEqual([null]);
});

test("a model that the tenant denies, or does not allow, never stands in, under its dated name neither; naming it is a fault", () => {
  const deny = { allow: null, deny: ["gpt-5-mini"] };
  const policy = "policy: the tenant denies this model";
  expect(reasons(says("hi"), ["gpt-5-mini", "gpt-5-mini-2025-08-07", "gpt-6-luna"], { rule: deny })).toEqual([policy, policy, null]);
  const allow = { allow: ["gpt-6-luna", "gpt-5-mini"], deny: ["gpt-5-mini"] };
  expect(reasons(says("hi"), ["gpt-5-mini", "gpt-6-luna", "sees"], { rule: allow })).toEqual([
    policy,
    null,
    "policy: the model is not among those that the tenant allows",
  ]);
  expect(() => reasons(says("hi"), ["gpt-5-mini"], { rule: deny, own: true })).toThrow(/'gpt-5-mini' cannot stand in here: policy/);
});
