import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert, fault } from "@slowboat/kernel";
import type { FromThread, ThreadSettings, ToThread } from "./engine-thread.ts";
import { isBlank, readablePart } from "./tokenizer.ts";
import { EMBEDDING_DIMENSIONS, type Precision } from "./use-lite.ts";

/** Texts of one call; an embeddings request of the OpenAI API has the same bound. */
const EMBED_TEXTS_MAX = 2_048;

/** What `embed` gives back, in the order of the texts. */
export interface Embedded {
  /** Unit length, 512 wide. */
  readonly vectors: Float32Array[];
  /** Tokens computed for each text: what usage counts. At most 1,024, since no more of a text is read. */
  readonly tokens: number[];
}

/**
 * Embeds texts. Fault `empty-input` names the first text without a visible character; `lane-unavailable` says that the engine has stopped; an
 * aborted signal rejects with its reason, and the engine drops the call after the run it is in.
 */
export type Embed = (texts: readonly string[], signal?: AbortSignal) => Promise<Embedded>;

/** A sentence encoder in a thread of its own. */
export interface Embedder {
  readonly embed: Embed;
  /** Ends the thread after the run in progress; calls still waiting fail. May be called twice. */
  stop(): Promise<void>;
  /** Resolves after `stop`; rejects when the thread died by itself, after which every call fails. */
  readonly closed: Promise<void>;
}

/** A run takes a fifth of a second; a thread that has not ended by then is ended. */
const STOP_MS = 5_000;

interface Waiting {
  readonly resolve: (result: Embedded) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Starts the sentence encoder (Universal Sentence Encoder lite, English, 512 dimensions) in a worker thread with one ONNX session of `threads` threads,
 * converting the model into `cacheDir` on the first start. `precision` is int8 unless said: 4 times the speed of fp32 and half its size at a worst cosine
 * of 0.9988 to it. Resolves when the model is loaded.
 *
 * A text of up to 128 tokens, the encoder's own window, is one vector. A longer one is cut into windows of 128, of which the first 8 (1,024 tokens)
 * are embedded; its vector is their mean, weighted by tokens and brought back to unit length. The mean is what the encoder itself does with words, so that
 * one long text stays comparable with short ones, and the bound keeps one document from holding up the others. An int8 vector depends in its third
 * decimal on what it was computed together with: store a vector, do not compute it again to compare.
 */
export async function createEmbedder(options: {
  readonly cacheDir: string;
  readonly threads: number;
  readonly precision?: Precision;
}): Promise<Embedder> {
  const workerData: ThreadSettings = { cacheDir: options.cacheDir, threads: options.threads, precision: options.precision ?? "int8" };
  const thread = new Worker(new URL("./engine-thread.ts", import.meta.url), { name: "engine", workerData });
  const [first] = (await once(thread, "message")) as [FromThread];
  assert(first.kind === "ready", "the engine's first word is ready");

  const waiting = new Map<number, Waiting>();
  let nextId = 0;
  let ended: Error | null = null;
  let stopping = false;
  const { promise: closed, resolve: closeWell, reject: closeBadly } = Promise.withResolvers<void>();
  closed.catch(() => {}); // Nobody has to listen: every call fails as well.
  const end = (cause: Error): void => {
    if (ended) return;
    ended = cause;
    for (const call of waiting.values()) call.reject(fault("lane-unavailable", { message: "The embedding engine has stopped.", cause }));
    waiting.clear();
    if (stopping) closeWell();
    else closeBadly(cause);
  };
  thread.on("error", (error: Error) => end(error));
  thread.on("exit", (code) => end(new Error(`the engine thread ended with code ${code}`)));
  thread.on("message", (mail: FromThread) => {
    if (mail.kind === "ready") return;
    const call = waiting.get(mail.id);
    waiting.delete(mail.id);
    if (mail.kind === "failed") call?.reject(new Error("the engine could not compute", { cause: mail.error }));
    else call?.resolve({ vectors: rowsOf(mail.vectors), tokens: [...mail.tokens] });
  });

  const embed: Embed = async (texts, signal) => {
    signal?.throwIfAborted();
    checkTexts(texts);
    if (ended) throw fault("lane-unavailable", { message: "The embedding engine has stopped.", cause: ended });
    if (texts.length === 0) return { vectors: [], tokens: [] };
    const id = nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Embedded>();
    waiting.set(id, { resolve, reject });
    const onAbort = (): void => {
      waiting.delete(id);
      thread.postMessage({ kind: "cancel", id } satisfies ToThread);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    thread.postMessage({ kind: "embed", id, texts: texts.map(readablePart) } satisfies ToThread);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  };
  const stop = async (): Promise<void> => {
    stopping = true;
    if (ended) return;
    const exited = once(thread, "exit");
    // Ended from outside in the middle of a run, ONNX Runtime takes the process with it: the thread ends itself between two.
    thread.postMessage({ kind: "stop" } satisfies ToThread);
    const late = setTimeout(() => void thread.terminate(), STOP_MS);
    await exited;
    clearTimeout(late);
  };
  return { embed, stop, closed };
}

/** Throws the fault that says what is wrong with the texts of a call, naming the first bad one as `input[i]`. */
export function checkTexts(texts: readonly string[]): void {
  if (texts.length > EMBED_TEXTS_MAX) {
    throw fault("invalid-request", {
      param: "input",
      message: `The input has ${texts.length} texts; at most ${EMBED_TEXTS_MAX} may go in one call.`,
    });
  }
  const blank = texts.findIndex(isBlank);
  if (blank >= 0)
    throw fault("empty-input", { param: `input[${blank}]`, message: `Text ${blank} of the input is empty: there is nothing to embed.` });
}

function rowsOf(flat: Float32Array): Float32Array[] {
  const rows: Float32Array[] = [];
  for (let start = 0; start < flat.length; start += EMBEDDING_DIMENSIONS) rows.push(flat.slice(start, start + EMBEDDING_DIMENSIONS));
  return rows;
}
