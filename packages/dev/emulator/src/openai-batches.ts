import { modelOf } from "./model/catalog.ts";
import { checkBatchFile } from "./model/check-batch-file.ts";
import { diceOf } from "./model/dice.ts";
import { openAiRefuses, Refusal } from "./model/errors.ts";
import type { Quirks } from "./model/faults.ts";
import { isObject, type Json, numberOf, objectOf, textOf } from "./model/json.ts";
import { isBlank, linesOf } from "./model/lines.ts";
import { endOf, lineAtMs, linesDone, type OpenAiBatch, type Settled, statusOf, validatedAtMs } from "./model/openai-batch.ts";
import { OPENAI_ENDPOINTS } from "./model/openai-endpoints.ts";
import { faultReply } from "./model/presets.ts";
import { WINDOW_MS } from "./model/turnaround.ts";
import type { Answered, Charge } from "./model/types.ts";
import { isLive, isRead, type StoredFile } from "./model/world.ts";
import { chargeOf, type ProviderCore } from "./provider.ts";
import { shuffler } from "./shuffle.ts";
import { slicer } from "./slices.ts";

const HOUR_MS = 3_600_000;
const CREATIONS_PER_HOUR = 2_000;
/** How long a look at a batch waits for work that is due, in machine milliseconds; after that it shows the state before. */
const LOOK_MS = 2_000;
/** Chance that a line finds what earlier lines of its batch wrote, on models that cache by themselves: 24.0 of 31.5 million prompt tokens were seen read. */
const SIBLING_HITS = 0.76;

/** OpenAI's batches: made, looked at, cancelled. Nothing runs by timer; a look brings a batch to where the clock says it is. */
export interface OpenAiBatches {
  create(body: Json, quirks?: Quirks): OpenAiBatch;
  cancel(id: string): Promise<OpenAiBatch>;
  /** Brings the batch up to date, waiting a moment at most for results that are still being written. */
  look(id: string): Promise<OpenAiBatch>;
  /** The same for the provider itself, to which nothing is hidden. */
  peek(id: string): Promise<OpenAiBatch>;
  /** Brings every batch up to date and waits for all of it. */
  settleAll(): Promise<void>;
}

export function createOpenAiBatches(core: ProviderCore): OpenAiBatches {
  const { world } = core;
  const running = new Map<string, Promise<void>>();
  const get = (id: string): OpenAiBatch => {
    const batch = world.batches.get(id);
    if (batch === undefined) throw unknownBatch(id);
    return batch;
  };
  const advance = (id: string): Promise<void> => {
    const known = running.get(id);
    if (known !== undefined) return known;
    const work = bringUpToDate(core, id).finally(() => running.delete(id));
    running.set(id, work);
    return work;
  };
  const isDue = (batch: OpenAiBatch): boolean => {
    const nowMs = core.nowMs();
    // What is refused has ended; but for what was cancelled before anybody knew.
    if (batch.settled !== null || ((batch.checked?.errors.length ?? 0) > 0 && batch.cancelMs === null)) return false;
    return batch.checked === null ? nowMs >= Math.min(validatedAtMs(batch), endOf(batch).atMs) : nowMs >= endOf(batch).atMs;
  };
  const peek = async (id: string): Promise<OpenAiBatch> => {
    if (isDue(get(id))) await atMost(LOOK_MS, advance(id));
    return get(id);
  };
  const look = async (id: string): Promise<OpenAiBatch> => {
    if (core.isHidden(id)) throw unknownBatch(id);
    return peek(id);
  };
  return {
    create: (body, quirks) => create(core, body, quirks),
    look,
    peek,
    cancel: async (id) => {
      const batch = await look(id);
      const status = statusOf(batch, core.nowMs());
      if (!["validating", "in_progress", "finalizing", "cancelling"].includes(status))
        throw openAiRefuses(`Cannot cancel a batch with status '${status}'.`);
      // Results that are being written can no longer be stopped.
      if (batch.cancelMs === null && core.nowMs() < endOf(batch).atMs) core.commit({ kind: "batch-cancelled", id, atMs: core.nowMs() });
      return look(id);
    },
    settleAll: async () => {
      for (const batch of [...world.batches.values()]) if (isDue(batch)) await advance(batch.id);
    },
  };
}

