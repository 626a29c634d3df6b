import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import { expect, test } from "vitest";
import { batchLine, HOUR, MINUTE, makeBatch, rowsOf, started } from "./test-bed.ts";

/** About 6,000 tokens that no other name has. */
const long = (name: string): string => `${name}: ${"The river is long and the boats are slow, but they carry much for little. ".repeat(340)}`;
const EPHEMERAL = { type: "ephemeral" as const };
type Usage = Anthropic.Messages.Usage;

const messages = (name: string, id: string, ttl: "5m" | "1h" | null = "1h"): Anthropic.Messages.BatchCreateParams.Request => ({
  custom_id: id,
  params: {
    model: "claude-sonnet-5",
    max_tokens: 20,
    system: [{ type: "text", text: long(name), ...(ttl === null ? {} : { cache_control: { ...EPHEMERAL, ttl } }) }],
    messages: [{ role: "user", content: `Question ${id}?` }],
  },
});
const lines = (name: string, count: number, from = 0) => Array.from({ length: count }, (_, i) => messages(name, `l${from + i}`));

async function usages(anthropic: Anthropic, id: string): Promise<Usage[]> {
  const found: Usage[] = [];
  for await (const row of await anthropic.messages.batches.results(id)) if (row.result.type === "succeeded") found.push(row.result.message.usage);
  return found;
}

test("lines of one cold Anthropic batch run side by side: none reads and all pay the write, more than without a breakpoint", async () => {
  const { anthropic, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  const made = await anthropic.messages.batches.create({ requests: lines("A", 12) });
  time.nowMs += HOUR;
  const seen = await usages(anthropic, made.id);
  expect(seen.map((usage) => usage.cache_read_input_tokens)).toEqual(Array(12).fill(0));
  expect(seen.every((usage) => (usage.cache_creation?.ephemeral_1h_input_tokens ?? 0) > 5_000)).toBe(true);
});

test("after a priming batch of one line every line reads, at a twentieth of the real-time price", async () => {
  const { anthropic, emulator, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  await anthropic.messages.batches.create({ requests: lines("B", 1) });
  time.nowMs += 11 * MINUTE;
  await emulator.invoice();
  const made = await anthropic.messages.batches.create({ requests: lines("B", 12, 1) });
  time.nowMs += 11 * MINUTE;
  const seen = await usages(anthropic, made.id);
  expect(seen.every((usage) => (usage.cache_read_input_tokens ?? 0) > 5_000 && usage.cache_creation_input_tokens === 0)).toBe(true);
  const line = (await emulator.invoice()).lines.at(-1);
  const usage = line?.usage as unknown as Usage;
  expect(line?.nanoUsd).toBe(String(1_000 * usage.input_tokens + 100 * (usage.cache_read_input_tokens ?? 0) + 5_000 * usage.output_tokens));
});

test("a priming batch whose entry has lapsed by the time the lines run is no help", async () => {
  const { anthropic, emulator, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  await anthropic.messages.batches.create({ requests: [messages("C", "p", "5m")] });
  time.nowMs += 11 * MINUTE;
  await emulator.invoice();
  const made = await anthropic.messages.batches.create({ requests: [messages("C", "q", "5m")] });
  time.nowMs += 11 * MINUTE;
  expect((await usages(anthropic, made.id))[0]).toMatchObject({ cache_read_input_tokens: 0 });
});

test("a warm-up over the Messages API is not shared with batches", async () => {
  const { anthropic, time } = await started({ latency: "instant", batchTurnaroundMs: MINUTE });
  const { params } = messages("D", "x");
  await anthropic.messages.create(params as Anthropic.MessageCreateParamsNonStreaming);
  const made = await anthropic.messages.batches.create({ requests: lines("D", 2) });
  time.nowMs += 2 * MINUTE;
  expect((await usages(anthropic, made.id)).map((usage) => usage.cache_read_input_tokens)).toEqual([0, 0]);
});

test("a read walks back twenty positions counting the breakpoint itself, and no further", async () => {
  const { anthropic } = await started({ latency: "instant" });
  const ask = (blocks: number, marked: number): Promise<Anthropic.Message> =>
    anthropic.messages.create({
      model: "claude-sonnet-5",
      max_tokens: 5,
      messages: [
        {
          role: "user",
          content: Array.from({ length: blocks }, (_, i) => ({
            type: "text" as const,
            text: i === 0 ? long("E") : `Part ${i}.`,
            ...(i === marked ? { cache_control: EPHEMERAL } : {}),
          })),
        },
      ],
    });
  await ask(1, 0);
  expect((await ask(20, 19)).usage.cache_read_input_tokens).toBeGreaterThan(5_000);
  const { anthropic: other } = await started({ latency: "instant" });
  await other.messages.create({
    model: "claude-sonnet-5",
    max_tokens: 5,
    messages: [{ role: "user", content: [{ type: "text", text: long("E"), cache_control: EPHEMERAL }] }],
  });
  const far = Array.from({ length: 21 }, (_, i) => ({
    type: "text" as const,
    text: i === 0 ? long("E") : `Part ${i}.`,
    ...(i === 20 ? { cache_control: EPHEMERAL } : {}),
  }));
  const seen = await other.messages.create({ model: "claude-sonnet-5", max_tokens: 5, messages: [{ role: "user", content: far }] });
  expect(seen.usage).toMatchObject({ cache_read_input_tokens: 0 });
});

test("a breakpoint on thinking or on an empty text is refused", async () => {
  const { anthropic } = await started();
  const content = [{ type: "text" as const, text: "", cache_control: EPHEMERAL }];
  await expect(anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 5, messages: [{ role: "user", content }] })).rejects.toMatchObject({
    status: 400,
  });
});

interface OpenAiUsage {
  readonly prompt_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly cache_write_tokens: number };
}

