import type { FaultRule } from "@slowboat/emulator";
import type OpenAI from "openai";
import { toFile } from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Stack, startStack } from "./stack.ts";
import { ANTHROPIC, type AnthropicVersion, anthropicOf, OPENAI, type OpenAiVersion, openAiOf, thrown } from "./target.ts";

/**
 * Chains of models across both providers, through the whole installation: whichever one is down, both official clients see answers in the
 * shape that they asked in, and the ledger says what the provider's bill says.
 */
let at: Stack;
beforeAll(async () => {
  at = await startStack();
});
afterEach(async () => {
  await at.calm();
  expect(await at.witness.complaints()).toEqual([]);
});
afterAll(() => at.stop());

const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const OPENAIS = Object.keys(OPENAI) as OpenAiVersion[];
const ANTHROPICS = Object.keys(ANTHROPIC) as AnthropicVersion[];
const ALWAYS = 10_000;

const down = (model: string, path: string, effect: Partial<FaultRule> = { status: 500 }): void =>
  at.faults({ match: { path, model }, times: ALWAYS, ...effect });
const chat = (model: string, more: object = {}) => ({ model, messages: [{ role: "user" as const, content: "Name a river." }], ...more });
const message = (model: string, more: object = {}) => ({
  model,
  max_tokens: 64,
  messages: [{ role: "user" as const, content: "Name a lake." }],
  ...more,
});

// biome-ignore lint/suspicious/noExplicitAny: a test reads replies as a stranger would.
const api = async (path: string, init: RequestInit = {}): Promise<any> => {
  const headers = { authorization: `Bearer ${at.key}`, "content-type": "application/json" };
  return await (await fetch(`${at.url}${path}`, { ...init, headers })).json();
};
// biome-ignore lint/suspicious/noExplicitAny: a job as the API writes it.
const ended = async (id: string): Promise<any> => {
  let job = await api(`/v1/jobs/${id}`);
  await at.passUntil(async () => {
    job = await api(`/v1/jobs/${id}`);
    return ["completed", "failed"].includes(job.state) && (job.state === "failed" || job.receipt !== null);
  }, `job ${id} ends`);
  return job;
};
const streamed = async (events: AsyncIterable<{ type: string; delta?: unknown }>): Promise<string> => {
  let text = "";
  for await (const event of events) if (event.type === "content_block_delta") text += (event.delta as { text?: string }).text ?? "";
  return text;
};

