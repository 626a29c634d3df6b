import { expect, test } from "vitest";
import { asksForUsage, oneLine, outgoing } from "./edit.ts";
import type { LaneRequest } from "./port.ts";

const request = (body: string, endpoint: LaneRequest["endpoint"] = "/v1/chat/completions", model = "m"): LaneRequest => ({
  attemptId: "att_1",
  endpoint,
  model,
  body,
});

test("a body that needs nothing goes out byte for byte", () => {
  const body = ' { "z" : 12345678901234567890, "model":"m" , "a":"\\u0000\\ud800 \\/", "n":1.0e+2,\n"stream":false }';
  expect(outgoing(request(body), "call", null)).toBe(body);
});

test("a call is never sent as a stream", () => {
  expect(outgoing(request('{"stream": true , "model":"m","stream_options":{"include_usage":true}}'), "call", null)).toBe('{ "model":"m"}');
  expect(outgoing(request('{"model":"m","stream":true}'), "call", null)).toBe('{"model":"m"}');
  expect(outgoing(request('{"model":"m","stream":true,"stream":true}'), "call", null)).toBe('{"model":"m"}');
});

test("a chat stream asks for its usage, whatever the caller wrote", () => {
  const sent = (body: string): string => outgoing(request(body), "stream", null);
  expect(sent('{"model":"m","stream":true}')).toBe('{"stream_options":{"include_usage":true},"model":"m","stream":true}');
  expect(sent('{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}')).toBe(
    '{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
  );
  expect(sent('{"model":"m","stream":true,"stream_options":{"include_usage":false}}')).toBe(
    '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
  );
  expect(sent('{"model":"m","stream":true,"stream_options":null}')).toBe('{"model":"m","stream":true,"stream_options":{"include_usage":true}}');
  const asked = '{"model":"m","stream":true,"stream_options":{"include_usage":true}}';
  expect(sent(asked)).toBe(asked);
  expect(asksForUsage(asked)).toBe(true);
  expect(asksForUsage('{"stream_options":{"include_usage":false}}')).toBe(false);
  expect(outgoing(request('{"model":"m"}', "/v1/messages"), "stream", null)).toBe('{"stream":true,"model":"m"}');
});

test("the flex lane asks for flex, and no other lane does", () => {
  expect(outgoing(request('{"model":"m"}'), "call", "flex")).toBe('{"service_tier":"flex","model":"m"}');
  expect(outgoing(request('{"service_tier":"auto","model":"m"}'), "call", "flex")).toBe('{"service_tier":"flex","model":"m"}');
  expect(outgoing(request('{"service_tier":"flex","model":"m"}'), "call", null)).toBe('{"model":"m"}');
  expect(outgoing(request('{"model":"m","service_tier":"batch"}'), "call", null)).toBe('{"model":"m"}');
  expect(outgoing(request('{"model":"m","service_tier":"priority"}'), "call", null)).toBe('{"model":"m","service_tier":"priority"}');
});

test("the model is the one that this lane was chosen for", () => {
  expect(outgoing(request('{"model" : "slowboat-embed", "input":"x"}', "/v1/embeddings", "use-lite-en"), "call", null)).toBe(
    '{"model" : "use-lite-en", "input":"x"}',
  );
});

test("members of ours never reach a provider", () => {
  expect(outgoing(request('{"slowboat":{"a":[1,2]},"model":"m","slowboat_deadline":"4h","slowboats":1}'), "call", null)).toBe(
    '{"model":"m","slowboats":1}',
  );
  expect(outgoing(request('{"a\\"b\\\\":1,"model":"m", "slow\\u0062oat" : "x" }'), "call", null)).toBe('{"a\\"b\\\\":1,"model":"m" }');
});

test("a body becomes one line without changing what it says", () => {
  expect(oneLine('{\r\n "a": "x\\ny"\n}')).toBe('{  "a": "x\\ny" }');
  expect(JSON.parse(oneLine('{\n"a":1,\n"b":[\n2]}'))).toEqual({ a: 1, b: [2] });
});
