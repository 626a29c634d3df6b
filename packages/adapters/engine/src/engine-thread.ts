/**
 * The thread that computes. ONNX Runtime blocks the event loop of the thread that calls it, so the one session lives here and the rest of
 * the process stays free. Requests are answered in the order they came; between two batches the thread looks at its mail, so a cancelled
 * request stops after the batch that is running.
 */
import { rm } from "node:fs/promises";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@slowboat/kernel";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { ensureModel } from "./model-cache.ts";
import { createTokenizer, readVocabulary, type Tokenizer } from "./tokenizer.ts";
import { EMBEDDING_DIMENSIONS, type Precision, WINDOW_TOKENS } from "./use-lite.ts";
import { locateModelPackage } from "./weights.ts";
import { cutWindows, packBatches, TEXT_WINDOWS_MAX, type Window } from "./windows.ts";

/** What the thread is started with. */
export interface ThreadSettings {
  readonly cacheDir: string;
  readonly precision: Precision;
  readonly threads: number;
}

/** Mail to the thread. Texts are already cut to the part that the tokenizer reads; `stop` ends it after the run in progress. */
export type ToThread =
  | { readonly kind: "embed"; readonly id: number; readonly texts: readonly string[] }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "stop" };

/** Mail from the thread. `vectors` holds one row of 512 for each text; `tokens` the tokens computed for it, 0 where it had none. */
export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly vectors: Float32Array<ArrayBuffer>; readonly tokens: readonly number[] }
  | { readonly kind: "failed"; readonly id: number; readonly error: unknown };

/**
 * Padded tokens in one run, for each thread of the session. Measured on two cores with AVX-512 VNNI, int8, windows of 128: 58 k tokens/s in runs
 * of 128, 52 k in runs of 512, 33 k in runs of 4,096 on one thread, where the activations fall out of the cache; texts of 16 tokens
 * want runs of at least 64. On two threads: 56 k, 89 k and 91 k (runs of 1,024).
 */
const RUN_TOKENS_PER_THREAD = 512;

const port = parentPort;
assert(port, "the engine thread has a parent");
const settings = workerData as ThreadSettings;

async function openSession(): Promise<{ session: InferenceSession; tokenize: Tokenizer }> {
  const source = await locateModelPackage();
  const load = async (): Promise<InferenceSession> =>
    InferenceSession.create(await ensureModel(settings.cacheDir, source, settings.precision), {
      intraOpNumThreads: settings.threads,
      // A pattern is kept for every shape ever seen and won no time here.
      enableMemPattern: false,
      // Threads that spin while they wait win a sixth on an idle machine (10.4 against 12.5 ms for 8 x 128 on two) and double the mean on a busy
      // one (52 against 29 ms at a load of 4 on two cores); the pool shares its machine with a database.
      // Where a processor has no dot product of bytes (AVX2 alone), the quick path adds pairs of products in 16 bits, which overflow: vectors came out at a cosine of .88 to those of fp32.
      extra: { session: { intra_op: { allow_spinning: "0" }, x64quantprecision: "1" } },
      logSeverityLevel: 3,
    });
  const session = await load().catch(async () => {
    // A file that cannot be loaded was damaged on the disk: convert it again, and let a second failure speak.
    await rm(await ensureModel(settings.cacheDir, source, settings.precision), { force: true });
    return load();
  });
  return { session, tokenize: createTokenizer(await readVocabulary(source.folder)) };
}

/** Runs one padded batch; row i of the answer belongs to window i. */
async function run(session: InferenceSession, batch: readonly Window[]): Promise<Float32Array> {
  const length = batch.at(-1)?.ids.length ?? 0;
  const ids = new BigInt64Array(batch.length * length);
  const mask = new Float32Array(batch.length * length);
  for (const [row, window] of batch.entries()) {
    for (const [column, id] of window.ids.entries()) ids[row * length + column] = BigInt(id);
    mask.fill(1, row * length, row * length + window.ids.length);
  }
  const shape = [batch.length, length];
  const result = await session.run({ ids: new Tensor("int64", ids, shape), mask: new Tensor("float32", mask, shape) });
  return result["embedding"]?.data as Float32Array;
}

/** Adds a window's vector to its text's row, weighted by the window's tokens. */
function accumulate(rows: Float32Array, window: Window, vectors: Float32Array, row: number): void {
  for (let i = 0; i < EMBEDDING_DIMENSIONS; i++) {
    const at = window.text * EMBEDDING_DIMENSIONS + i;
    rows[at] = (rows[at] ?? 0) + window.ids.length * (vectors[row * EMBEDDING_DIMENSIONS + i] ?? 0);
  }
}

function normalizeRows(rows: Float32Array): void {
  for (let start = 0; start < rows.length; start += EMBEDDING_DIMENSIONS) {
    const row = rows.subarray(start, start + EMBEDDING_DIMENSIONS);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (length > 0) for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) / length;
  }
}

const { session, tokenize } = await openSession();
const waiting = new Map<number, readonly string[]>();
let working = false;
let stopping = false;

async function embed(id: number, texts: readonly string[]): Promise<void> {
  const tokenIds = texts.map((text) => tokenize(text, TEXT_WINDOWS_MAX * WINDOW_TOKENS));
  const rows = new Float32Array(texts.length * EMBEDDING_DIMENSIONS);
  for (const batch of packBatches(cutWindows(tokenIds), RUN_TOKENS_PER_THREAD * settings.threads)) {
    if (!waiting.has(id)) return;
    const vectors = await run(session, batch);
    for (const [row, window] of batch.entries()) accumulate(rows, window, vectors, row);
  }
  normalizeRows(rows);
  const answer: FromThread = { kind: "done", id, vectors: rows, tokens: tokenIds.map((ids) => ids.length) };
  port?.postMessage(answer, [rows.buffer]);
}

async function work(): Promise<void> {
  if (working) return;
  working = true;
  for (const [id, texts] of waiting) {
    await embed(id, texts).catch((error: unknown) => port?.postMessage({ kind: "failed", id, error } satisfies FromThread));
    waiting.delete(id);
  }
  working = false;
  if (stopping) port?.close();
}

port.on("message", (mail: ToThread) => {
  if (mail.kind === "stop") {
    stopping = true;
    waiting.clear();
    if (!working) port.close();
    return;
  }
  if (mail.kind === "cancel") {
    waiting.delete(mail.id);
    return;
  }
  waiting.set(mail.id, mail.texts);
  void work();
});
port.postMessage({ kind: "ready" } satisfies FromThread);