/** A chat request of GPT-5.6 with a breakpoint on the system text, or without. */
const chat = (name: string, question: string, more: object = {}, marked = true) => ({
  model: "gpt-5.6-luna",
  max_completion_tokens: 5,
  messages: [
    { role: "system", content: [{ type: "text", text: long(name), ...(marked ? { prompt_cache_breakpoint: { mode: "explicit" } } : {}) }] },
    { role: "user", content: question },
  ],
  ...more,
});
const EXPLICIT = { prompt_cache_options: { mode: "explicit" } };

async function usageOf(openai: OpenAI, body: object): Promise<OpenAiUsage["prompt_tokens_details"]> {
  const answer = await openai.chat.completions.create(body as OpenAI.ChatCompletionCreateParamsNonStreaming);
  return (answer.usage as unknown as OpenAiUsage).prompt_tokens_details;
}

test("from GPT-5.6 on a shared system text is read at an explicit breakpoint only, and without one every prompt is written whole", async () => {
  const { openai } = await started({ latency: "instant" });
  expect((await usageOf(openai, chat("F", "one", {}, false))).cache_write_tokens).toBeGreaterThan(5_000);
  expect(await usageOf(openai, chat("F", "two", {}, false))).toMatchObject({ cached_tokens: 0 });
  const first = await usageOf(openai, chat("F", "three", EXPLICIT));
  expect(first).toMatchObject({ cached_tokens: 0 });
  expect(await usageOf(openai, chat("F", "four", EXPLICIT))).toEqual({ ...first, cached_tokens: first.cache_write_tokens, cache_write_tokens: 0 });
  expect(await usageOf(openai, chat("F", "five", EXPLICIT, false))).toMatchObject({ cached_tokens: 0, cache_write_tokens: 0 });
});

