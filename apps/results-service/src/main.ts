import { join } from "node:path";
import { diskBlobs } from "@slowboat/blob";
import { type Consumer, createQueue } from "@slowboat/queue";
import { createFinaliser, sweepRetention } from "@slowboat/results";
import { crash, createLogger, loop, runServices, type Service, supervisedClock, systemRng } from "@slowboat/runtime";
import { callLogReclaimer, openRouteDesk, openStore, readClock } from "@slowboat/store";
import { createDeliverer } from "@slowboat/webhook";
import { createAdmin } from "./admin.ts";
import { readConfig, readMarket } from "./config.ts";
import { releaseChunk, type SettleDeps, settleChunk, settleLogged } from "./settle.ts";

const config = readConfig();
const logger = createLogger("results-service", config.SLOWBOAT_LOG_LEVEL);
const store = openStore(config.DATABASE_URL, { max: 5, name: "results-service", onLost: crash(logger) });
/** One connection for what settlement writes: each server process behind one warms its own caches. */
const settleStore = openStore(config.DATABASE_URL, { max: 1, workMemMb: 32, name: "results-settle", onLost: crash(logger) });
const clockRow = await readClock(store.sql);
if (!clockRow) throw new Error("the clock is not set: start Slowboat with `slowboat up`, which migrates the database and sets it");
const clock = supervisedClock(clockRow);
const rng = systemRng();
const blob = await diskBlobs(join(config.SLOWBOAT_DATA_DIR, "blobs"));
const queue = await createQueue({
  ...(config.REDIS_URL ? { backend: "redis", url: config.REDIS_URL } : { backend: "postgres", url: config.DATABASE_URL, max: 5 }),
  onError: (err, name) => logger.warn({ err, queue: name }, "queue-troubled"),
});
/** How far the ledger lags behind answers under load. */
const SETTLE_SWEEP_MS = 500;
const deps: SettleDeps = {
  store: settleStore,
  queue,
  book: readMarket(config.SLOWBOAT_PROVIDERS).book,
  clock,
  rng,
  logger,
  routes: openRouteDesk(store.sql, () => clock.real()),
};
const finaliser = createFinaliser({ store, blob, clock, rng, logger });
const deliverer = createDeliverer({ store, clock, rng, logger, secret: config.SLOWBOAT_SECRET, allow: config.SLOWBOAT_CALLBACK_ALLOW });

/** A chunk that was not full leaves what came meanwhile to the next look: many small ones cost twice what a large one does. */
const drain = async (signal: AbortSignal): Promise<void> => {
  for (let more = true; more && !signal.aborted; ) {
    more = false;
    try {
      more = (await settleLogged(deps)).more;
    } finally {
      // Whatever is wrong with the log: what is filed is settled.
      more = (await settleChunk(deps)).more || more;
    }
  }
};
const release = async (signal: AbortSignal): Promise<void> => {
  while (!signal.aborted && (await releaseChunk(deps)) > 0);
};
const reclaimLog = callLogReclaimer(store.sql);
const reclaim = async (): Promise<void> => {
  await reclaimLog();
};
const deliver = async (signal: AbortSignal): Promise<void> => {
  await deliverer.deliverDue(signal);
};

const retain = async (signal: AbortSignal): Promise<void> => {
  const gone = await sweepRetention({ store, blob }, clock.job(), signal);
  if (Object.values(gone).some((count) => count > 0)) logger.info(gone, "content-forgotten");
};

/** The bells. What they miss is found by the sweeps below. */
const bells: Service = (() => {
  let consumers: Consumer[] = [];
  return {
    start: async () => {
      consumers = [
        await queue.consume("settle", 1, (_payload, signal) => drain(signal)),
        await queue.consume("finalise", 2, async ({ batchId }, signal) => void (await finaliser.finalise(batchId, signal))),
        await queue.consume("deliver", 1, (_payload, signal) => deliver(signal)),
      ];
    },
    stop: async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop(5_000)));
      consumers = [];
    },
  };
})();

const connections: Service = {
  start: async () => undefined,
  stop: async () => {
    await deliverer.close();
    await queue.close();
    await settleStore.close();
    await store.close();
  },
};

await runServices(
  [
    connections,
    bells,
    loop("settle-sweep", SETTLE_SWEEP_MS, drain, logger),
    loop("reclaim-sweep", 1_000, reclaim, logger),
    loop("release-sweep", 1_000, release, logger),
    loop("finalise-sweep", 1_000, (signal) => finaliser.sweep(signal), logger),
    loop("deliver-sweep", 1_000, deliver, logger),
    loop("retention-sweep", 30_000, retain, logger),
    createAdmin(
      { store, clock, logger },
      {
        host: config.SLOWBOAT_HOST,
        port: config.SLOWBOAT_PORT,
        secret: config.SLOWBOAT_SECRET,
        emulated: config.SLOWBOAT_EMULATED,
        apiUrl: config.SLOWBOAT_URL ?? null,
      },
    ),
  ],
  logger,
);
