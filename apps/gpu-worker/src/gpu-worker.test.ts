import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClassifier, createEmbedder, type Embedder } from "@slowboat/engine";
import type { LaneRequest } from "@slowboat/lanes";
import type { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "./http.ts";
import { createLocalLane } from "./local-lane.ts";
import { createMicroBatcher, type MicroBatcher } from "./micro-batcher.ts";
import { createPoolApi, type PoolApi } from "./pool-api.ts";

interface Embeddings {
  readonly data: readonly { readonly index: number; readonly embedding: number[] & string }[];
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
}

let cacheDir: string;
let embedder: Embedder;
let batcher: MicroBatcher;
let answer: PoolApi;
let app: Hono;
const bugs: unknown[] = [];
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (...args: unknown[]) => void bugs.push(args) };

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "slowboat-pool-"));
  embedder = await createEmbedder({ cacheDir, threads: 1 });
  batcher = createMicroBatcher(embedder.embed);
  answer = createPoolApi({ embed: batcher.embed, classify: createClassifier(batcher.embed) }, (error) => bugs.push(error));
  app = createApp({ answer, ready: () => true, stats: batcher.stats, logger: log });
});

afterAll(async () => {
  await embedder.stop();
  await rm(cacheDir, { recursive: true, force: true });
  expect(bugs).toEqual([]);
});

const post = (path: string, body: unknown): Promise<Response> | Response =>
  app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** Through the lane, with the model that the body names. */
const lane = (endpoint: LaneRequest["endpoint"], body: unknown, signal = new AbortController().signal) => {
  const { model = "use-lite-en" } = body as { model?: string };
  return createLocalLane(answer).call({ attemptId: "att_1", endpoint, model, body: typeof body === "string" ? body : JSON.stringify(body) }, signal);
};

describe("embeddings over HTTP", () => {
  test("a text and a list of texts get the OpenAI shape, in order, with the tokens computed", async () => {
    const one = await post("/v1/embeddings", { model: "slowboat-embed", input: "A cat sat on the mat." });
    expect(one.status).toBe(200);
    expect(await one.json()).toMatchObject({
      object: "list",
      model: "use-lite-en",
      data: [{ object: "embedding", index: 0 }],
      usage: { prompt_tokens: 8, total_tokens: 8 },
    });
    const two = (await (
      await post("/v1/embeddings", { model: "use-lite-en", input: ["A cat sat on the mat.", "How do I reset my password?"] })
    ).json()) as Embeddings;
    expect(two.data.map((item) => [item.index, item.embedding.length])).toEqual([
      [0, 512],
      [1, 512],
    ]);
    expect(two.usage).toEqual({ prompt_tokens: 16, total_tokens: 16 });
  });

  test("float and base64 say the same unit vector", async () => {
    const body = { model: "use-lite-en", input: "the same words" };
    const floats = ((await (await post("/v1/embeddings", body)).json()) as Embeddings).data[0]?.embedding as number[];
    const packed = ((await (await post("/v1/embeddings", { ...body, encoding_format: "base64" })).json()) as Embeddings).data[0]?.embedding as string;
    const bytes = Buffer.from(packed, "base64");
    expect(bytes).toHaveLength(2_048);
    for (const [i, value] of floats.entries()) expect(bytes.readFloatLE(4 * i)).toBeCloseTo(value, 6);
    expect(floats.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
  });

  test("concurrent requests share batches and get what they would get alone", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `Invoice number ${i} is due on day ${i % 30}.`);
    const before = batcher.stats().batches;
    const together = await Promise.all(
      texts.map(async (input) => (await (await post("/v1/embeddings", { model: "use-lite-en", input })).json()) as Embeddings),
    );
    expect(batcher.stats().batches - before).toBeLessThan(8);
    const list = (await (await post("/v1/embeddings", { model: "use-lite-en", input: texts })).json()) as Embeddings;
    for (const [i, item] of list.data.entries()) {
      const alone = together[i]?.data[0]?.embedding ?? [];
      expect(item.embedding.reduce((sum, value, at) => sum + value * (alone[at] ?? 0), 0)).toBeGreaterThan(0.99);
    }
  });
});

describe("classifications over HTTP", () => {
  test("the nearest label wins, for names and for descriptions, and scores sum to one", async () => {
    const input = ["My card was charged twice for one order.", "How do I install the package with npm?"];
    const named = { model: "slowboat-classify", input, labels: ["billing and payments", "software installation"] };
    const body = (await (await post("/v1/classifications", named)).json()) as { data: { label: string; scores: Record<string, number> }[] };
    expect(body).toMatchObject({
      object: "list",
      model: "use-lite-en",
      data: [
        { index: 0, label: "billing and payments" },
        { index: 1, label: "software installation" },
      ],
    });
    for (const { scores } of body.data) expect(Object.values(scores).reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 9);
    const described = { ...named, input: input[0], labels: { money: "a question about a payment", setup: "a question about installing software" } };
    expect(await (await post("/v1/classifications", described)).json()).toMatchObject({
      data: [{ index: 0, label: "money" }],
      usage: { prompt_tokens: 9 },
    });
  });
});

