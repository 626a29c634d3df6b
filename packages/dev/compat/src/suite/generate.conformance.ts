import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { type OpenAiVersion, openAiOf, type Target, thrown } from "../target.ts";

const MODEL = "gpt-5-mini";
const ask = (content: string, more: object = {}) => ({ model: MODEL, messages: [{ role: "user" as const, content }], ...more });
const TOOL = {
  type: "function" as const,
  function: {
    name: "river",
    description: "Names a river.",
    parameters: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  },
};
const LIMITS = ["limit", "remaining", "reset"].flatMap((what) => ["requests", "tokens"].map((of) => `x-ratelimit-${what}-${of}`));

/** Chat, responses, embeddings and models through one version of the client. */
export const generateSuite = (at: () => Target, version: OpenAiVersion): void => {
  describe(`generating, ${version}`, () => {
    const client = (): OpenAI => openAiOf(at(), version);

    test("a chat is answered with its usage, request id and the provider's limits", async () => {
      const { data, response, request_id } = await client().chat.completions.create(ask("Name a river.")).withResponse();
      expect(data.choices[0]?.message.content).toBeTruthy();
      expect(data.choices[0]?.finish_reason).toBe("stop");
      expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0));
      expect(request_id).toBe(response.headers.get("x-request-id"));
      expect(data).toHaveProperty("_request_id", request_id);
      for (const name of LIMITS) expect(response.headers.get(name), name).toMatch(/^\d/);
      expect([...response.headers.keys()].filter((name) => name.startsWith("anthropic-"))).toEqual([]);
    });

    test("a raw stream brings the answer in pieces and its limits before them", async () => {
      const { data, response } = await client()
        .chat.completions.create({ ...ask("Tell me of a river."), stream: true, stream_options: { include_usage: true } })
        .withResponse();
      for (const name of LIMITS) expect(response.headers.get(name), name).toMatch(/^\d/);
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of data) chunks.push(chunk);
      expect(chunks.length).toBeGreaterThan(2);
      expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
      expect(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.finish_reason)).filter((reason) => reason !== null)).toEqual(["stop"]);
      expect(chunks.at(-1)?.usage?.completion_tokens).toBeGreaterThan(0);
    });

    test("a stream is accumulated by the client to what the answer without a stream says", async () => {
      const request = ask("Tell me of another river.", { temperature: 0 });
      const whole = await client().chat.completions.create(request);
      const final = await client().chat.completions.stream(request).finalChatCompletion();
      expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
      const tools = client().chat.completions.stream(ask("Name one.", { tools: [TOOL], tool_choice: "required" }));
      const called = (await tools.finalChatCompletion()).choices[0]?.message.tool_calls?.[0];
      expect(called).toMatchObject({ type: "function", function: { name: "river" } });
      expect(JSON.parse((called as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments)).toHaveProperty("name");
    });

    test("tools, several choices and a JSON schema pass both ways", async () => {
      const called = await client().chat.completions.create(ask("Name one.", { tools: [TOOL], tool_choice: "required" }));
      expect(called.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [{ function: { name: "river" } }] } });
      expect((await client().chat.completions.create(ask("Name two.", { n: 2 }))).choices).toHaveLength(2);
      const schema = { type: "object", properties: { length: { type: "integer" } }, required: ["length"], additionalProperties: false };
      const format = { type: "json_schema", json_schema: { name: "river", strict: true, schema } };
      const answered = await client().chat.completions.create(ask("How long?", { response_format: format }));
      expect(JSON.parse(answered.choices[0]?.message.content ?? "")).toEqual({ length: expect.any(Number) });
    });

    test("responses, plain and streamed", async () => {
      const { data, response } = await client().responses.create({ model: MODEL, input: "Name a river." }).withResponse();
      expect(data.status).toBe("completed");
      expect(data.output_text.length).toBeGreaterThan(0);
      expect(data).toHaveProperty("_request_id", response.headers.get("x-request-id"));
      for (const name of LIMITS) expect(response.headers.get(name), name).toMatch(/^\d/);
      const types: string[] = [];
      const stream = client().responses.stream({ model: MODEL, input: "Name a river." });
      for await (const event of stream) types.push(event.type);
      expect(types[0]).toBe("response.created");
      expect(types.at(-1)).toBe("response.completed");
      expect((await stream.finalResponse()).output_text).toBe(data.output_text);
    });

    test("embeddings, in base64 as the client asks by itself, and as numbers", async () => {
      const made = await client().embeddings.create({ model: "text-embedding-3-small", input: ["one river", "another"] });
      expect(made.data.map((one) => [one.index, one.embedding.length])).toEqual([
        [0, 1536],
        [1, 1536],
      ]);
      const numbers = await client().embeddings.create({
        model: "text-embedding-3-small",
        input: "one river",
        encoding_format: "float",
        dimensions: 8,
      });
      expect(numbers.data[0]?.embedding).toHaveLength(8);
      expect(Math.abs((made.data[0]?.embedding[0] ?? 0) - (numbers.data[0]?.embedding[0] ?? 1))).toBeLessThan(1);
    });

    test("models are listed and looked up", async () => {
      const names: string[] = [];
      for await (const model of client().models.list()) names.push(model.id);
      expect(names).toContain(MODEL);
      expect(await client().models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: "model" });
      expect(await thrown(client().models.retrieve("gpt-none"))).toMatchObject({ status: 404, code: "model_not_found" });
    });
  });
};