const unknownBatch = (id: string): Refusal => openAiRefuses(`No batch found with id '${id}'.`, null, null, 404);

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, patience]).finally(() => clearTimeout(timer));
}

const missing = (name: string): Refusal => openAiRefuses(`Missing required parameter: '${name}'.`, name, "missing_required_parameter");

function checkMetadata(metadata: unknown): Json | null {
  if (metadata === undefined || metadata === null) return null;
  const entries = Object.entries(objectOf(metadata));
  if (
    !isObject(metadata) ||
    entries.length > 16 ||
    entries.some(([key, value]) => typeof value !== "string" || key.length > 64 || value.length > 512)
  ) {
    throw openAiRefuses("Invalid 'metadata': at most 16 pairs of text, keys up to 64 and values up to 512 characters.", "metadata", "invalid_value");
  }
  return metadata;
}

function create(core: ProviderCore, body: Json, quirks: Quirks | undefined): OpenAiBatch {
  for (const name of ["input_file_id", "endpoint", "completion_window"]) if (body[name] === undefined) throw missing(name);
  const endpoint = textOf(body["endpoint"]);
  if (!(endpoint in OPENAI_ENDPOINTS))
    throw openAiRefuses(
      `Invalid value: '${endpoint}'. Supported values are: ${Object.keys(OPENAI_ENDPOINTS)
        .map((e) => `'${e}'`)
        .join(", ")}.`,
      "endpoint",
      "invalid_value",
    );
  if (body["completion_window"] !== "24h")
    throw openAiRefuses(`Invalid value: '${String(body["completion_window"])}'. Value must be '24h'.`, "completion_window", "invalid_value");
  const metadata = checkMetadata(body["metadata"]);
  const after = objectOf(body["output_expires_after"]);
  const seconds = numberOf(after["seconds"]);
  if (
    body["output_expires_after"] !== undefined &&
    (after["anchor"] !== "created_at" || seconds === null || seconds < 3_600 || seconds > 2_592_000)
  ) {
    throw openAiRefuses("Invalid 'output_expires_after': anchor 'created_at' and 3600 to 2592000 seconds.", "output_expires_after", "invalid_value");
  }
  const nowMs = core.nowMs();
  let recent = 0;
  for (const batch of core.world.batches.values()) if (batch.createdMs > nowMs - HOUR_MS) recent++;
  if (core.behaviour.latency !== "instant" && recent >= CREATIONS_PER_HOUR) {
    throw new Refusal("openai", 429, "requests", `Rate limit reached for batch creation: Limit ${CREATIONS_PER_HOUR} per hour.`, {
      code: "rate_limit_exceeded",
      headers: creationLimitHeaders(core.world, nowMs),
    });
  }
  const id = `batch_${core.serial("batch", 32)}`;
  const inputFileId = textOf(body["input_file_id"]);
  const plan = core.plan(id, core.world.files.get(inputFileId)?.lines ?? 1, quirks);
  const batch: OpenAiBatch = {
    id,
    endpoint,
    inputFileId,
    metadata,
    outputExpiresAfterS: seconds,
    createdMs: nowMs,
    plan,
    checked: null,
    cancelMs: null,
    settled: null,
    ...(quirks === undefined ? {} : { quirks }),
  };
  core.commit({ kind: "batch-created", batch });
  return batch;
}

/** How many creations there may be, and when the oldest of the last hour no longer counts. */
function creationLimitHeaders(world: ProviderCore["world"], nowMs: number): Record<string, string> {
  let oldestMs = nowMs;
  for (const { createdMs } of world.batches.values()) if (createdMs > nowMs - HOUR_MS) oldestMs = Math.min(oldestMs, createdMs);
  const seconds = Math.max(1, Math.ceil((oldestMs + HOUR_MS - nowMs) / 1000));
  return {
    "retry-after": String(seconds),
    "x-ratelimit-limit-requests": String(CREATIONS_PER_HOUR),
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": `${Math.floor(seconds / 60)}m${seconds % 60}s`,
  };
}

