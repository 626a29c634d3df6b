import { expect, test } from "vitest";
import { asAsked, fallbackTarget, translateRequest } from "./index.ts";
import { CHAT, MESSAGES } from "./testing/ask.ts";

const context = { id: "1", model: "m", nowMs: 1_764_000_000_000 };
const message = {
  id: "msg_1",
  type: "message",
  model: "claude-haiku-4-5",
  content: [{ type: "text", text: "hi" }],
  stop_reason: "end_turn",
  usage: {},
};
const parse = ({ body }: { readonly body: string }): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;

test("what came from the endpoint that was asked stays as it is, to the byte, whatever it is", () => {
  for (const body of ['{ "a" : 1.0 }', "<html>no</html>", ""])
    for (const wire of [null, CHAT] as const) expect(asAsked({ statusCode: 200, body, wire }, CHAT, context)).toEqual({ statusCode: 200, body });
});

test("an answer of the other API has the asked one's shape and the name of the model that gave it", () => {
  const said = asAsked({ statusCode: 200, body: JSON.stringify(message), wire: MESSAGES }, CHAT, context);
  expect(said.statusCode).toBe(200);
  expect(parse(said)).toMatchObject({ object: "chat.completion", model: "claude-haiku-4-5", choices: [{ message: { content: "hi" } }] });
});

test("a refusal of the other API has the asked one's shape and status, and a page of a proxy is not shown", () => {
  const overloaded = JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } });
  const said = asAsked({ statusCode: 529, body: overloaded, wire: MESSAGES }, CHAT, context);
  expect(said.statusCode).toBe(503);
  expect(parse(said)).toMatchObject({ error: { code: "server_is_overloaded" } });
  expect(asAsked({ statusCode: 502, body: "<html>secret</html>", wire: CHAT }, MESSAGES, context).body).not.toContain("secret");
});

test("an answer that cannot be read is an error of the asked shape, never an empty answer", () => {
  for (const [wire, asked] of [
    [MESSAGES, CHAT],
    [CHAT, MESSAGES],
  ] as const) {
    const said = asAsked({ statusCode: 200, body: '{"usage":{}}', wire }, asked, context);
    expect(said.statusCode).toBeGreaterThanOrEqual(500);
    expect(parse(said)).toMatchObject({ error: { message: expect.stringContaining("cannot be read") } });
  }
});

test("whoever judges a translation and whoever sends it come to the same text", () => {
  const body = '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}],"temperature":0.5}';
  const once = () => translateRequest(CHAT, MESSAGES, body, fallbackTarget("claude-haiku-4-5"));
  expect(once()).toEqual(once());
  expect(once()).toMatchObject({ kind: "translated", body: expect.stringContaining('"max_tokens":8192') });
});
