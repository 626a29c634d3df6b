import { join } from "node:path";
import { diskBlobs } from "@slowboat/blob";
import { type LaneId, laneClass } from "@slowboat/contract";
import {
  createChunkSlots,
  createGate,
  createMeter,
  createPromptGate,
  createPromptTraffic,
  createQuotas,
  createShadow,
  type Gate,
  type LaneDeps,
  type LaneOffer,
  laneQueue,
  openSight,
  type PlanDeps,
  planDue,
  runBatchDispatch,
  runCallDispatch,
  sweepLostCalls,
  tenantWeights,
} from "@slowboat/dispatch";
import { askErrands, type ErrandDeps, populateBatch, sweepIntake } from "@slowboat/intake";
import { createLanes, withOwnLanes } from "@slowboat/lanes";
import { type Consumer, createQueue } from "@slowboat/queue";
import { crash, createLogger, loop, readEnqueuedTokens, runServices, type Service, supervisedClock, systemRng } from "@slowboat/runtime";
import { closeness, closeSemantic, learnAnswered, noteForgotten, openSemantic, takeVerdicts, waitingAsks, warmSemantic } from "@slowboat/semantic";
import {
  cancelOrphanedBatches,
  forgetEntries,
  forgetLessons,
  forgetPrefixes,
  forgetPromises,
  openRouteDesk,
  openStore,
  readClock,
  sweepDispatches,
} from "@slowboat/store";
import { readConfig, readMarket, readShadowPolicy } from "./config.ts";
import { routeLearning } from "./route-learning.ts";

/** Machine ms between two looks at what is due; the rescue's guard counts in it. */
const TICK_MS = 200;
/** A bell older than this that nobody answered is rung again. */
const LOST_AFTER_MS = 5_000;
const BATCHES_AT_ONCE = 4;
/** What queued work may wait for its turn at a provider before it goes back to planning (machine ms). */
const TURN_WAIT_MS = 30_000;
/** Chunks of calls in hand, over all lanes: enough that a slow lane never keeps another waiting. */
const CHUNKS_AT_ONCE = 16;
/** Chunks taken off the queue that wait for their turn among those: what stands behind them in the queue is not seen. */
const CHUNKS_WAITING = 256;
/** Texts of a hundred tokens on two cores, as `npm run bench -- throughput` sees the pool; a cautious figure, since it only delays rescue. */
const POOL_TOKENS_PER_SECOND = 8_000;

const config = readConfig();
const logger = createLogger("scheduler", config.SLOWBOAT_LOG_LEVEL);
const store = openStore(config.DATABASE_URL, { max: 8, name: "scheduler", onLost: crash(logger) });
const clockRow = await readClock(store.sql);
if (!clockRow) throw new Error("the clock is not set: start Slowboat with `slowboat up`, which migrates the database and sets it");
const clock = supervisedClock(clockRow);
const rng = systemRng();
const market = readMarket(config.SLOWBOAT_PROVIDERS);
const { book, compatible } = market;
const enqueued = readEnqueuedTokens(config.SLOWBOAT_ENQUEUED_TOKENS, market);
const weight = tenantWeights(store, () => clock.real());
const quotas = createQuotas(enqueued, weight);
const blob = await diskBlobs(join(config.SLOWBOAT_DATA_DIR, "blobs"));
const queue = await createQueue({
  ...(config.REDIS_URL ? { backend: "redis", url: config.REDIS_URL } : { backend: "postgres", url: config.DATABASE_URL, max: 5 }),
  onError: (err, name) => logger.warn({ err, queue: name }, "queue-troubled"),
});
const builtIn = createLanes({
  openai: config.OPENAI_API_KEY ? { apiKey: config.OPENAI_API_KEY, baseURL: config.OPENAI_BASE_URL } : undefined,
  anthropic: config.ANTHROPIC_API_KEY ? { apiKey: config.ANTHROPIC_API_KEY, baseURL: config.ANTHROPIC_BASE_URL } : undefined,
  compatible,
  poolUrl: config.SLOWBOAT_POOL_URL,
  clock,
  pace: { rng, waitMsMax: TURN_WAIT_MS, weight },
  emulated: config.SLOWBOAT_EMULATED === "1",
});
const lanes = await withOwnLanes(builtIn, config.SLOWBOAT_LANES, { emulated: config.SLOWBOAT_EMULATED === "1", clock });
const concurrency = (lane: LaneId): number => (laneClass(lane) === "batch" ? BATCHES_AT_ONCE : config.SLOWBOAT_CALL_CONCURRENCY);
const offers: LaneOffer[] = [...lanes.values()].map(({ id, account, emulated, pace }) => ({
  id,
  account,
  emulated,
  pace,
  concurrency: concurrency(id),
}));
const meter = createMeter();
const shadow = readShadowPolicy(config.SLOWBOAT_SHADOW_POLICY);
const promptGate = createPromptGate(clock.job);
const laneDeps: LaneDeps = { store, queue, blob, lanes, time: { clock, rng }, meter, promptGate, logger };
const planDeps: PlanDeps = {
  store,
  queue,
  book,
  lanes: offers,
  meter,
  time: { clock, rng, tickMs: TICK_MS, poolTokensPerSecond: POOL_TOKENS_PER_SECOND },
  logger,
  quotas,
  prompts: createPromptTraffic(),
  shadow: shadow && createShadow(shadow.policy, shadow.text),
};
const routes = openRouteDesk(store.sql, () => clock.real());
const populateDeps = {
  store,
  routes,
  queue,
  blob,
  book,
  clock,
  rng,
  logger,
  sight: openSight({ ...planDeps, quotas: createQuotas(enqueued) }),
  house: { lanes: [...lanes.keys()], emulated: config.SLOWBOAT_EMULATED === "1" },
};