async function bringUpToDate(core: ProviderCore, id: string): Promise<void> {
  const read = (): OpenAiBatch | undefined => core.world.batches.get(id);
  const before = read();
  if (before === undefined) return;
  if (before.checked === null) {
    const file = core.world.files.get(before.inputFileId);
    const alive = file !== undefined && isLive(file, validatedAtMs(before)) ? file : undefined;
    const checked = await checkBatchFile({
      batch: before,
      file: alive,
      content: core.keep.read(before.inputFileId),
      behaviour: core.behaviour,
      enqueuedTokens: enqueuedBefore(core, before),
      pause: slicer(),
    });
    core.commit({ kind: "batch-checked", id, checked });
  }
  const batch = read();
  if (batch === undefined || batch.settled !== null || core.nowMs() < endOf(batch).atMs) return;
  if ((batch.checked?.errors.length ?? 0) > 0 && batch.cancelMs === null) return;
  await settle(core, batch);
}

/** Prompt tokens of the same model that waited in older batches when this one was validated. */
function enqueuedBefore(core: ProviderCore, batch: OpenAiBatch): (model: string) => number {
  const at = validatedAtMs(batch);
  return (model) => {
    let sum = 0;
    for (const other of core.world.batches.values()) {
      if (other.id !== batch.id && other.checked?.model === model && validatedAtMs(other) <= at && endOf(other).atMs > at)
        sum += other.checked.enqueuedTokens;
    }
    return sum;
  };
}

interface Row {
  readonly text: string;
  readonly ok: boolean;
}

const ENDED_EARLY = {
  expired: { code: "batch_expired", message: "This request could not be executed before the completion window expired." },
  cancelled: { code: "batch_cancelled", message: "This request was not executed because the batch was cancelled." },
} as const;

/** Runs the lines that had their turn before the end, writes both files and journals them with all charges in one event. */
async function settle(core: ProviderCore, batch: OpenAiBatch): Promise<void> {
  const end = endOf(batch);
  const runnable = (batch.checked?.errors.length ?? 0) === 0 ? (batch.checked?.total ?? 0) : 0;
  const done = end.kind === "completed" ? runnable : linesDone(batch, end.atMs);
  const early = end.kind === "cancelled" ? ENDED_EARLY.cancelled : ENDED_EARLY.expired;
  const fileIds = { output: `file-${core.serial("output", 22)}`, error: `file-${core.serial("error", 22)}` };
  const writers = { output: core.keep.writer(fileIds.output), error: core.keep.writer(fileIds.error) };
  const rows = { output: 0, error: 0 };
  const shuffled = shuffler<Row>(diceOf(core.behaviour.seed, "order", batch.id), (row) => {
    const which = row.ok ? "output" : "error";
    rows[which]++;
    writers[which].write(`${row.text}\n`);
  });
  const charges: Charge[] = [];
  const encoded: string[] = [];
  const sums = { input: 0, cached: 0, output: 0, reasoning: 0 };
  let failed = 0;
  let index = 0;
  let toLose = end.kind === "cancelled" ? (batch.quirks?.losesLines ?? 0) : 0;
  const loses = toLose > 0;
  const pause = slicer();
  if (runnable > 0) {
    for await (const bytes of linesOf(core.keep.read(batch.inputFileId))) {
      if (isBlank(bytes)) continue;
      await pause();
      const line = objectOf(JSON.parse(bytes.toString("utf8")));
      const ran = index < done ? runLine(core, batch, line, index, end.atMs) : null;
      const base = { id: `batch_req_${core.serial("line", 32)}`, custom_id: line["custom_id"] };
      index++;
      if (ran === null) {
        shuffled.add({ text: JSON.stringify({ ...base, response: null, error: early }), ok: false });
        continue;
      }
      if (ran.charge === null) failed++;
      else {
        charges.push(ran.charge);
        encoded.push(JSON.stringify(ran.charge));
        if (toLose > 0) {
          toLose--;
          core.faults.lose(1);
          continue;
        }
        addUsage(sums, ran.charge.usage);
      }
      shuffled.add({ text: JSON.stringify({ ...base, response: ran.response, error: null }), ok: ran.charge !== null });
    }
  }
  shuffled.end();
  const files = closeFiles(core, batch, fileIds, writers, rows, end.atMs);
  const settled: Settled = {
    outputFileId: rows.output > 0 ? fileIds.output : null,
    errorFileId: rows.error > 0 ? fileIds.error : null,
    completed: loses ? 0 : done - failed,
    failed: loses ? 0 : failed,
    usage: {
      input_tokens: sums.input,
      input_tokens_details: { cached_tokens: sums.cached },
      output_tokens: sums.output,
      output_tokens_details: { reasoning_tokens: sums.reasoning },
      total_tokens: sums.input + sums.output,
    },
  };
  core.commit({ kind: "batch-settled", id: batch.id, settled, files, charges }, encoded);
  const input = core.world.files.get(batch.inputFileId);
  if (input?.deletedMs != null && !isRead(core.world, input.id)) core.keep.remove(input.id);
}

