import { createEmbedder, type Embed, type Embedder } from "@slowboat/engine";
import { fault } from "@slowboat/kernel";
import type { Logger, Service } from "@slowboat/runtime";

/** The embedding engine as a service. `embed` refuses with `lane-unavailable` while it is not running. */
export interface EngineService extends Service {
  readonly embed: Embed;
  ready(): boolean;
}

/** Starts and stops the engine. Should its thread die, the process dies with it and the supervisor starts it anew. */
export function createEngineService(settings: { readonly cacheDir: string; readonly threads: number }, logger: Logger): EngineService {
  let embedder: Embedder | null = null;
  return {
    ready: () => embedder !== null,
    embed: async (texts, signal) => {
      if (!embedder) throw fault("lane-unavailable", { message: "The embedding engine is not running." });
      return embedder.embed(texts, signal);
    },
    start: async () => {
      const begun = performance.now();
      const started = await createEmbedder(settings);
      started.closed.catch((error: unknown) => {
        setImmediate(() => {
          throw error;
        });
      });
      embedder = started;
      logger.info({ threads: settings.threads, tookMs: Math.round(performance.now() - begun) }, "engine-started");
    },
    stop: async () => {
      const started = embedder;
      embedder = null;
      await started?.stop();
    },
  };
}
