import { checkTexts, type Embed, type Embedded } from "@slowboat/engine";
import { fault } from "@slowboat/kernel";
import { createRate } from "./rate.ts";

/** Bounds of the joined batches, and of what may wait for them. */
export interface BatcherLimits {
  /** How long, in ms, an idle engine waits for company after a first text came. */
  readonly windowMs: number;
  /** Texts, and characters of texts, that go into one batch; a single longer text goes alone. */
  readonly batchTexts: number;
  readonly batchChars: number;
  /** Texts, and characters of texts, that may wait; a call beyond is refused as `lane-unavailable`, to be tried again. */
  readonly backlogTexts: number;
  readonly backlogChars: number;
}

/**
 * About 10,000 tokens a batch, 0.2 s on one thread: long enough to fill the engine's runs, short enough that a call that just missed a batch does
 * not notice. The backlog is about ten minutes of work of one thread.
 */
const BATCHER_LIMITS: BatcherLimits = { windowMs: 2, batchTexts: 128, batchChars: 40_000, backlogTexts: 50_000, backlogChars: 128 * 1024 * 1024 };

/** What the batcher has done and what waits. */
export interface BatcherStats {
  /** Tokens a second while computing, an average that forgets with a half-life of 10 s of work; 0 before the first batch. */
  readonly tokensPerSecond: number;
  readonly backlogTexts: number;
  readonly backlogChars: number;
  readonly batches: number;
  readonly texts: number;
  readonly tokens: number;
}

/** Many callers, one engine. */
export interface MicroBatcher {
  readonly embed: Embed;
  stats(): BatcherStats;
}

interface Call {
  readonly texts: readonly string[];
  /** Texts handed to the engine so far. */
  sent: number;
  answered: number;
  readonly vectors: Float32Array[];
  readonly tokens: number[];
  readonly resolve: (result: Embedded) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Joins the texts of concurrent calls into batches of the engine, one at a time. Calls take turns, a text each, so that a call of 2,000 texts holds
 * up a call of one by no more than the batch in progress. A bad call is refused before it joins, so it spoils nobody's batch; an aborted one
 * leaves, and what was computed for it is dropped.
 */
export function createMicroBatcher(engine: Embed, limits: BatcherLimits = BATCHER_LIMITS): MicroBatcher {
  const calls = new Set<Call>();
  const rate = createRate(10_000);
  const totals = { batches: 0, texts: 0, tokens: 0 };
  const backlog = { texts: 0, chars: 0 };
  let running = false;
  let timer: NodeJS.Timeout | undefined;

  const takeBatch = (): { call: Call; at: number }[] => {
    const batch: { call: Call; at: number }[] = [];
    let chars = 0;
    let before: number;
    do {
      before = batch.length;
      for (const call of calls) {
        const text = call.texts[call.sent];
        if (text === undefined) continue;
        if (batch.length > 0 && (batch.length >= limits.batchTexts || chars + text.length > limits.batchChars)) return batch;
        batch.push({ call, at: call.sent++ });
        chars += text.length;
        backlog.texts--;
        backlog.chars -= text.length;
      }
    } while (batch.length > before);
    return batch;
  };

  const leave = (call: Call): void => {
    if (!calls.delete(call)) return;
    for (const text of call.texts.slice(call.sent)) {
      backlog.texts--;
      backlog.chars -= text.length;
    }
  };

  const deliver = (batch: readonly { call: Call; at: number }[], result: Embedded): void => {
    for (const [index, { call, at }] of batch.entries()) {
      call.vectors[at] = result.vectors[index] as Float32Array;
      call.tokens[at] = result.tokens[index] ?? 0;
      if (++call.answered < call.texts.length) continue;
      leave(call);
      call.resolve({ vectors: call.vectors, tokens: call.tokens });
    }
  };

  const runNext = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (running) return;
    const batch = takeBatch();
    if (batch.length === 0) return;
    // A call that was handed over whole goes to the back: those behind it come first next time.
    for (const { call } of batch) if (calls.delete(call)) calls.add(call);
    running = true;
    const begun = performance.now();
    engine(batch.map(({ call, at }) => call.texts[at] ?? "")).then(
      (result) => {
        const tokens = result.tokens.reduce((sum, count) => sum + count, 0);
        rate.add(tokens, performance.now() - begun);
        totals.batches++;
        totals.texts += batch.length;
        totals.tokens += tokens;
        running = false;
        // First the engine gets its next batch, then the callers spend this thread's time on their answers.
        runNext();
        deliver(batch, result);
      },
      (error: unknown) => {
        running = false;
        for (const call of new Set(batch.map((item) => item.call))) {
          leave(call);
          call.reject(error);
        }
        runNext();
      },
    );
  };

  const embed: Embed = async (texts, signal) => {
    signal?.throwIfAborted();
    checkTexts(texts);
    if (texts.length === 0) return { vectors: [], tokens: [] };
    const chars = texts.reduce((sum, text) => sum + text.length, 0);
    if (backlog.texts + texts.length > limits.backlogTexts || backlog.chars + chars > limits.backlogChars) {
      throw fault("lane-unavailable", { message: `The pool has ${backlog.texts} texts waiting, its limit; try again later.` });
    }
    const { promise, resolve, reject } = Promise.withResolvers<Embedded>();
    const call: Call = { texts, sent: 0, answered: 0, vectors: [], tokens: [], resolve, reject };
    calls.add(call);
    backlog.texts += texts.length;
    backlog.chars += chars;
    const onAbort = (): void => {
      leave(call);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (backlog.texts >= limits.batchTexts) runNext();
    else if (!running) timer ??= setTimeout(runNext, limits.windowMs);
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  };

  return { embed, stats: () => ({ tokensPerSecond: rate.perSecond(), backlogTexts: backlog.texts, backlogChars: backlog.chars, ...totals }) };
}