function closeFiles(
  core: ProviderCore,
  batch: OpenAiBatch,
  ids: { output: string; error: string },
  writers: { output: { end(): number }; error: { end(): number } },
  rows: { output: number; error: number },
  atMs: number,
): StoredFile[] {
  const files: StoredFile[] = [];
  for (const which of ["output", "error"] as const) {
    const bytes = writers[which].end();
    if (rows[which] === 0) core.keep.remove(ids[which]);
    else {
      const keptMs = (batch.outputExpiresAfterS ?? (30 * WINDOW_MS) / 1000) * 1000;
      files.push({
        id: ids[which],
        filename: `${batch.id}_${which}.jsonl`,
        purpose: "batch_output",
        bytes,
        createdMs: atMs,
        expiresMs: atMs + keptMs,
        deletedMs: null,
        lines: rows[which],
      });
    }
  }
  return files;
}

/** One line: its answer and charge, or the provider's refusal. A scripted fault that names the custom_id comes first. */
function runLine(core: ProviderCore, batch: OpenAiBatch, line: Json, index: number, atMs: number): { response: Json; charge: Charge | null } {
  const requestId = core.serial("line-request", 32);
  const body = objectOf(line["body"]);
  const customId = textOf(line["custom_id"]);
  const effect = core.faults.take({
    provider: "openai",
    method: "POST",
    path: batch.endpoint,
    model: textOf(body["model"]),
    customId,
    serviceTier: "batch",
    stream: false,
  });
  const reply = effect === null ? null : faultReply("openai", effect);
  if (reply !== null) return { response: { status_code: reply.status, request_id: requestId, body: reply.body }, charge: null };
  try {
    // Nothing is published of breakpoints between lines of one batch; the harder reading is that lines side by side do not see them.
    const automatic = modelOf("openai", body["model"])?.cache === "prefix";
    const seesBatch = automatic && diceOf(core.behaviour.seed, "siblings", batch.id, index).float() < SIBLING_HITS;
    const asking = core.asking({ serial: core.serial("answer", 29), line: { batchId: batch.id, index, atMs: lineAtMs(batch, index), seesBatch } });
    const answered: Answered | undefined = OPENAI_ENDPOINTS[batch.endpoint]?.answer(asking, body);
    if (answered === undefined) throw openAiRefuses(`${batch.endpoint} is not emulated.`);
    const charge = chargeOf(answered, { nowMs: atMs, provider: "openai", endpoint: batch.endpoint, requestId, batchId: batch.id, customId });
    return { response: { status_code: 200, request_id: requestId, body: answered.body }, charge };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { response: { status_code: error.status, request_id: requestId, body: { error: error.openAiError() } }, charge: null };
  }
}

/** Adds a line's usage in the names of the batch object, whatever the endpoint calls them. */
function addUsage(sums: { input: number; cached: number; output: number; reasoning: number }, usage: Json): void {
  const prompt = objectOf(usage["prompt_tokens_details"] ?? usage["input_tokens_details"]);
  const completion = objectOf(usage["completion_tokens_details"] ?? usage["output_tokens_details"]);
  sums.input += numberOf(usage["prompt_tokens"] ?? usage["input_tokens"]) ?? 0;
  sums.output += numberOf(usage["completion_tokens"] ?? usage["output_tokens"]) ?? 0;
  sums.cached += numberOf(prompt["cached_tokens"]) ?? 0;
  sums.reasoning += numberOf(completion["reasoning_tokens"]) ?? 0;
}
