import type Anthropic from "@anthropic-ai/sdk";
import { describe, expect, test } from "vitest";
import { ANTHROPIC, type AnthropicVersion, anthropicOf, type Target, thrown } from "../target.ts";

const MODEL = "claude-haiku-4-5";
const PATH = "/v1/messages";
const ask = (content: string, more: object = {}) => ({ model: MODEL, max_tokens: 64, messages: [{ role: "user" as const, content }], ...more });
/** Answered in more pieces than a cut lets through. */
const LONG = ask("Tell me of every river, its length, its ships, its bridges and its towns, one after the other, in their order.");
const TOOL = {
  name: "river",
  description: "Names a river.",
  input_schema: { type: "object" as const, properties: { name: { type: "string" } }, required: ["name"] },
};
const LIMITS = ["requests", "tokens", "input-tokens", "output-tokens"].flatMap((of) =>
  ["limit", "remaining", "reset"].map((what) => `anthropic-ratelimit-${of}-${what}`),
);

/** Messages, token counts and models through one version of the client, and what goes wrong. */
export const messagesSuite = (at: () => Target, version: AnthropicVersion): void => {
  describe(`messages, ${version}`, () => {
    const client = (options: object = {}): Anthropic => anthropicOf(at(), version, options);
    const SDK = ANTHROPIC[version];
    const paid = async (work: () => Promise<unknown>): Promise<number> => {
      const before = await at().charges();
      await work();
      return (await at().charges()) - before;
    };

    test("a message is answered with its usage, request id and the provider's limits", async () => {
      const { data, response, request_id } = await client().messages.create(ask("Name a river.")).withResponse();
      expect(data).toMatchObject({ type: "message", role: "assistant", stop_reason: "end_turn", content: [{ type: "text" }] });
      expect(data.usage.output_tokens).toBeGreaterThan(0);
      expect(request_id).toBe(response.headers.get("request-id"));
      expect(data).toHaveProperty("_request_id", request_id);
      for (const name of LIMITS) expect(response.headers.get(name), name).toMatch(/^\d/);
      expect([...response.headers.keys()].filter((name) => name.startsWith("x-ratelimit"))).toEqual([]);
    });

    test("a raw stream is the provider's events in their order", async () => {
      const { data, response } = await client()
        .messages.create({ ...ask("Tell me of a river."), stream: true })
        .withResponse();
      for (const name of LIMITS) expect(response.headers.get(name), name).toMatch(/^\d/);
      const types: string[] = [];
      for await (const event of data) if (types.at(-1) !== event.type) types.push(event.type);
      expect(types).toEqual(["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]);
    });

    test("a stream is accumulated by the client to what the message without a stream says, tools too", async () => {
      const whole = await client().messages.create(ask("Tell me of another river."));
      const final = await client().messages.stream(ask("Tell me of another river.")).finalMessage();
      expect(final.content).toMatchObject(whole.content.map((block) => ({ type: "text", text: block.type === "text" ? block.text : "" })));
      expect(final.stop_reason).toBe("end_turn");
      const called = await client()
        .messages.stream(ask("Name one.", { tools: [TOOL], tool_choice: { type: "any" } }))
        .finalMessage();
      expect(called.content.at(-1)).toMatchObject({ type: "tool_use", name: "river", input: { name: expect.any(String) } });
    });

    test("tokens are counted and not charged", async () => {
      const charged = await paid(async () => {
        const counted = await client().messages.countTokens({ model: MODEL, messages: [{ role: "user", content: "Name a river." }] });
        expect(counted.input_tokens).toBeGreaterThan(3);
      });
      expect(charged).toBe(0);
    });

    test("models are listed and looked up in this API's own form", async () => {
      const names: string[] = [];
      for await (const model of client().models.list({ limit: 2 })) names.push(model.id);
      expect(names).toContain(MODEL);
      expect(names.every((name) => name.startsWith("claude-"))).toBe(true);
      expect(await client().models.retrieve(MODEL)).toMatchObject({ id: MODEL, type: "model" });
      expect(await thrown(client().models.retrieve("claude-none"))).toMatchObject({ status: 404, type: "not_found_error" });
    });

    test("each status is the client's class for it, with its type and request id", async () => {
      const bad = await thrown(client().messages.create({ model: MODEL, messages: [] } as never));
      expect(bad).toBeInstanceOf(SDK.BadRequestError);
      expect(bad).toMatchObject({ status: 400, type: "invalid_request_error" });
      expect(bad["requestID"]).toMatch(/^req_/);
      const nobody = await thrown(client({ defaultHeaders: { "x-api-key": null, authorization: null } }).messages.create(ask("x")));
      expect(nobody).toBeInstanceOf(SDK.AuthenticationError);
      expect(nobody).toMatchObject({ status: 401, type: "authentication_error" });
      const unknown = await thrown(client().messages.create({ ...ask("x"), model: "claude-none" }));
      expect(unknown).toBeInstanceOf(SDK.NotFoundError);
      expect(unknown).toMatchObject({ status: 404, type: "not_found_error" });
      const nowhere = await thrown(client().get("/v1/messages/nothing/nowhere"));
      expect(nowhere).toMatchObject({ status: 404, type: "not_found_error" });
    });

    test("a refusal for its rate is 429 with the wait that the provider asks for; the client's retry is paid once", async () => {
      at().faults({ match: { path: PATH }, preset: "rate-limit", times: 3 });
      const refused = await paid(async () => {
        const error = await thrown(client().messages.create(ask("too fast")));
        expect(error).toBeInstanceOf(SDK.RateLimitError);
        expect((error["headers"] as Headers).get("retry-after")).toBe("1");
      });
      expect(refused).toBe(0);
      await at().calm();
      at().faults({ match: { path: PATH }, preset: "rate-limit", times: 3, headers: { "retry-after-ms": "1" } });
      expect(await paid(() => client({ maxRetries: 3 }).messages.create(ask("again")))).toBe(1);
    });

    test.each(["eof", "half-line", "reset", "error"] as const)("a stream that ends early (%s) is an error to whoever accumulates it", async (end) => {
      at().faults({ match: { path: PATH }, stream: { afterEvents: 4, end } });
      const error = await thrown(client().messages.stream(LONG).finalMessage());
      expect(error).toBeInstanceOf(SDK.AnthropicError);
    });

    const read = async (): Promise<string[]> => {
      const types: string[] = [];
      for await (const event of await client().messages.create({ ...LONG, stream: true })) types.push(event.type);
      return types;
    };

    test("an error inside a stream is the client's class with the provider's type", async () => {
      at().faults({ match: { path: PATH }, stream: { afterEvents: 4, end: "error" } });
      const error = await thrown(read());
      expect(error).toBeInstanceOf(SDK.APIError);
      expect(error).toMatchObject({ type: "overloaded_error" });
    });

    test.each(["eof", "half-line"] as const)(
      "a stream that ends early (%s) looks whole to whoever reads a provider raw, and never does through us",
      async (end) => {
        at().faults({ match: { path: PATH }, stream: { afterEvents: 4, end } });
        if (at().name === "slowboat") expect(await thrown(read())).toBeInstanceOf(SDK.APIError);
        else expect(await read()).not.toContain("message_stop");
      },
    );

    test("a message without its last event is none, however much was said", async () => {
      const events = (await read()).length;
      // The ping counts as an event.
      at().faults({ match: { path: PATH }, stream: { afterEvents: events, end: "eof" } });
      expect(await thrown(client().messages.stream(LONG).finalMessage())).toBeInstanceOf(SDK.AnthropicError);
    });
  });
};
