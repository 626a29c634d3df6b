import { hexOf } from "@slowboat/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalBody, finishOf, mayKeep, mayReuse, type ReuseQuestion, reuseKey } from "./index.ts";

const SEED = 20_261_123;
const key = (body: string, over: Partial<ReuseQuestion> = {}): string =>
  hexOf(reuseKey({ tenantId: "ten_a", endpoint: "/v1/chat/completions", model: "gpt-6-luna", body, ...over }));

test("key order, spaces, escapes and what does not change the answer do not change the key", () => {
  const plain = '{"model":"gpt-6-luna","temperature":0,"messages":[{"role":"user","content":"A/é"}]}';
  const same = [
    '{ "messages" : [ { "content" : "\\u0041\\/\\u00e9", "role" : "user" } ],\n"temperature":0, "model":"x" }',
    '{"stream":true,"stream_options":{"include_usage":true},"user":"u","metadata":{"a":"b"},"service_tier":"flex","store":true,"prompt_cache_key":"k","slowboat_deadline":"4h","temperature":0,"messages":[{"role":"user","content":"A/é"}]}',
  ];
  for (const body of same) expect(key(body)).toBe(key(plain));
});

test("anything else changes it: tenant, endpoint, model, a number's spelling, an inner field, an order of elements", () => {
  const plain = '{"temperature":0,"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}';
  const others = [
    key(plain, { tenantId: "ten_b" }),
    key(plain, { endpoint: "/v1/responses" }),
    key(plain, { model: "gpt-6-sol" }),
    key(plain.replace("0", "0.0")),
    key(plain.replace('"a"', '"a","user":"u"')),
    key(plain.replace('"a"', '"a "')),
    key(plain.replace('{"role":"user","content":"a"},{"role":"user","content":"b"}', '{"role":"user","content":"b"},{"role":"user","content":"a"}')),
  ];
  expect(new Set([key(plain), ...others]).size).toBe(others.length + 1);
});

test("the opposite, another number, another name or a few other words are another question: nothing that is only alike is taken for the same", () => {
  const ask = (content: string): string => key(JSON.stringify({ temperature: 0, messages: [{ role: "user", content }] }));
  const questions = [
    "How do I enable 2FA?",
    "How do I disable 2FA?",
    "How do I turn on 2FA?",
    "How do I enable 3FA?",
    "How do I enable 2FA for Anna?",
    "How do I enable 2FA for Hanna?",
    "How do I not enable 2FA?",
    "how do I enable 2FA?",
    "How do I enable 2FA",
  ];
  expect(new Set(questions.map(ask)).size).toBe(questions.length);
});

test("digits beyond a double, NUL and lone surrogates are kept apart", () => {
  const bodies = [
    '{"n":9007199254740993}',
    '{"n":9007199254740992}',
    '{"n":1e400}',
    '{"n":1e401}',
    '{"s":"\\u0000"}',
    '{"s":""}',
    '{"s":"\\ud800"}',
    '{"s":"\\ufffd"}',
    '{"s":"\\ud801"}',
  ];
  expect(new Set(bodies.map((b) => key(b))).size).toBe(bodies.length);
});

test("a repeated member is a different question than either alone", () => {
  expect(new Set(['{"a":1,"a":2}', '{"a":2,"a":1}', '{"a":2}', '{"a":1}'].map((b) => key(b))).size).toBe(4);
});

test("a tenant cannot make another's key by its model's name", () => {
  expect(key("{}", { tenantId: "a", model: 'b","c' })).not.toBe(key("{}", { tenantId: 'a","b', model: "c" }));
});

test(`the canonical text means the same JSON, and is its own canonical text (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const wrapped = `{"messages": ${text} }`;
      const canonical = canonicalBody(wrapped);
      expect(JSON.parse(canonical)).toEqual(JSON.parse(wrapped));
      expect(canonicalBody(canonical)).toBe(canonical);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test("automatic reuse is for answers that would come out the same", () => {
  expect(mayReuse("/v1/embeddings", {}, "auto")).toBe(true);
  expect(mayReuse("/v1/classifications", {}, "auto")).toBe(true);
  expect(mayReuse("/v1/chat/completions", {}, "auto")).toBe(false);
  expect(mayReuse("/v1/chat/completions", { temperature: 0.2 }, "auto")).toBe(false);
  expect(mayReuse("/v1/chat/completions", { temperature: 0 }, "auto")).toBe(true);
  expect(mayReuse("/v1/chat/completions", { seed: 7 }, "auto")).toBe(true);
  expect(mayReuse("/v1/messages", { temperature: 0, tools: [{ name: "f", input_schema: {} }] }, "auto")).toBe(true);
  expect(mayReuse("/v1/messages", { temperature: 0, tools: [{ type: "web_search_20260209", name: "s" }] }, "auto")).toBe(false);
  expect(mayReuse("/v1/responses", { temperature: 0, previous_response_id: "resp_1" }, "auto")).toBe(false);
});

test("a caller's word goes before: exact is always, off is never", () => {
  expect(mayReuse("/v1/chat/completions", { temperature: 1 }, "exact")).toBe(true);
  expect(mayReuse("/v1/embeddings", {}, "off")).toBe(false);
});

test("only whole answers are kept", () => {
  const chat = (...reasons: unknown[]) => finishOf("/v1/chat/completions", { choices: reasons.map((finish_reason) => ({ finish_reason })) });
  expect(mayKeep("/v1/chat/completions", 200, chat("stop", "tool_calls"))).toBe(true);
  for (const reasons of [["length"], ["stop", "content_filter"], ["stop", null], []])
    expect(mayKeep("/v1/chat/completions", 200, chat(...reasons))).toBe(false);
  expect(mayKeep("/v1/messages", 200, finishOf("/v1/messages", { stop_reason: "end_turn" }))).toBe(true);
  for (const stop_reason of ["max_tokens", "refusal", "pause_turn", null])
    expect(mayKeep("/v1/messages", 200, finishOf("/v1/messages", { stop_reason }))).toBe(false);
  expect(mayKeep("/v1/responses", 200, finishOf("/v1/responses", { status: "incomplete" }))).toBe(false);
  expect(mayKeep("/v1/embeddings", 200, null)).toBe(true);
  expect(mayKeep("/v1/embeddings", 500, null)).toBe(false);
});
