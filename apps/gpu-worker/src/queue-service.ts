import { join } from "node:path";
import { diskBlobs } from "@slowboat/blob";
import { createChunkSlots, createGate, createMeter, createPromptGate, runPoolDispatch, tenantWeights } from "@slowboat/dispatch";
import type { CallLane } from "@slowboat/lanes";
import { type Consumer, createQueue, type Queue } from "@slowboat/queue";
import { crash, type Logger, type Service, supervisedClock, systemRng } from "@slowboat/runtime";
import { openStore, readClock, type Store } from "@slowboat/store";

/** Requests that wait for the engine at a time: enough to fill its batches of texts. */
const AT_ONCE = 64;
/** Chunks in hand, and those taken off the queue that wait for their turn among them. */
const CHUNKS_AT_ONCE = 2;
const CHUNKS_WAITING = 64;

interface QueueSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly dataDir: string;
}

/** Takes the pool's chunks off the queue and runs them on the lane of this process. */
export function createQueueService(lane: CallLane, settings: QueueSettings, logger: Logger): Service {
  let open: { readonly store: Store; readonly queue: Queue; readonly consumer: Consumer } | null = null;
  return {
    start: async () => {
      const store = openStore(settings.databaseUrl, { max: 4, name: "gpu-worker", onLost: crash(logger) });
      const row = await readClock(store.sql);
      if (!row) throw new Error("the clock is not set: start Slowboat with `slowboat up`, which migrates the database and sets it");
      const queue = await createQueue({
        ...(settings.redisUrl ? { backend: "redis", url: settings.redisUrl } : { backend: "postgres", url: settings.databaseUrl, max: 3 }),
        onError: (err, name) => logger.warn({ err, queue: name }, "queue-troubled"),
      });
      const blob = await diskBlobs(join(settings.dataDir, "blobs"));
      const clock = supervisedClock(row);
      const deps = {
        store,
        queue,
        blob,
        lanes: new Map([[lane.id, lane]]),
        time: { clock, rng: systemRng() },
        meter: createMeter(),
        promptGate: createPromptGate(clock.job),
        logger,
      };
      const weight = tenantWeights(store, () => clock.real());
      const gate = createGate(AT_ONCE, weight, () => clock.job());
      const slots = createChunkSlots(store, CHUNKS_AT_ONCE, weight);
      const consumer = await queue.consume("lane-pool", CHUNKS_AT_ONCE + CHUNKS_WAITING, ({ dispatchId }, signal) =>
        slots.run(dispatchId, () => runPoolDispatch(deps, () => gate, dispatchId, signal), signal),
      );
      open = { store, queue, consumer };
    },
    stop: async () => {
      const closing = open;
      open = null;
      await closing?.consumer.stop(5_000);
      await closing?.queue.close();
      await closing?.store.close();
    },
  };
}