const errandDeps: ErrandDeps = { book, clock, rng, house: populateDeps.house, logger };
const semantic = openSemantic({
  store,
  clock,
  rng,
  logger,
  modelDir: join(config.SLOWBOAT_DATA_DIR, "models"),
  memoryBytes: config.SLOWBOAT_CACHE_MEMORY_MB * 1024 * 1024,
  judge: { book, ask: (tx, errands) => askErrands(errandDeps, tx, errands) },
});
const asks = waitingAsks(semantic);
/** While nobody asks so, only every fifth tick looks whether somebody does. */
const IDLE_TICKS = 5;
let idleTicks = 0;
/** Learns from questions that were answered, then looks up those that wait, for whom that may have brought an answer, and hears what judges said. */
const meet = async (signal: AbortSignal): Promise<void> => {
  if (idleTicks % IDLE_TICKS !== 0) {
    idleTicks++;
    return;
  }
  const seen = (await learnAnswered(semantic, signal)) + (await asks.decide(signal)) + (await takeVerdicts(semantic, signal));
  idleTicks = seen > 0 ? 0 : idleTicks + 1;
};
/** Evicted entries stay so long (job ms) for workers to hear of them. */
const HEARD_MS = 3_600_000;
const FORGET_ROWS = 1_000;
const SEMANTIC_SWEEP_MS = 20_000;
/** How long (job ms) a decision can be taken again that rests on learned batch times. */
const LESSONS_KEPT_MS = 30 * 86_400_000;

/** One plan at a time in this process: a bell that rings meanwhile makes it look once more. */
let planning: Promise<void> | null = null;
let again = false;
const plan = async (signal: AbortSignal): Promise<void> => {
  if (planning) {
    again = true;
    return planning;
  }
  const run = async (): Promise<void> => {
    do {
      again = false;
      await planDue(planDeps, signal);
    } while (again && !signal.aborted);
  };
  planning = run().finally(() => {
    planning = null;
  });
  return planning;
};

const slots = createChunkSlots(store, CHUNKS_AT_ONCE, weight);
const gates = new Map<LaneId, Gate>();
const gateOf = (lane: LaneId): Gate => {
  const gate = gates.get(lane) ?? createGate(concurrency(lane), weight, () => clock.job());
  gates.set(lane, gate);
  return gate;
};
const bells: Service = (() => {
  let consumers: Consumer[] = [];
  return {
    start: async () => {
      consumers = [
        await queue.consume("plan", 1, (_payload, signal) => plan(signal)),
        await queue.consume("populate", 1, ({ batchId }, signal) => populateBatch(populateDeps, batchId, signal)),
        await queue.consume("lane-call", CHUNKS_AT_ONCE + CHUNKS_WAITING, ({ dispatchId }, signal) =>
          slots.run(dispatchId, () => runCallDispatch(laneDeps, gateOf, dispatchId, signal), signal),
        ),
        await queue.consume("lane-batch", BATCHES_AT_ONCE, ({ dispatchId }, signal) => runBatchDispatch(laneDeps, dispatchId, signal)),
      ];
    },
    stop: async () => {
      await Promise.all(consumers.map((consumer) => consumer.stop(5_000)));
      consumers = [];
    },
  };
})();

/** Rings again for what Postgres says is waiting: a lost bell, a dead worker, a poll that has come due. */
const sweep = async (): Promise<void> => {
  const due = await sweepDispatches(store.sql, {
    nowMs: clock.job(),
    realMs: clock.real(),
    lostAfterMs: LOST_AFTER_MS,
    spacingMs: 2_000,
    limit: 200,
  });
  for (const dispatch of due) await queue.ring(laneQueue(dispatch.lane), [{ dispatchId: dispatch.id }], { once: true });
};
const semanticSweep = async (): Promise<void> => {
  await noteForgotten(semantic);
  await forgetEntries(store.sql, { nowMs: clock.job(), heardMs: HEARD_MS, limit: FORGET_ROWS });
};
const slowSweep = async (): Promise<void> => {
  await sweepIntake({ store, queue, blob, clock });
  await cancelOrphanedBatches(store.sql, clock.job());
  await sweepLostCalls(store, clock);
  await forgetPrefixes(store.sql, clock.job() - 86_400_000);
  await forgetPromises(store.sql, { nowMs: clock.job(), limit: 1_000 });
  await forgetLessons(store.sql, clock.job() - LESSONS_KEPT_MS);
};

const connections: Service = {
  start: async () => undefined,
  stop: async () => {
    await closeSemantic(semantic);
    await queue.close();
    await store.close();
  },
};

await runServices(
  [
    connections,
    bells,
    loop("plan-tick", TICK_MS, plan, logger),
    { start: async () => void warmSemantic(semantic), stop: async () => undefined },
    loop("semantic", TICK_MS, meet, logger),
    loop("semantic-sweep", SEMANTIC_SWEEP_MS, semanticSweep, logger),
    ...routeLearning({
      ...{ store, book, clock, rng, logger, routes, queue },
      ask: (tx, errands) => askErrands(errandDeps, tx, errands),
      cosine: (a, b) => closeness(semantic, a, b),
    }),
    loop("dispatch-sweep", TICK_MS, sweep, logger),
    loop("slow-sweep", 2_000, slowSweep, logger),
  ],
  logger,
);
