import {
  type MessageBatch,
  type MessageCounts,
  messageAtMs,
  messageEndOf,
  messageStatusOf,
  messagesDone,
  RESULTS_MS,
} from "./model/anthropic-batch.ts";
import { answerMessages } from "./model/anthropic-messages.ts";
import { diceOf } from "./model/dice.ts";
import { anthropicRefuses, Refusal } from "./model/errors.ts";
import type { Quirks } from "./model/faults.ts";
import { isObject, type Json, objectOf, textOf } from "./model/json.ts";
import { linesOf } from "./model/lines.ts";
import { faultReply } from "./model/presets.ts";
import type { Charge } from "./model/types.ts";
import { chargeOf, type ProviderCore } from "./provider.ts";
import { shuffler } from "./shuffle.ts";
import { slicer } from "./slices.ts";

const MAX_REQUESTS = 100_000;
const LOOK_MS = 2_000;
const CUSTOM_ID = /^[a-zA-Z0-9_-]{1,64}$/;

/** Anthropic's message batches: made, looked at, cancelled, deleted. */
export interface MessageBatches {
  create(body: Json, version: string, quirks?: Quirks): Promise<MessageBatch>;
  cancel(id: string): Promise<MessageBatch>;
  look(id: string): Promise<MessageBatch>;
  delete(id: string): Promise<void>;
  /** The results as JSONL; a refusal before the end and after 29 days. */
  results(id: string): Promise<AsyncIterable<Uint8Array>>;
  settleAll(): Promise<void>;
}

export function createMessageBatches(core: ProviderCore): MessageBatches {
  const { world } = core;
  const running = new Map<string, Promise<void>>();
  const get = (id: string): MessageBatch => {
    const batch = world.messageBatches.get(id);
    if (batch === undefined || core.isHidden(id)) throw anthropicRefuses(`Message Batch ${id} not found.`, 404);
    return batch;
  };
  const advance = (batch: MessageBatch): Promise<void> => {
    const work = running.get(batch.id) ?? settle(core, batch).finally(() => running.delete(batch.id));
    running.set(batch.id, work);
    return work;
  };
  const isDue = (batch: MessageBatch): boolean => batch.settled === null && core.nowMs() >= messageEndOf(batch).atMs;
  const look = async (id: string): Promise<MessageBatch> => {
    const batch = get(id);
    if (isDue(batch)) await Promise.race([advance(batch), new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref())]);
    return get(id);
  };
  return {
    create: (body, version, quirks) => create(core, body, version, quirks),
    look,
    cancel: async (id) => {
      const batch = await look(id);
      if (messageStatusOf(batch, core.nowMs()) === "ended") throw anthropicRefuses(`Batch ${id} has already ended and cannot be canceled.`);
      if (batch.cancelMs === null && core.nowMs() < messageEndOf(batch).atMs) core.commit({ kind: "messages-cancelled", id, atMs: core.nowMs() });
      return look(id);
    },
    delete: async (id) => {
      if (messageStatusOf(await look(id), core.nowMs()) !== "ended")
        throw anthropicRefuses("In progress batches cannot be deleted. Consider canceling the batch instead.");
      core.commit({ kind: "messages-deleted", id });
      for (const part of ["requests", "results"]) core.keep.remove(`${id}.${part}`);
    },
    results: async (id) => {
      const batch = await look(id);
      const nowMs = core.nowMs();
      if (messageStatusOf(batch, nowMs) !== "ended" || nowMs >= batch.createdMs + RESULTS_MS)
        throw anthropicRefuses(`Message Batch ${id} has no available results.`, 404);
      return core.keep.read(`${id}.results`);
    },
    settleAll: async () => {
      for (const batch of [...world.messageBatches.values()]) if (isDue(batch)) await advance(batch);
    },
  };
}

function checkCustomIds(requests: readonly unknown[]): void {
  const seen = new Set<string>();
  requests.forEach((raw, i) => {
    if (!isObject(raw)) throw anthropicRefuses(`requests.${i}: Input should be an object`);
    const id = raw["custom_id"];
    if (id === undefined) throw anthropicRefuses(`requests.${i}.custom_id: Field required`);
    if (typeof id !== "string") throw anthropicRefuses(`requests.${i}.custom_id: Input should be a valid string`);
    if (id.length > 64) throw anthropicRefuses(`requests.${i}.custom_id: String should have at most 64 characters`);
    if (!CUSTOM_ID.test(id)) throw anthropicRefuses(`requests.${i}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`);
    if (seen.has(id)) throw anthropicRefuses(`requests: custom_id's must be unique within a batch. Duplicate custom_id found: ${id}`);
    seen.add(id);
    if (raw["params"] === undefined) throw anthropicRefuses(`requests.${i}.params: Field required`);
  });
}