describe("a caller on the line", () => {
  test.each(OPENAIS)("a chat that its own provider cannot answer is answered by a model behind the other API, as a chat, %s", async (version) => {
    down("gpt-5-mini", CHAT);
    const asked = chat("gpt-5-mini", { fallbacks: ["claude-haiku-4-5"] });
    const { data, response } = await openAiOf(at, version).chat.completions.create(asked).withResponse();
    expect(data).toMatchObject({ object: "chat.completion", model: expect.stringContaining("claude-haiku-4-5") });
    expect(data.choices[0]).toMatchObject({ finish_reason: "stop", message: { role: "assistant", content: expect.stringMatching(/\w/) } });
    expect(data.usage?.total_tokens).toBeGreaterThan(0);
    expect(response.headers.get("slowboat-model")).toBe("claude-haiku-4-5");
    expect(response.headers.get("slowboat-lane")).toBe("anthropic");
  });

  test.each(ANTHROPICS)(
    "a message that its own provider cannot answer is answered by a model behind the other API, as a message, %s",
    async (version) => {
      down("claude-haiku-4-5", MESSAGES, { status: 529 });
      const options = { headers: { "slowboat-fallbacks": "gpt-5-mini, gpt-6-luna" } };
      const { data, response } = await anthropicOf(at, version).messages.create(message("claude-haiku-4-5"), options).withResponse();
      expect(data).toMatchObject({ type: "message", role: "assistant", model: expect.stringContaining("gpt-5-mini"), stop_reason: "end_turn" });
      expect(data.content[0]).toMatchObject({ type: "text", text: expect.stringMatching(/\w/) });
      expect(data.usage.input_tokens).toBeGreaterThan(0);
      expect(response.headers.get("slowboat-lane")).toBe("openai");
    },
  );

  test.each(OPENAIS)("a chat's stream comes from the other API in chunks, with the usage where it was asked for, %s", async (version) => {
    down("gpt-5.4-mini", CHAT, { preset: "rate-limit" });
    const asked = chat("gpt-5.4-mini", { fallbacks: ["claude-sonnet-5"] });
    const final = await openAiOf(at, version).chat.completions.stream(asked).finalChatCompletion();
    expect(final).toMatchObject({ model: expect.stringContaining("claude-sonnet-5"), choices: [{ finish_reason: "stop" }] });
    const events = await openAiOf(at, version).chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
    let usage = 0;
    for await (const chunk of events) usage += chunk.usage?.total_tokens ?? 0;
    expect(usage).toBeGreaterThan(0);
  });

  test.each(ANTHROPICS)("a message's stream comes from the other API in events, %s", async (version) => {
    down("claude-opus-5", MESSAGES);
    const asked = { ...message("claude-opus-5"), fallbacks: ["gpt-6-luna"] } as never;
    const final = await anthropicOf(at, version).messages.stream(asked).finalMessage();
    expect(final).toMatchObject({ model: expect.stringContaining("gpt-6-luna"), stop_reason: "end_turn" });
    const events = await anthropicOf(at, version).messages.create({ ...message("claude-opus-5"), fallbacks: ["gpt-6-luna"], stream: true } as never);
    expect((await streamed(events as never)).length).toBeGreaterThan(0);
  });

  test("a translated stream that its provider cuts off ends with an error on both APIs, never with the mark of a whole one", async () => {
    for (const end of ["eof", "reset", "half-line", "error"] as const) {
      down("gpt-6-sol", CHAT);
      at.faults({ match: { path: MESSAGES, model: "claude-opus-5-5" }, stream: { afterEvents: 4, end } });
      const asked = chat("gpt-6-sol", { fallbacks: ["claude-opus-5-5"] });
      await thrown(openAiOf(at, "openai 7").chat.completions.stream(asked).finalChatCompletion());
      await at.calm();
      down("claude-sonnet-5-5", MESSAGES);
      at.faults({ match: { path: CHAT, model: "gpt-5.6-luna" }, stream: { afterEvents: 4, end } });
      const other = { ...message("claude-sonnet-5-5"), fallbacks: ["gpt-5.6-luna"] } as never;
      await thrown(anthropicOf(at, "anthropic 1").messages.stream(other).finalMessage());
      await at.calm();
    }
  });

  test("tools are called by the model that stands in, and the caller's client gets its own kind of call", async () => {
    down("gpt-5.5", CHAT);
    const parameters = { type: "object", properties: { river: { type: "string" } }, required: ["river"] };
    const tools = [{ type: "function" as const, function: { name: "measure", parameters } }];
    const asked = chat("gpt-5.5", { tools, tool_choice: "required", fallbacks: ["claude-sonnet-5"] });
    const data = (await openAiOf(at, "openai 7").chat.completions.create(asked)) as OpenAI.ChatCompletion;
    expect(data.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { tool_calls: [{ type: "function", function: { name: "measure" } }] },
    });
  });

  test("a request that cannot be said in the other API is not sent there, and its decision names the field", async () => {
    down("gpt-4.1-mini", CHAT);
    const error = await thrown(openAiOf(at, "openai 7").chat.completions.create(chat("gpt-4.1-mini", { n: 2, fallbacks: ["claude-haiku-4-5"] })));
    expect(error).toBeInstanceOf(OPENAI["openai 7"].InternalServerError);
    const job = await api(`/v1/jobs/${(error["headers"] as Headers).get("slowboat-job-id")}`);
    expect(job).toMatchObject({ state: "failed", fallbacks: ["claude-haiku-4-5"] });
    const passed = job.decision.candidates.find(
      (one: { model: string; lane: string }) => one.model === "claude-haiku-4-5" && one.lane === "anthropic",
    );
    expect(passed).toMatchObject({ eligible: false, why: expect.stringContaining("n: asks for several answers") });
  });

  test("an answer under an Idempotency-Key is given again in the shape that was asked for", async () => {
    down("gpt-4o-mini", CHAT);
    const options = { headers: { "idempotency-key": "fallback-once" } };
    const asked = chat("gpt-4o-mini", { fallbacks: ["claude-haiku-4-5"] });
    const client = openAiOf(at, "openai 7");
    const first = await client.chat.completions.create(asked, options);
    const { data, response } = await client.chat.completions.create(asked, options).withResponse();
    expect(response.headers.get("idempotent-replayed")).toBe("true");
    expect({ ...data, created: 0 }).toEqual({ ...first, created: 0 });
  });

  test("a model that nobody knows, one that could never answer, and too many are refused by name", async () => {
    const client = openAiOf(at, "openai 7");
    const refused = async (fallbacks: unknown) => await thrown(client.chat.completions.create(chat("gpt-5-mini", { fallbacks })));
    expect((await refused(["claude-haiku-4"])).message).toMatch(/claude-haiku-4' does not exist .*claude-haiku-4-5/);
    expect((await refused(["text-embedding-3-small"])).message).toMatch(/cannot stand in here/);
    expect((await refused(["gpt-6-luna", "gpt-6-sol", "gpt-5.5", "o4-mini", "claude-opus-5"])).message).toMatch(/at most 4 models/);
    const vectors = client.embeddings.create({ model: "text-embedding-3-small", input: "x", fallbacks: ["slowboat-embed"] } as never);
    expect((await thrown(vectors)).message).toMatch(/their answers do not compare/);
  });

  test("a final refusal of the pinned model is the caller's answer and no reason to ask another", async () => {
    const error = await thrown(
      openAiOf(at, "openai 7").chat.completions.create(chat("gpt-5-mini", { temperature: 9, fallbacks: ["claude-haiku-4-5"] })),
    );
    expect(error["status"]).toBe(400);
  });
});

