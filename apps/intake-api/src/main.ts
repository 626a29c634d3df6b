import { join } from "node:path";
import { diskBlobs } from "@slowboat/blob";
import { CALL_WRITERS, createInteractive, tenantWeights } from "@slowboat/dispatch";
import { keyVerifier, openDesk } from "@slowboat/intake";
import { createLanes, withOwnLanes } from "@slowboat/lanes";
import { createQueue, redisAllowances } from "@slowboat/queue";
import { crash, createLogger, readEnqueuedTokens, runServices, type Service, supervisedClock, systemRng } from "@slowboat/runtime";
import { closeSemantic, openSemantic, semanticCalls, warmSemantic } from "@slowboat/semantic";
import { openRouteDesk, openStore, readClock } from "@slowboat/store";
import { anthropicRoutes } from "./anthropic/routes.ts";
import { createApp } from "./app.ts";
import { readConfig, readMarket } from "./config.ts";
import { keyLimiter, postgresAllowances } from "./http/key-limits.ts";
import { httpService } from "./http/serve.ts";
import { interactiveRoutes } from "./interactive/routes.ts";
import { concurrencyOf, plannerSight } from "./native/quote/planner-sight.ts";
import { openaiWebhooks } from "./webhooks/routes.ts";

const config = readConfig();
const logger = createLogger("intake-api", config.SLOWBOAT_LOG_LEVEL);
const store = openStore(config.DATABASE_URL, { name: "intake-api", max: 8, onLost: crash(logger) });
/** What every call writes goes through few connections: each server process behind one warms its own caches. */
const callStore = openStore(config.DATABASE_URL, { name: "intake-calls", max: CALL_WRITERS, onLost: crash(logger) });
const row = await readClock(store.sql);
if (row === null) throw new Error("the clock is not set: the supervisor writes it before the apps start");
const clock = supervisedClock(row);
const queue = await createQueue({
  ...(config.REDIS_URL ? { backend: "redis", url: config.REDIS_URL } : { backend: "postgres", url: config.DATABASE_URL, max: 2 }),
  onError: (err, name) => logger.warn({ err, queue: name }, "queue-troubled"),
});
const rng = systemRng();
const market = readMarket(config.SLOWBOAT_PROVIDERS);
const { book, compatible } = market;
const builtIn = createLanes({
  openai: config.OPENAI_API_KEY ? { apiKey: config.OPENAI_API_KEY, baseURL: config.OPENAI_BASE_URL } : undefined,
  anthropic: config.ANTHROPIC_API_KEY ? { apiKey: config.ANTHROPIC_API_KEY, baseURL: config.ANTHROPIC_BASE_URL } : undefined,
  compatible,
  poolUrl: config.SLOWBOAT_POOL_URL,
  clock,
  pace: { rng, weight: tenantWeights(store, () => clock.real()) },
  emulated: config.SLOWBOAT_EMULATED,
});
const lanes = await withOwnLanes(builtIn, config.SLOWBOAT_LANES, { emulated: config.SLOWBOAT_EMULATED, clock });
const desk = openDesk({ store, queue, clock });
const semantic = openSemantic({
  store,
  clock,
  rng,
  logger,
  modelDir: join(config.SLOWBOAT_DATA_DIR, "models"),
  memoryBytes: config.SLOWBOAT_CACHE_MEMORY_MB * 1024 * 1024,
});
const interactive = createInteractive({ store, callStore, queue, lanes, book, time: { clock, rng }, logger, semantic: semanticCalls(semantic) });
const redis =
  config.REDIS_URL === undefined ? null : await redisAllowances(config.REDIS_URL, { onError: (err) => logger.warn({ err }, "redis-troubled") });
const limiter = keyLimiter(redis ?? postgresAllowances(store), () => clock.real());
/** The lanes as the scheduler sees them, as far as its rows and this process's own replies tell. */
const sight = plannerSight({
  store,
  book,
  clock,
  rng,
  enqueued: readEnqueuedTokens(config.SLOWBOAT_ENQUEUED_TOKENS, market),
  offers: [...lanes.values()].map(({ id, account, emulated, pace }) => ({
    id,
    account,
    emulated,
    pace,
    concurrency: concurrencyOf(id, config.SLOWBOAT_CALL_CONCURRENCY),
  })),
});
const app = createApp(
  {
    store,
    queue,
    blob: await diskBlobs(join(config.SLOWBOAT_DATA_DIR, "blobs")),
    clock,
    rng,
    logger,
    house: { lanes: [...lanes.keys()], emulated: config.SLOWBOAT_EMULATED, callbackAllow: config.SLOWBOAT_CALLBACK_ALLOW },
    book,
    desk,
    limiter,
    sight,
    backlogMax: config.SLOWBOAT_BACKLOG_MAX,
    routes: openRouteDesk(store.sql, () => clock.real()),
    verify: keyVerifier({ sql: store.sql, secret: config.SLOWBOAT_SECRET, clock }),
  },
  [
    interactiveRoutes(interactive),
    anthropicRoutes,
    ...(config.OPENAI_WEBHOOK_SECRET === undefined ? [] : [openaiWebhooks(config.OPENAI_WEBHOOK_SECRET)]),
  ],
);
const stopping = (stop: () => Promise<void>): Service => ({ start: async () => undefined, stop });

// Stopped in reverse: first the socket, then what still holds answers, then the connections.
await runServices(
  [
    stopping(() => store.close()),
    stopping(() => callStore.close()),
    stopping(() => queue.close()),
    stopping(() => redis?.close() ?? Promise.resolve()),
    stopping(() => limiter.close()),
    { start: async () => void warmSemantic(semantic), stop: () => closeSemantic(semantic) },
    stopping(() => desk.close()),
    stopping(() => interactive.close()),
    httpService(app, { host: config.SLOWBOAT_HOST, port: config.SLOWBOAT_PORT, logger }),
  ],
  logger,
);