test("the cache key is a part of the match, and beyond fifteen requests in a minute one key overflows to a machine that has to write again", async () => {
  const { openai, time } = await started({ latency: "instant" });
  const ask = (key: string, n: number) => usageOf(openai, chat("G", `n${n}`, { ...EXPLICIT, prompt_cache_key: key }));
  expect((await ask("a", 0)).cache_write_tokens).toBeGreaterThan(5_000);
  expect((await ask("b", 0)).cache_write_tokens).toBeGreaterThan(5_000);
  for (let n = 1; n < 15; n++) expect((await ask("a", n)).cached_tokens).toBeGreaterThan(5_000);
  expect((await ask("a", 15)).cache_write_tokens).toBeGreaterThan(5_000);
  time.nowMs += 2 * MINUTE;
  expect((await ask("a", 16)).cached_tokens).toBeGreaterThan(5_000);
});

test("an entry lives thirty minutes from its last use, and no longer", async () => {
  const { openai, time } = await started({ latency: "instant" });
  const ask = (n: number) => usageOf(openai, chat("H", `n${n}`, EXPLICIT));
  await ask(0);
  for (let n = 1; n < 4; n++) {
    time.nowMs += 29 * MINUTE;
    expect((await ask(n)).cached_tokens).toBeGreaterThan(5_000);
  }
  time.nowMs += 31 * MINUTE;
  expect((await ask(4)).cached_tokens).toBe(0);
});

test("twelve hours are written at their own price and told apart in the usage", async () => {
  const { openai, emulator, time } = await started({ latency: "instant" });
  const input = [{ role: "user", content: [{ type: "input_text", text: long("I"), prompt_cache_breakpoint: { mode: "explicit", ttl: "12h" } }] }];
  const ask = () =>
    openai.responses.create({
      model: "gpt-6.1-terra",
      input,
      max_output_tokens: 16,
      ...EXPLICIT,
    } as OpenAI.Responses.ResponseCreateParamsNonStreaming);
  const written = (await ask()).usage?.input_tokens_details as unknown as { cache_write_tokens: number; cache_write_tokens_details: object };
  expect(written.cache_write_tokens_details).toEqual({ ttl_30m_tokens: 0, ttl_12h_tokens: written.cache_write_tokens });
  const [line] = (await emulator.invoice()).lines;
  const usage = line?.usage as { input_tokens: number; output_tokens: number };
  expect(line?.nanoUsd).toBe(
    String(1_000 * (usage.input_tokens - written.cache_write_tokens) + 2_500 * written.cache_write_tokens + 5_000 * usage.output_tokens),
  );
  time.nowMs += 11 * HOUR;
  expect((await ask()).usage?.input_tokens_details.cached_tokens).toBe(written.cache_write_tokens);
});

test("OpenAI batch lines at breakpoints read what an earlier batch wrote, and models that cache by themselves read what their siblings wrote", async () => {
  const { openai, emulator, time } = await started({ batchTurnaroundMs: 10 * MINUTE });
  const run = async (bodies: readonly object[]): Promise<number[]> => {
    const { batch } = await makeBatch(
      openai,
      bodies.map((body, i) => batchLine(`l${i}`, { body })),
    );
    time.nowMs += 11 * MINUTE;
    await emulator.invoice();
    const rows = await rowsOf(openai, (await openai.batches.retrieve(batch.id)).output_file_id);
    return rows.map((row) => row.response.body.usage.prompt_tokens_details.cached_tokens);
  };
  const many = (model: string, name: string) => Array.from({ length: 20 }, (_, i) => ({ ...chat(name, `n${i}`, EXPLICIT), model }));
  expect(await run(many("gpt-5.6-luna", "J"))).toEqual(Array(20).fill(0));
  expect((await run(many("gpt-5.6-luna", "J"))).every((cached) => cached > 5_000)).toBe(true);
  const automatic = await run(many("gpt-5-mini", "K"));
  const reads = automatic.filter((cached) => cached > 5_000).length;
  expect(reads).toBeGreaterThan(8);
  expect(reads).toBeLessThan(20);
});