describe("queued work", () => {
  test("a job is answered by the model that stands in, in its own shape, at that model's price, against the asked model's", async () => {
    down("o4-mini", CHAT);
    const body = chat("o4-mini");
    const made = await api("/v1/jobs", {
      method: "POST",
      body: JSON.stringify({ endpoint: CHAT, body, fallbacks: ["claude-haiku-4-5"], allow: ["realtime"] }),
    });
    expect(made).toMatchObject({ state: "accepted", fallbacks: ["claude-haiku-4-5"] });
    const job = await ended(made.id);
    expect(job).toMatchObject({ state: "completed", model: "o4-mini", lane: "anthropic", result: { status_code: 200, model: "claude-haiku-4-5" } });
    expect(job.result.body).toMatchObject({ object: "chat.completion", choices: [{ finish_reason: "stop" }] });
    expect(job.attempts.at(-1)).toMatchObject({ lane: "anthropic", model: "claude-haiku-4-5", endpoint: MESSAGES });
    expect(job.decision.fallback).toMatchObject({ name: "claude-haiku-4-5", why: expect.stringContaining("o4-mini cannot answer") });
    const { list_nano: list, paid_nano: paid, lines } = job.receipt;
    const saved = lines.reduce((sum: bigint, line: { amount_nano: string }) => sum + BigInt(line.amount_nano), 0n);
    expect(BigInt(list) - saved).toBe(BigInt(paid));
    const charge = (await at.invoice()).lines.find((line) => line.clientRequestId === job.attempts.at(-1).id);
    expect(charge).toMatchObject({ provider: "anthropic", model: "claude-haiku-4-5", nanoUsd: paid });
  });

  test("lines of a batch file come back as chats, whoever answered, by the batch's own list and by a line's", async () => {
    down("gpt-6-astra", CHAT);
    const client = openAiOf(at, "openai 7");
    const line = (id: string, more: object = {}): string =>
      JSON.stringify({ custom_id: id, method: "POST", url: CHAT, body: chat("gpt-6-astra", more) });
    const lines = [
      line("batch's"),
      line("its own", { fallbacks: ["claude-sonnet-5"] }),
      line("untranslatable", { n: 3, fallbacks: ["claude-haiku-4-5", "gpt-6-luna"] }),
    ];
    const file = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl") });
    let batch = await client.batches.create({
      input_file_id: file.id,
      endpoint: CHAT,
      completion_window: "24h",
      metadata: { allow: "realtime", deadline: "2h", fallbacks: "claude-haiku-4-5" },
    });
    await at.passUntil(async () => {
      batch = await client.batches.retrieve(batch.id);
      return batch.status === "completed";
    }, "the batch ends");
    expect(batch.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const text = await (await client.files.content(batch.output_file_id ?? "")).text();
    const rows = text
      .trim()
      .split("\n")
      .map((row) => JSON.parse(row));
    const models = Object.fromEntries(rows.map((row) => [row.custom_id, row.response.body.model]));
    expect(models).toMatchObject({ "batch's": expect.stringContaining("claude-haiku-4-5"), "its own": expect.stringContaining("claude-sonnet-5") });
    expect(models["untranslatable"]).toContain("gpt-6-luna");
    for (const row of rows)
      expect(row.response).toMatchObject({ status_code: 200, body: { object: "chat.completion", usage: { total_tokens: expect.any(Number) } } });
  });

  test.each(ANTHROPICS)("requests of a message batch come back as messages, whoever answered, %s", async (version) => {
    down("claude-fable-5-2", MESSAGES);
    const batches = anthropicOf(at, version).messages.batches;
    const requests = ["a", "b"].map((id) => ({ custom_id: id, params: message("claude-fable-5-2") }));
    const headers = { "slowboat-allow": "realtime", "slowboat-deadline": "2h", "slowboat-fallbacks": "gpt-6-luna" };
    const made = await batches.create({ requests }, { headers });
    await at.passUntil(async () => (await batches.retrieve(made.id)).processing_status === "ended", "the batch ends");
    const found: string[] = [];
    for await (const row of await batches.results(made.id)) {
      expect(row.result).toMatchObject({
        type: "succeeded",
        message: { type: "message", stop_reason: "end_turn", model: expect.stringContaining("gpt-6-luna") },
      });
      found.push(row.custom_id);
    }
    expect(found.sort()).toEqual(["a", "b"]);
  });

  test("a batch that names a model nobody knows is refused when it is made", async () => {
    const batches = openAiOf(at, "openai 7").batches;
    const error = await thrown(
      batches.create({ input_file_id: "file-x", endpoint: CHAT, completion_window: "24h", metadata: { fallbacks: "gpt-0" } }),
    );
    expect(error).toMatchObject({ status: 404, param: "metadata.fallbacks" });
  });
});

test("the sum of all receipts is the provider's bill, to the nano-dollar, and nothing is left unheard but what was cut off", async () => {
  const jobs = new Map<string, { attempts: { id: string; state: string }[]; receipt: { paid_nano: string } | null }>();
  await at.passUntil(async () => {
    for (let after = ""; ; ) {
      const page = await api(`/v1/jobs?limit=100${after === "" ? "" : `&after=${after}`}`);
      for (const { id } of page.data) jobs.set(id, await api(`/v1/jobs/${id}`));
      if (!page.has_more) break;
      after = page.last_id;
    }
    return [...jobs.values()].every((job) => job.attempts.every(({ state }) => ["settled", "void", "unknown"].includes(state)));
  }, "everything is settled");
  const paid = [...jobs.values()].reduce((sum, { receipt }) => sum + BigInt(receipt?.paid_nano ?? 0), 0n);
  const unheard = new Set([...jobs.values()].flatMap(({ attempts }) => attempts.filter(({ state }) => state === "unknown").map(({ id }) => id)));
  const lines = (await at.invoice()).lines.filter(({ clientRequestId }) => !unheard.has(clientRequestId ?? ""));
  expect(unheard.size).toBe(8);
  expect(paid).toBe(lines.reduce((sum, line) => sum + BigInt(line.nanoUsd), 0n));
  expect(new Set(lines.map((line) => line.provider))).toEqual(new Set(["openai", "anthropic"]));
});
