import type { Embedder } from "@slowboat/engine";
import type { Logger } from "@slowboat/runtime";
import { type Codes, quantize } from "@slowboat/vectors";

/** Makes vectors of questions. Nothing is loaded before the first who needs one. */
export interface Encoder {
  /** True when a vector can be had at once. */
  ready(): boolean;
  /** Begins to load the encoder where nobody has; resolves when it is ready, or cannot be had. */
  start(): Promise<boolean>;
  /** Vectors in the order of the texts; `null` where the encoder cannot be had, or the signal ended the wait. */
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Codes[] | null>;
  stop(): Promise<void>;
}

/** After a failure the encoder is left alone so long (machine ms). */
const REST_MS = 60_000;
/** Texts of one message to the encoder's thread: what waits behind them waits for less than a tenth of a second. */
const TEXTS_A_TIME = 64;

/**
 * The sentence encoder in a thread of its own, loaded by the first who needs it: 1 thread and some 60 MB. Where it fails, its callers go without, and
 * a minute later it is tried again.
 */
export function createEncoder(settings: { readonly cacheDir: string; readonly logger: Logger }): Encoder {
  const { cacheDir, logger } = settings;
  let embedder: Embedder | null = null;
  let starting: Promise<boolean> | null = null;
  let restUntil = 0;
  let stopped = false;

  const load = async (): Promise<boolean> => {
    const begun = performance.now();
    try {
      const { createEmbedder } = await import("@slowboat/engine");
      const made = await createEmbedder({ cacheDir, threads: 1 });
      if (stopped) {
        await made.stop();
        return false;
      }
      embedder = made;
      made.closed.catch((err: unknown) => {
        embedder = null;
        restUntil = performance.now() + REST_MS;
        logger.error({ err }, "encoder-lost");
      });
      logger.info({ tookMs: Math.round(performance.now() - begun) }, "encoder-started");
      return true;
    } catch (err) {
      restUntil = performance.now() + REST_MS;
      logger.error({ err }, "encoder-failed");
      return false;
    }
  };
  const start = (): Promise<boolean> => {
    if (embedder !== null) return Promise.resolve(true);
    if (stopped || performance.now() < restUntil) return Promise.resolve(false);
    starting ??= load().finally(() => {
      starting = null;
    });
    return starting;
  };
  return {
    ready: () => embedder !== null,
    start,
    embed: async (texts, signal) => {
      if (texts.length === 0) return [];
      if (!(await start())) return null;
      const codes: Codes[] = [];
      for (let at = 0; at < texts.length; at += TEXTS_A_TIME) {
        const made = await embedder?.embed(texts.slice(at, at + TEXTS_A_TIME), signal).catch((err: unknown) => {
          if (!signal?.aborted) logger.warn({ err }, "encoder-refused");
          return undefined;
        });
        if (made === undefined) return null;
        for (const vector of made.vectors) codes.push(quantize(vector));
      }
      return codes;
    },
    stop: async () => {
      stopped = true;
      await starting;
      await embedder?.stop();
      embedder = null;
    },
  };
}
