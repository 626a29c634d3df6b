import type Anthropic from "@anthropic-ai/sdk";
import { toFile } from "openai";
import { expect, test } from "vitest";
import { HOUR, readme, started, summarise } from "./test-bed.ts";

test("a chat completion is plausible, counted and on the invoice to the nano-dollar", async () => {
  const { openai, emulator } = await started();
  const answer = await openai.chat.completions.create(
    { model: "gpt-5-mini", messages: summarise(readme) },
    { headers: { "x-client-request-id": "att_1" } },
  );
  expect(answer.choices[0]?.finish_reason).toBe("stop");
  expect(answer.choices[0]?.message.content).toMatch(/Hono/);
  expect(answer._request_id).toMatch(/^req_/);
  const usage = answer.usage;
  expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
  const invoice = await emulator.invoice();
  expect(invoice.lines).toHaveLength(1);
  expect(invoice.lines[0]).toMatchObject({ provider: "openai", model: "gpt-5-mini", tier: "standard", clientRequestId: "att_1" });
  expect(invoice.totalNanoUsd).toBe(String(250 * (usage?.prompt_tokens ?? 0) + 2_000 * (usage?.completion_tokens ?? 0)));
});

test("a stream carries the same text as the plain answer, and its usage when asked", async () => {
  const { openai, anthropic } = await started();
  const plain = await openai.chat.completions.create({ model: "gpt-4o-mini", messages: summarise(readme) });
  const stream = openai.chat.completions.stream({ model: "gpt-4o-mini", messages: summarise(readme), stream_options: { include_usage: true } });
  const streamed = await stream.finalChatCompletion();
  expect(streamed.choices[0]?.message.content).toBe(plain.choices[0]?.message.content);
  expect(streamed.usage?.completion_tokens).toBe(plain.usage?.completion_tokens);
  const message = await anthropic.messages
    .stream({ model: "claude-haiku-4-5", max_tokens: 200, messages: [{ role: "user", content: readme }] })
    .finalMessage();
  expect(message.stop_reason).toBe("end_turn");
  expect(message.usage.output_tokens).toBeGreaterThan(5);
  const response = await openai.responses.stream({ model: "gpt-5-mini", input: readme }).finalResponse();
  expect(response.output_text.length).toBeGreaterThan(20);
});

test("embeddings have unit length and the same value as numbers and as base64", async () => {
  const { openai } = await started();
  const asNumbers = await openai.embeddings.create({ model: "text-embedding-3-small", input: ["a boat", "a ship"], encoding_format: "float" });
  const asBase64 = await openai.embeddings.create({ model: "text-embedding-3-small", input: ["a boat", "a ship"] });
  const vector = asNumbers.data[1]?.embedding ?? [];
  expect(vector).toHaveLength(1_536);
  expect(vector.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 4);
  expect(asBase64.data[1]?.embedding[7]).toBeCloseTo(vector[7] ?? 0, 6);
});

test("a batch goes from validating to completed, and every line is answered and charged at batch prices", async () => {
  const { openai, emulator, time } = await started({ batchTurnaroundMs: 10 * 60_000 });
  const lines = Array.from({ length: 30 }, (_, i) =>
    JSON.stringify({
      custom_id: `doc-${i}`,
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "gpt-5-mini", messages: summarise(`${readme}\n\nDocument ${i}.`) },
    }),
  );
  const file = await openai.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "night.jsonl"), purpose: "batch" });
  expect(file.bytes).toBe(Buffer.byteLength(lines.join("\n")));
  const made = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { job: "j1" },
  });
  expect(made.status).toBe("validating");
  time.nowMs += 5 * 60_000;
  expect(await openai.batches.retrieve(made.id)).toMatchObject({ status: "in_progress", request_counts: { total: 30, failed: 0 } });
  time.nowMs += HOUR;
  const batch = await openai.batches.retrieve(made.id);
  expect(batch).toMatchObject({
    status: "completed",
    request_counts: { total: 30, completed: 30, failed: 0 },
    error_file_id: null,
    metadata: { job: "j1" },
  });
  const rows = (await (await openai.files.content(batch.output_file_id ?? "")).text())
    .trim()
    .split("\n")
    .map((row) => JSON.parse(row));
  expect(new Set(rows.map((row) => row.custom_id)).size).toBe(30);
  expect(rows.map((row) => row.custom_id)).not.toEqual(lines.map((_, i) => `doc-${i}`));
  const invoice = await emulator.invoice();
  expect(invoice.lines).toHaveLength(30);
  expect(invoice.lines.every((line) => line.tier === "batch" && line.batchId === made.id)).toBe(true);
  expect(batch.usage?.output_tokens).toBe(rows.reduce((sum, row) => sum + row.response.body.usage.completion_tokens, 0));
});

test("a message batch ends with one result for each request, bad parameters as errored rows", async () => {
  const { anthropic, emulator, time } = await started({ batchTurnaroundMs: 10 * 60_000 });
  const good = { model: "claude-haiku-4-5" as const, max_tokens: 100, messages: [{ role: "user" as const, content: readme }] };
  const made = await anthropic.messages.batches.create({
    requests: [
      { custom_id: "a", params: good },
      { custom_id: "b", params: { ...good, model: "claude-none" as "claude-haiku-4-5" } },
    ],
  });
  expect(made).toMatchObject({ processing_status: "in_progress", request_counts: { processing: 2, succeeded: 0 }, results_url: null });
  time.nowMs += HOUR;
  const ended = await anthropic.messages.batches.retrieve(made.id);
  expect(ended).toMatchObject({ processing_status: "ended", request_counts: { processing: 0, succeeded: 1, errored: 1 } });
  const results = new Map<string, Anthropic.Messages.MessageBatchResult>();
  for await (const row of await anthropic.messages.batches.results(made.id)) results.set(row.custom_id, row.result);
  expect(results.get("a")).toMatchObject({ type: "succeeded", message: { usage: { service_tier: "batch" } } });
  expect(results.get("b")).toMatchObject({
    type: "errored",
    error: { type: "error", error: { type: "not_found_error", message: "model: claude-none" }, request_id: null },
  });
  expect((await emulator.invoice()).lines).toHaveLength(1);
});
