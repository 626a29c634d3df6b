import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { afterEach } from "vitest";
import { type Emulator, type EmulatorOptions, startEmulator } from "./index.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const open: Emulator[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((emulator) => emulator.stop()));
});

/** An emulator whose clock the test moves, with both official clients; it is stopped after the test. */
export async function started(options: EmulatorOptions = {}) {
  const time = { nowMs: Date.UTC(2026, 10, 20, 22) };
  const emulator = await startEmulator({ clock: () => time.nowMs, ...options });
  open.push(emulator);
  return { emulator, time, ...clients(emulator.url) };
}

/** Both official clients, without retries, so that a test sees each answer. */
export function clients(url: string) {
  return {
    openai: new OpenAI({ apiKey: "any", baseURL: `${url}/v1`, maxRetries: 0, logLevel: "off" }),
    anthropic: new Anthropic({ apiKey: "any", baseURL: url, maxRetries: 0, logLevel: "off" }),
  };
}

export const readme = readFileSync(new URL("../../../../node_modules/hono/README.md", import.meta.url), "utf8");

export const summarise = (text: string) => [
  { role: "system" as const, content: "Summarise the README in two sentences." },
  { role: "user" as const, content: text },
];

export interface LineParts {
  custom_id?: unknown;
  method?: unknown;
  url?: unknown;
  body?: unknown;
}

/** A line of a batch file; members may be replaced, or left out with undefined. */
export const batchLine = (id: string, parts: LineParts = {}): string =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "gpt-5-mini", messages: summarise(`Document ${id}. It tells of boats that go slowly.`) },
    ...parts,
  });

/** Uploads lines and makes a batch of them. */
export async function makeBatch(
  openai: OpenAI,
  lines: readonly string[],
  endpoint: "/v1/chat/completions" | "/v1/embeddings" | "/v1/responses" = "/v1/chat/completions",
) {
  const file = await openai.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "night.jsonl"), purpose: "batch" });
  const batch = await openai.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
  return { file, batch };
}

/** The rows of a stored JSONL file. */
export async function rowsOf(openai: OpenAI, fileId: string | null | undefined) {
  const text = await (await openai.files.content(fileId ?? "")).text();
  return text
    .trim()
    .split("\n")
    .map((row) => JSON.parse(row));
}
