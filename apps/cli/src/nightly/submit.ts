import { createHash } from "node:crypto";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import type { DataFolder } from "../supervisor/data-folder.ts";
import { type BatchLine, jsonl, type NightPlan } from "./night-plan.ts";
import { keepNight, type NightState, type Part } from "./night-state.ts";

/** The official clients, pointed at our own API. */
export interface Clients {
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
}

const TIMEOUT_MS = 60_000;
/** The same text asked twice may be answered once, although a model's answer is drawn by lot. */
const REUSE = "exact";

export const makeClients = (url: string, apiKey: string): Clients => ({
  openai: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 2, timeout: TIMEOUT_MS }),
  anthropic: new Anthropic({ baseURL: url, apiKey, maxRetries: 2, timeout: TIMEOUT_MS }),
});

/** A digest of everything the night asks for. */
export function digestOf(plan: NightPlan): string {
  const hash = createHash("sha256");
  for (const lines of [plan.embeddings, plan.topics, plan.chat, plan.messages]) hash.update(jsonl(lines)).update("\u0000");
  return hash.digest("hex");
}

/**
 * Sends what was not sent yet, writing each step down. Every batch carries an Idempotency-Key of the night, so that a crash
 * between its creation and the note of it makes no second one.
 */
export async function submitNight(clients: Clients, folder: DataFolder, plan: NightPlan, begun: NightState): Promise<NightState> {
  let state = begun;
  const keep = (next: NightState): void => {
    state = next;
    keepNight(folder, state);
  };
  const key = (part: Part): Record<string, string> => ({ "Idempotency-Key": `${state.id}-${part}` });
  const lines = { embeddings: plan.embeddings, topics: plan.topics, chat: plan.chat };
  for (const part of ["chat", "messages", "embeddings", "topics"] as const) {
    if (state.batchIds[part] !== undefined || plan[part].length === 0) continue;
    let batchId: string;
    if (part === "messages") {
      const headers = { ...key(part), "Slowboat-Deadline": state.deadline, "Slowboat-Cache": REUSE };
      batchId = (await clients.anthropic.messages.batches.create({ requests: [...plan.messages] }, { headers })).id;
    } else {
      const fileId = state.fileIds[part] ?? (await upload(clients.openai, part, lines[part]));
      keep({ ...state, fileIds: { ...state.fileIds, [part]: fileId } });
      // The client's type lists the provider's endpoints; classification is ours.
      const endpoint = lines[part][0]?.url as "/v1/embeddings";
      const metadata = { deadline: state.deadline, cache: REUSE, night: state.name };
      batchId = (await clients.openai.batches.create({ input_file_id: fileId, endpoint, completion_window: "24h", metadata }, { headers: key(part) }))
        .id;
    }
    keep({ ...state, batchIds: { ...state.batchIds, [part]: batchId } });
  }
  return state;
}

async function upload(openai: OpenAI, part: Part, lines: readonly BatchLine[]): Promise<string> {
  const file = await toFile(Buffer.from(jsonl(lines)), `${part}.jsonl`);
  return (await openai.files.create({ file, purpose: "batch" })).id;
}

/** Where one batch of the night stands. */
export interface PartProgress {
  readonly part: Part;
  readonly ended: boolean;
  readonly done: number;
  readonly total: number;
  /** The batch's own word. */
  readonly status: string;
  /** Why a whole batch was refused; `null` when it was not. */
  readonly refusal: string | null;
}

/** Asks the API where a part stands. */
export async function partProgress(clients: Clients, state: NightState, part: Part): Promise<PartProgress | null> {
  const id = state.batchIds[part];
  if (id === undefined) return null;
  if (part === "messages") {
    const batch = await clients.anthropic.messages.batches.retrieve(id);
    const { processing, succeeded, errored, canceled, expired } = batch.request_counts;
    const done = succeeded + errored + canceled + expired;
    return { part, ended: batch.processing_status === "ended", done, total: processing + done, status: batch.processing_status, refusal: null };
  }
  const batch = await clients.openai.batches.retrieve(id);
  const counts = batch.request_counts;
  const ended = ["completed", "failed", "cancelled", "expired"].includes(batch.status);
  const refusal =
    batch.status === "failed"
      ? (batch.errors?.data ?? [])
          .slice(0, 3)
          .map((error) => `line ${error.line ?? "?"}: ${error.message}`)
          .join("; ") || "no reason given"
      : null;
  return { part, ended, done: (counts?.completed ?? 0) + (counts?.failed ?? 0), total: counts?.total ?? 0, status: batch.status, refusal };
}
