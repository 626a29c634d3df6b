import { setTimeout as pause } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import type { Installation } from "./installation.ts";

/** Lines of each kind in one wave. */
export interface WaveSize {
  /** OpenAI batch with hours of time: the provider's batch lane. */
  readonly chat: number;
  /** OpenAI batch with minutes of time: real-time calls off the queue. */
  readonly hurried: number;
  readonly messages: number;
  /** Embeddings on the pool. */
  readonly embeddings: number;
  /** Native jobs, each with a callback. */
  readonly native: number;
}

/** What was accepted so far: the ids that the API gave for it. */
export interface Accepted {
  readonly batches: { readonly id: string; readonly surface: "openai" | "anthropic"; readonly customIds: readonly string[] }[];
  readonly jobs: string[];
}

export const sizeOf = (size: WaveSize): number => size.chat + size.hurried + size.messages + size.embeddings + size.native;

const DEADLINE = "4h";
/** Time enough for real time alone. */
const HURRIED_DEADLINE = "40m";
/** Every so many lines ask what another line asked before. */
const REPEATS_EVERY = 12;
const NATIVE_AT_ONCE = 4;
const SUBMIT_MS = 30_000;

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Submits waves of work through the public API, as callers do: every call is tried again until it is answered, under an Idempotency-Key. */
export function submitter(at: Installation, callbackUrl: string, accepted: Accepted): (wave: string, size: WaveSize) => Promise<void> {
  const clients = (): { openai: OpenAI; anthropic: Anthropic } => ({
    openai: new OpenAI({ baseURL: `${at.url}/v1`, apiKey: at.key, maxRetries: 10, timeout: 20_000 }),
    anthropic: new Anthropic({ baseURL: at.url, apiKey: at.key, maxRetries: 10, timeout: 20_000 }),
  });

  const batch = async (
    name: string,
    deadline: string,
    endpoint: "/v1/chat/completions" | "/v1/embeddings",
    bodies: readonly object[],
  ): Promise<void> => {
    const { openai } = clients();
    const customIds = bodies.map((_, index) => `${name}-${index}`);
    const lines = bodies.map((body, index) => `${JSON.stringify({ custom_id: customIds[index], method: "POST", url: endpoint, body })}\n`);
    const file = await openai.files.create({ file: await toFile(Buffer.from(lines.join("")), `${name}.jsonl`), purpose: "batch" });
    const metadata = { deadline, cache: "exact" };
    const headers = { "Idempotency-Key": name };
    const { id } = await openai.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h", metadata }, { headers });
    accepted.batches.push({ id, surface: "openai", customIds });
  };

  const messageBatch = async (name: string, count: number): Promise<void> => {
    const requests = range(count).map((index) => ({
      custom_id: `${name}-${index}`,
      params: { model: "claude-haiku-4-5", max_tokens: 40, messages: [userSays(name, index)] },
    }));
    const headers = { "Idempotency-Key": name, "Slowboat-Deadline": DEADLINE };
    const { id } = await clients().anthropic.messages.batches.create({ requests }, { headers });
    accepted.batches.push({ id, surface: "anthropic", customIds: requests.map((request) => request.custom_id) });
  };

  const native = async (name: string, index: number): Promise<void> => {
    const kinds = [
      { body: chatBody(name, index), deadline: DEADLINE },
      { endpoint: "/v1/messages", body: { model: "claude-haiku-4-5", max_tokens: 40, messages: [userSays(name, index)] } },
      { body: { model: "slowboat-embed", input: `${name} ${index}` }, deadline: DEADLINE },
    ];
    const body = JSON.stringify({ ...kinds[index % kinds.length], callback_url: callbackUrl, metadata: { name } });
    accepted.jobs.push(await postJob(at, body, `${name}-${index}`));
  };

  return async (wave, size) => {
    const chat = (name: string, count: number): object[] =>
      range(count).map((index) => (index % REPEATS_EVERY === 1 ? chatBody("again", index) : chatBody(name, index)));
    await Promise.all([
      batch(`${wave}-chat`, DEADLINE, "/v1/chat/completions", chat(`${wave}-chat`, size.chat)),
      batch(`${wave}-hurried`, HURRIED_DEADLINE, "/v1/chat/completions", chat(`${wave}-hurried`, size.hurried)),
      messageBatch(`${wave}-messages`, size.messages),
      batch(
        `${wave}-embeddings`,
        DEADLINE,
        "/v1/embeddings",
        range(size.embeddings).map((index) => ({ model: "slowboat-embed", input: `document ${index} of ${wave}` })),
      ),
      (async () => {
        const left = range(size.native);
        const one = async (): Promise<void> => {
          for (let index = left.shift(); index !== undefined; index = left.shift()) await native(`${wave}-native`, index);
        };
        await Promise.all(range(NATIVE_AT_ONCE).map(one));
      })(),
    ]);
  };
}

const userSays = (name: string, index: number): { role: "user"; content: string } => ({
  role: "user",
  content: `Question ${index} of ${name}: what is the tide at noon?`,
});
const chatBody = (name: string, index: number): object => ({
  model: "gpt-5-mini",
  max_completion_tokens: 40,
  reasoning_effort: "minimal",
  messages: [userSays(name, index)],
});

async function postJob(at: Installation, body: string, idempotencyKey: string): Promise<string> {
  const headers = { authorization: `Bearer ${at.key}`, "content-type": "application/json", "idempotency-key": idempotencyKey };
  for (const until = performance.now() + SUBMIT_MS; ; ) {
    const answer = await fetch(`${at.url}/v1/jobs`, { method: "POST", headers, body, signal: AbortSignal.timeout(10_000) }).catch(() => null);
    if (answer?.status === 202) return ((await answer.json()) as { id: string }).id;
    const said = answer === null ? "no answer" : `${answer.status} ${await answer.text()}`;
    if ((answer !== null && answer.status < 500) || performance.now() > until) throw new Error(`a job was not accepted: ${said}`);
    await pause(50);
  }
}
