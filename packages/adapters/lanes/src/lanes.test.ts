import { startEmulator } from "@slowboat/emulator";
import { createAnthropicBatchLane, createAnthropicLane, createOpenAiBatchLane, createOpenAiLane, createPoolLane, type LaneRequest } from "./index.ts";
import { type BatchFixture, batchLaneConformance, type CallFixture, callLaneConformance, type Mishap } from "./lane.conformance.ts";
import { recorder } from "./testing/recorder.ts";
import { json, scriptedServer } from "./testing/scripted-server.ts";

const OPENAI = { model: "gpt-5-mini", endpoint: "/v1/chat/completions" } as const;
const ANTHROPIC = { model: "claude-haiku-4-5", endpoint: "/v1/messages" } as const;

const messages = '"messages":[{"role":"user","content":"Summarise: the boat \\u0000 is slow \\ud83d\\ude00."}]';
const chatRequest = (attemptId: string, extra = ""): LaneRequest => ({
  ...OPENAI,
  attemptId,
  body: `{ "model":"gpt-5-mini",${extra} ${messages} , "max_completion_tokens":60}`,
});
const responsesRequest = (attemptId: string, extra = ""): LaneRequest => ({
  ...OPENAI,
  endpoint: "/v1/responses",
  attemptId,
  body: `{"model":"gpt-5-mini",${extra} "input":"Summarise: the boat is slow.","max_output_tokens":60}`,
});
const embeddingRequest = (attemptId: string, extra = ""): LaneRequest => ({
  attemptId,
  endpoint: "/v1/embeddings",
  model: "text-embedding-3-small",
  body: `{"model":"text-embedding-3-small",${extra}"input":["a\\u0000b","slow boat"]}`,
});
const messageRequest = (attemptId: string, extra = ""): LaneRequest => ({
  ...ANTHROPIC,
  attemptId,
  body: `{"model":"claude-haiku-4-5",${extra} "max_tokens":60,${messages}}`,
});

const openAiOdd = '"seed" : 12345678901234567890,"user":"\\u0000\\/",';
const anthropicOdd =
  '"metadata" : {"user_id":"\\u0000\\/"}, "max_tokens":60.0,"tools":[{"name":"f","input_schema":{"type":"object","properties":{"n":{"const":12345678901234567890}}}}],';

const FAULT = {
  hang: { hang: true },
  reset: { drop: "before" },
  "rate-limit": { preset: "rate-limit" },
  "server-error": { preset: "server-error" },
  "html-503": { preset: "html-503" },
} as const satisfies Record<Mishap, object>;

const without = (request: LaneRequest, member: string): LaneRequest => {
  const body = JSON.parse(request.body) as Record<string, unknown>;
  delete body[member];
  return { ...request, body: JSON.stringify(body) };
};

async function emulated(
  make: (urls: { openai: string; anthropic: string }, timeoutMs?: number) => CallFixture["lane"],
  request: CallFixture["request"],
  more: Pick<CallFixture, "odd" | "streams"> & { readonly needs: string },
): Promise<CallFixture> {
  const emulator = await startEmulator({ latency: "instant" });
  const proxy = await recorder(emulator.url);
  const urls = { openai: `${proxy.url}/v1`, anthropic: proxy.url };
  return {
    lane: make(urls),
    impatient: (timeoutMs) => make(urls, timeoutMs),
    request,
    bad: (attemptId) => without(request(attemptId), more.needs),
    mishap: (kind) => emulator.addFaults(FAULT[kind]),
    odd: more.odd,
    streams: more.streams,
    bodies: proxy.bodies,
    billed: async (attemptId) => (await emulator.invoice()).lines.find((line) => line.clientRequestId === attemptId)?.usage ?? null,
    close: async () => {
      await proxy.close();
      await emulator.stop();
    },
  };
}

const key = { apiKey: "sk-test", emulated: true };
const limited = (timeoutMs: number | undefined): { timeoutMs?: number } => (timeoutMs === undefined ? {} : { timeoutMs });
const openAi = (urls: { openai: string }, timeoutMs?: number): CallFixture["lane"] =>
  createOpenAiLane({ ...key, baseURL: urls.openai, ...limited(timeoutMs) });