async function create(core: ProviderCore, body: Json, version: string, quirks: Quirks | undefined): Promise<MessageBatch> {
  const requests = body["requests"];
  if (requests === undefined) throw anthropicRefuses("requests: Field required");
  if (!Array.isArray(requests)) throw anthropicRefuses("requests: Input should be a valid list");
  if (requests.length === 0) throw anthropicRefuses("requests: List should have at least 1 item after validation, not 0");
  if (requests.length > MAX_REQUESTS)
    throw anthropicRefuses(`requests: List should have at most ${MAX_REQUESTS} items after validation, not ${requests.length}`, 413);
  checkCustomIds(requests);
  checkQueue(core, requests.length);
  const id = `msgbatch_01${core.serial("msgbatch", 22)}`;
  const writer = core.keep.writer(`${id}.requests`);
  const pause = slicer();
  for (const request of requests) {
    writer.write(`${JSON.stringify(request)}\n`);
    await pause();
  }
  writer.end();
  const batch: MessageBatch = {
    id,
    createdMs: core.nowMs(),
    plan: core.plan(id, requests.length, quirks),
    total: requests.length,
    version,
    cancelMs: null,
    settled: null,
    ...(quirks === undefined ? {} : { quirks }),
  };
  core.commit({ kind: "messages-created", batch });
  return batch;
}

/** Requests of all batches that have not ended, these with them, must fit the queue. */
function checkQueue(core: ProviderCore, more: number): void {
  const nowMs = core.nowMs();
  let waiting = more;
  for (const batch of core.world.messageBatches.values()) if (batch.settled === null && nowMs < messageEndOf(batch).atMs) waiting += batch.total;
  const limit = core.behaviour.messageQueueLimit;
  if (waiting <= limit) return;
  throw new Refusal("anthropic", 429, "rate_limit_error", `This request would exceed the limit of ${limit} batch requests in the processing queue.`, {
    headers: { "retry-after": "60" },
  });
}

/** Runs the requests that had their turn, writes the results and journals the counters with all charges in one event. */
async function settle(core: ProviderCore, batch: MessageBatch): Promise<void> {
  const end = messageEndOf(batch);
  const done = end.kind === "finished" ? batch.total : messagesDone(batch, end.atMs);
  const writer = core.keep.writer(`${batch.id}.results`);
  let first = true;
  const shuffled = shuffler<string>(diceOf(core.behaviour.seed, "order", batch.id), (row) => {
    writer.write(batch.quirks?.crlf === true ? `${first ? "" : "\r\n"}${row}` : `${row}\n`);
    first = false;
  });
  const counts = { succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  const charges: Charge[] = [];
  const encoded: string[] = [];
  const pause = slicer();
  let index = 0;
  for await (const bytes of linesOf(core.keep.read(`${batch.id}.requests`))) {
    await pause();
    const request = objectOf(JSON.parse(bytes.toString("utf8")));
    const early = end.kind === "canceled" ? "canceled" : "expired";
    const { result, charge } = index < done ? run(core, batch, request, index, end.atMs) : { result: { type: early }, charge: null };
    index++;
    counts[result["type"] as keyof MessageCounts]++;
    if (charge !== null) {
      charges.push(charge);
      encoded.push(JSON.stringify(charge));
    }
    shuffled.add(JSON.stringify({ custom_id: request["custom_id"], result }));
  }
  shuffled.end();
  writer.end();
  core.commit({ kind: "messages-settled", id: batch.id, counts, charges }, encoded);
}

function run(core: ProviderCore, batch: MessageBatch, request: Json, index: number, atMs: number): { result: Json; charge: Charge | null } {
  const params = objectOf(request["params"]);
  const customId = textOf(request["custom_id"]);
  const requestId = `req_01${core.serial("request", 22)}`;
  const endpoint = "/v1/messages";
  const effect = core.faults.take({
    provider: "anthropic",
    method: "POST",
    path: endpoint,
    model: textOf(params["model"]),
    customId,
    serviceTier: "batch",
    stream: false,
  });
  const reply = effect === null ? null : faultReply("anthropic", effect);
  if (reply !== null) return { result: { type: "errored", error: { ...objectOf(reply.body), request_id: null } }, charge: null };
  try {
    // The lines run side by side: none sees what another of them writes.
    const line = { batchId: batch.id, index, atMs: messageAtMs(batch, index), seesBatch: false };
    const asking = core.asking({ serial: core.serial("answer", 29), line });
    const answered = answerMessages(asking, params, batch.version);
    const charge = chargeOf(answered, { nowMs: atMs, provider: "anthropic", endpoint, requestId, batchId: batch.id, customId });
    return { result: { type: "succeeded", message: answered.body }, charge };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { result: { type: "errored", error: error.anthropicBody(null) }, charge: null };
  }
}