const BAD: readonly (readonly [
  what: string,
  endpoint: "/v1/embeddings" | "/v1/classifications",
  body: unknown,
  status: number,
  code: string | null,
  param: string | null,
])[] = [
  ["no JSON", "/v1/embeddings", '{"model": "use-lite-en", "input": ', 400, "invalid_json", null],
  ["JSON that is no object", "/v1/embeddings", "[]", 400, null, "body"],
  ["an unknown model", "/v1/embeddings", { model: "text-embedding-3-small", input: "x" }, 404, "model_not_found", "model"],
  ["the classifier's model at embeddings", "/v1/embeddings", { model: "slowboat-classify", input: "x" }, 404, "model_not_found", "model"],
  ["no input", "/v1/embeddings", { model: "use-lite-en" }, 400, "missing_parameter", "input"],
  ["token ids", "/v1/embeddings", { model: "use-lite-en", input: [[1, 2]] }, 400, null, "input"],
  ["an empty text", "/v1/embeddings", { model: "use-lite-en", input: "" }, 400, "empty_input", "input[0]"],
  ["a blank text among others", "/v1/embeddings", { model: "use-lite-en", input: ["x", " \n "] }, 400, "empty_input", "input[1]"],
  ["an empty list", "/v1/embeddings", { model: "use-lite-en", input: [] }, 400, "empty_input", "input"],
  ["too many texts", "/v1/embeddings", { model: "use-lite-en", input: Array.from({ length: 2_049 }, () => "x") }, 400, null, "input"],
  ["another width", "/v1/embeddings", { model: "use-lite-en", input: "x", dimensions: 256 }, 400, null, "dimensions"],
  ["an unknown encoding", "/v1/embeddings", { model: "use-lite-en", input: "x", encoding_format: "hex" }, 400, null, "encoding_format"],
  ["no labels", "/v1/classifications", { model: "use-lite-en", input: "x" }, 400, "missing_parameter", "labels"],
  ["one label", "/v1/classifications", { model: "use-lite-en", input: "x", labels: ["a"] }, 400, null, "labels"],
  ["labels that are numbers", "/v1/classifications", { model: "use-lite-en", input: "x", labels: [1, 2] }, 400, null, "labels"],
];

describe("bad requests", () => {
  test.each(BAD)(
    "%s: an OpenAI-shaped error over HTTP, the same text refused for good on the lane",
    async (_what, endpoint, body, status, code, param) => {
      const response = await post(endpoint, body);
      const text = await response.text();
      expect(response.status).toBe(status);
      expect(JSON.parse(text)).toEqual({ error: { message: expect.any(String), type: "invalid_request_error", param, code } });
      expect(await lane(endpoint, body)).toMatchObject({
        kind: "refused",
        attemptId: "att_1",
        statusCode: status,
        body: text,
        retry: "never",
        retryAfterMs: null,
      });
    },
  );

  test("a body over the limit is a 413 before it is read whole", async () => {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(32)) });
    const response = await app.request("/v1/embeddings", { method: "POST", body: endless, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: "body_too_large" } });
  });

  test("an unknown path is a 404 and a wrong method a 405, in the same shape", async () => {
    const missing = await app.request("/v1/chat/completions", { method: "POST", body: "{}" });
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: null } }]);
    const wrong = await app.request("/v1/embeddings");
    expect([wrong.status, await wrong.json()]).toMatchObject([405, { error: { code: "method_not_allowed" } }]);
  });
});

describe("the lane inside the process", () => {
  test("answers with the text that HTTP answers with", async () => {
    const body = { model: "use-lite-en", input: ["one", "two words"], encoding_format: "base64" };
    const result = await lane("/v1/embeddings", body);
    expect(result).toMatchObject({ kind: "answered", statusCode: 200 });
    expect("body" in result && result.body).toBe(await (await post("/v1/embeddings", body)).text());
  });

  test("runs the model that the scheduler chose, whatever the body names", async () => {
    const body = '{"model":"slowboat-embed","input":"x","user":"kept"}';
    const request = { attemptId: "att_4", endpoint: "/v1/embeddings", body } as const;
    const lane = createLocalLane(answer);
    const { signal } = new AbortController();
    expect(await lane.call({ ...request, model: "use-lite-en" }, signal)).toMatchObject({ kind: "answered" });
    expect(await lane.call({ ...request, model: "gpt-x" }, signal)).toMatchObject({
      kind: "refused",
      statusCode: 404,
      code: "unknown_model",
      retry: "never",
    });
  });

  test("an aborted call is void, and an endpoint that the pool lacks is refused for good", async () => {
    expect(await lane("/v1/embeddings", { model: "use-lite-en", input: "x" }, AbortSignal.abort())).toMatchObject({
      kind: "void",
      code: "cancelled",
    });
    expect(await lane("/v1/messages", {})).toMatchObject({ kind: "refused", retry: "never", statusCode: 400 });
    const request = { attemptId: "att_2", endpoint: "/v1/embeddings", model: "use-lite-en", body: "{}" } as const;
    expect(await createLocalLane(answer).stream(request, new AbortController().signal)).toMatchObject({ kind: "refused", retry: "never" });
  });

  test("an engine that has stopped is refused as something to try later", async () => {
    const other = await createEmbedder({ cacheDir, threads: 1 });
    await other.stop();
    const stopped = createPoolApi({ embed: other.embed, classify: createClassifier(other.embed) }, () => {});
    const request = { attemptId: "att_3", endpoint: "/v1/embeddings", model: "use-lite-en", body: '{"model":"use-lite-en","input":"x"}' } as const;
    const result = await createLocalLane(stopped).call(request, new AbortController().signal);
    expect(result).toMatchObject({ kind: "refused", retry: "later", statusCode: 503, code: "lane_unavailable", retryAfterMs: 1_000 });
  });
});