callLaneConformance("openai chat", () => emulated(openAi, chatRequest, { odd: openAiOdd, streams: true, needs: "messages" }));
callLaneConformance("openai responses", () => emulated(openAi, responsesRequest, { odd: openAiOdd, streams: true, needs: "input" }));
callLaneConformance("openai embeddings", () =>
  emulated(openAi, embeddingRequest, { odd: '"user":"\\u0000\\/", "x":12345678901234567890,', streams: false, needs: "input" }),
);
callLaneConformance("openai flex", () =>
  emulated(
    (urls, timeoutMs) => createOpenAiLane({ ...key, baseURL: urls.openai, flex: true, ...limited(timeoutMs) }),
    (id, extra = "") => chatRequest(id, `"service_tier":"flex",${extra}`),
    {
      odd: openAiOdd,
      streams: true,
      needs: "messages",
    },
  ),
);
callLaneConformance("anthropic messages", () =>
  emulated((urls, timeoutMs) => createAnthropicLane({ ...key, baseURL: urls.anthropic, ...limited(timeoutMs) }), messageRequest, {
    odd: anthropicOdd,
    streams: true,
    needs: "messages",
  }),
);

callLaneConformance("pool", async () => {
  const mishaps: Mishap[] = [];
  const server = await scriptedServer((heard, res, req) => {
    const body = JSON.parse(heard.body) as { model: string; input?: string[] };
    const error = (status: number, code: string): void =>
      json(res, { error: { message: code, type: "invalid_request_error", param: null, code } }, status);
    const mishap = mishaps.shift();
    if (mishap === "hang") return;
    if (mishap === "reset") return void req.socket.destroy();
    if (mishap === "html-503") return json(res, "<html>", 503);
    if (mishap !== undefined) return error(mishap === "rate-limit" ? 429 : 500, mishap);
    if (body.model !== "use-lite-en") return error(404, "model_not_found");
    if (!body.input) return error(400, "missing_required_parameter");
    json(res, {
      object: "list",
      model: body.model,
      data: body.input.map((_, index) => ({ index, embedding: [0] })),
      usage: { prompt_tokens: 3, total_tokens: 3 },
    });
  });
  const make = (timeoutMs?: number): CallFixture["lane"] => createPoolLane({ baseURL: server.url, ...limited(timeoutMs) });
  const request = (attemptId: string, extra = ""): LaneRequest => ({
    attemptId,
    endpoint: "/v1/embeddings",
    model: "use-lite-en",
    body: `{${extra}"model":"use-lite-en", "input":["x\\u0000"]}`,
  });
  return {
    lane: make(),
    impatient: make,
    request,
    bad: (attemptId) => without(request(attemptId), "input"),
    mishap: (kind) => void mishaps.push(kind),
    odd: '"n" : 12345678901234567890,',
    streams: false,
    bodies: () => server.heard.map((one) => one.body),
    billed: () => Promise.resolve(null),
    close: server.close,
  };
});

async function emulatedBatch(provider: "openai" | "anthropic", turnaroundMs: number): Promise<BatchFixture> {
  let nowMs = Date.parse("2026-11-20T00:00:00Z");
  const emulator = await startEmulator({ clock: () => nowMs, batchTurnaroundMs: turnaroundMs, listedErrors: "all" });
  const proxy = await recorder(emulator.url);
  const openai = provider === "openai";
  const path = openai ? "/v1/batches" : "/v1/messages/batches";
  return {
    lane: openai ? createOpenAiBatchLane({ ...key, baseURL: `${proxy.url}/v1` }) : createAnthropicBatchLane({ ...key, baseURL: proxy.url }),
    request: openai ? chatRequest : messageRequest,
    odd: openai ? openAiOdd : anthropicOdd,
    bodies: proxy.bodies,
    nowMs: () => nowMs,
    pass: (ms) => {
      nowMs += ms;
    },
    loseCreate: (when) => emulator.addFaults({ match: { method: "POST", path }, drop: when === "reply" ? "after-commit" : "before" }),
    spoil: (request) => {
      if (!openai) return without(request, "messages");
      const body = { error: { message: "Invalid value.", type: "invalid_request_error", param: "messages", code: "invalid_value" } };
      emulator.addFaults({ match: { customId: request.attemptId }, status: 400, body });
      return request;
    },
    billed: async () => new Set((await emulator.invoice()).lines.map((line) => line.customId ?? "")),
    close: async () => {
      await proxy.close();
      await emulator.stop();
    },
  };
}

batchLaneConformance("openai-batch", (turnaroundMs) => emulatedBatch("openai", turnaroundMs));
batchLaneConformance("anthropic-batch", (turnaroundMs) => emulatedBatch("anthropic", turnaroundMs));
