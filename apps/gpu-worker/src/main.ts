import { join } from "node:path";
import { createClassifier } from "@slowboat/engine";
import { createLogger, runServices, type Service } from "@slowboat/runtime";
import { readConfig } from "./config.ts";
import { createEngineService } from "./engine-service.ts";
import { createApp, createHttpService } from "./http.ts";
import { createLocalLane } from "./local-lane.ts";
import { createMicroBatcher } from "./micro-batcher.ts";
import { createPoolApi } from "./pool-api.ts";
import { createQueueService } from "./queue-service.ts";

const config = readConfig();
const logger = createLogger("gpu-worker", config.SLOWBOAT_LOG_LEVEL);
const engine = createEngineService({ cacheDir: join(config.SLOWBOAT_DATA_DIR, "models"), threads: config.SLOWBOAT_POOL_THREADS }, logger);
const { embed, stats } = createMicroBatcher(engine.embed);
const answer = createPoolApi({ embed, classify: createClassifier(embed) }, (err) => logger.error({ err }, "request-failed"));
const app = createApp({ answer, ready: engine.ready, stats, logger });
const http = createHttpService(app, { host: config.SLOWBOAT_HOST, port: config.SLOWBOAT_PORT }, logger);

const services: Service[] = [engine, http];
if (config.DATABASE_URL !== undefined) {
  const settings = { databaseUrl: config.DATABASE_URL, redisUrl: config.REDIS_URL, dataDir: config.SLOWBOAT_DATA_DIR };
  services.push(createQueueService(createLocalLane(answer), settings, logger));
}

await runServices(services, logger);
