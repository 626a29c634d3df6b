import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { docOf, type NightPlan, topicName } from "./night-plan.ts";
import type { NightState } from "./night-state.ts";
import type { Clients } from "./submit.ts";

const TOPICS_KEPT = 3;

/** Where the results went, and how many documents have each. */
export interface Downloads {
  readonly files: readonly string[];
  readonly counts: { readonly summaries: number; readonly topics: number; readonly embeddings: number; readonly errors: number };
}

interface Answer {
  readonly customId: string;
  /** `null` when the request has no answer. */
  readonly body: Readonly<Record<string, unknown>> | null;
  readonly error: unknown;
}

/** Fetches every result through the API and writes one line a document (`emulated: true` in each where no provider answered): summaries.jsonl, topics.jsonl, embeddings.jsonl, and errors.jsonl if any. */
export async function downloadNight(
  clients: Clients,
  plan: NightPlan,
  state: NightState,
  to: { readonly dir: string; readonly emulated: boolean },
): Promise<Downloads> {
  const { dir, emulated } = to;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const out = {
    summaries: lineFile(dir, "summaries.jsonl"),
    topics: lineFile(dir, "topics.jsonl"),
    embeddings: lineFile(dir, "embeddings.jsonl"),
    errors: lineFile(dir, "errors.jsonl"),
  };
  const label = emulated ? { emulated } : {};
  const take = async (
    answers: AsyncIterable<Answer>,
    to: keyof typeof out,
    read: (body: Record<string, unknown>) => Record<string, unknown> | null,
  ): Promise<void> => {
    for await (const { customId, body, error } of answers) {
      const doc = docOf(plan, customId);
      const fields = doc && body ? read(body) : null;
      if (doc && fields) await out[to].write({ package: doc.packageName, path: doc.id, ...label, ...fields });
      else await out.errors.write({ kind: to, path: doc?.id ?? customId, ...label, error: error ?? "the answer has another shape than expected" });
    }
  };
  await take(openaiAnswers(clients, state.batchIds.embeddings), "embeddings", readEmbedding);
  await take(openaiAnswers(clients, state.batchIds.topics), "topics", readTopics);
  await take(openaiAnswers(clients, state.batchIds.chat), "summaries", readChat);
  await take(anthropicAnswers(clients, state.batchIds.messages), "summaries", readMessage);
  const files: string[] = [];
  for (const file of Object.values(out)) if (await file.close()) files.push(file.path);
  return {
    files,
    counts: { summaries: out.summaries.lines(), topics: out.topics.lines(), embeddings: out.embeddings.lines(), errors: out.errors.lines() },
  };
}

/** A JSONL file that is made with its first line. */
function lineFile(dir: string, name: string) {
  const path = join(dir, name);
  let stream: ReturnType<typeof createWriteStream> | null = null;
  let lines = 0;
  return {
    path,
    lines: () => lines,
    write: async (value: unknown): Promise<void> => {
      stream ??= createWriteStream(path, { mode: 0o600 });
      lines++;
      if (!stream.write(`${JSON.stringify(value)}\n`)) await new Promise((done) => stream?.once("drain", () => done(null)));
    },
    close: async (): Promise<boolean> => {
      if (!stream) return false;
      stream.end();
      await finished(stream);
      return true;
    },
  };
}

async function* openaiAnswers(clients: Clients, batchId: string | undefined): AsyncGenerator<Answer> {
  if (batchId === undefined) return;
  const batch = await clients.openai.batches.retrieve(batchId);
  for (const fileId of [batch.output_file_id, batch.error_file_id]) {
    if (!fileId) continue;
    const content = await clients.openai.files.content(fileId);
    if (!content.body) continue;
    for await (const text of createInterface({ input: Readable.fromWeb(content.body), crlfDelay: Number.POSITIVE_INFINITY })) {
      if (text === "") continue;
      const line = JSON.parse(text) as { custom_id: string; response: { status_code: number; body: Record<string, unknown> } | null; error: unknown };
      const good = line.response !== null && line.response.status_code < 300;
      yield { customId: line.custom_id, body: good ? (line.response?.body ?? null) : null, error: line.error ?? line.response?.body };
    }
  }
}

async function* anthropicAnswers(clients: Clients, batchId: string | undefined): AsyncGenerator<Answer> {
  if (batchId === undefined) return;
  for await (const line of await clients.anthropic.messages.batches.results(batchId)) {
    if (line.result.type === "succeeded")
      yield { customId: line.custom_id, body: line.result.message as unknown as Record<string, unknown>, error: null };
    else yield { customId: line.custom_id, body: null, error: line.result };
  }
}

function readEmbedding(body: Record<string, unknown>): Record<string, unknown> | null {
  const data = body["data"] as { embedding?: unknown }[] | undefined;
  return data?.[0]?.embedding === undefined ? null : { model: body["model"], embedding: data[0].embedding };
}

function readTopics(body: Record<string, unknown>): Record<string, unknown> | null {
  const data = body["data"] as { scores?: Record<string, number> }[] | undefined;
  const scores = data?.[0]?.scores;
  if (!scores) return null;
  const best = Object.entries(scores)
    .sort((a, b) => b[1] - a[1])
    .slice(0, TOPICS_KEPT);
  return { topic: topicName(best[0]?.[0] ?? ""), topics: best.map(([label, score]) => ({ topic: topicName(label), score })) };
}

function readChat(body: Record<string, unknown>): Record<string, unknown> | null {
  const choices = body["choices"] as { message?: { content?: string | null } }[] | undefined;
  const summary = choices?.[0]?.message?.content;
  return typeof summary === "string" ? { model: body["model"], summary } : null;
}

function readMessage(body: Record<string, unknown>): Record<string, unknown> | null {
  const content = body["content"] as { type: string; text?: string }[] | undefined;
  const texts = content?.flatMap((block) => (block.type === "text" ? [block.text ?? ""] : []));
  return texts === undefined ? null : { model: body["model"], summary: texts.join("") };
}
