import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { diskBlobs } from "@slowboat/blob";
import { createInteractive, type Interactive } from "@slowboat/dispatch";
import { type Emulator, type EmulatorOptions, startEmulator } from "@slowboat/emulator";
import { createKey, createTenant, keyVerifier, openDesk, type PopulateDeps } from "@slowboat/intake";
import { createLanes, type LaneSettings } from "@slowboat/lanes";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { type Clock, createLogger, systemClock, systemRng } from "@slowboat/runtime";
import { closeSemantic, openSemantic, type SemanticParts, semanticCalls } from "@slowboat/semantic";
import { openRouteDesk, type Store } from "@slowboat/store";
import { testDatabase, testQueue } from "@slowboat/testkit";
import OpenAI from "openai";
import { anthropicRoutes } from "../../anthropic/routes.ts";
import { createApp } from "../../app.ts";
import { keyLimiter, postgresAllowances } from "../../http/key-limits.ts";
import { httpService } from "../../http/serve.ts";
import { plannerSight } from "../../native/quote/planner-sight.ts";
import { interactiveRoutes } from "../routes.ts";

/** A whole intake API on a free port, with the emulator as its provider. */
export interface TestApi {
  readonly url: string;
  readonly store: Store;
  readonly emulator: Emulator;
  readonly interactive: Interactive;
  /** Reuse by meaning; nothing of it is loaded before somebody asks for it. */
  readonly semantic: SemanticParts;
  readonly tenantId: string;
  readonly keyId: string;
  readonly key: string;
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;
  /** What populating a batch stands on. */
  readonly intake: PopulateDeps;
  /** Names of the stored blobs. */
  blobs(): Promise<string[]>;
  /** Another tenant's key. */
  newTenant(name: string): Promise<{ readonly key: string; readonly tenantId: string }>;
  stop(): Promise<void>;
}

const SECRET = "5".repeat(64);

export async function startApi(
  options: { readonly emulator?: EmulatorOptions; readonly lanes?: Partial<LaneSettings>; readonly clock?: Clock; readonly logged?: boolean } = {},
): Promise<TestApi> {
  const database = await testDatabase();
  const { store } = database;
  const clock = options.clock ?? systemClock();
  const rng = systemRng();
  const logger = createLogger("intake-test", "error");
  const queue = await testQueue(database);
  const emulator = await startEmulator({ latency: "instant", ...options.emulator });
  const folder = await mkdtemp(join(tmpdir(), "slowboat-api-"));
  const settings: LaneSettings = {
    openai: { apiKey: "sk-test", baseURL: `${emulator.url}/v1` },
    anthropic: { apiKey: "sk-ant-test", baseURL: emulator.url },
    emulated: true,
    clock,
    pace: { rng },
    ...options.lanes,
  };
  const lanes = createLanes(settings);
  const book = loadPriceBook(STANDARD_PRICES);
  const semantic = openSemantic({ store, clock, rng, logger, modelDir: join(folder, "models"), memoryBytes: 16 * 1024 * 1024 });
  const interactive = createInteractive({
    store,
    ...(options.logged ? { callStore: store } : {}),
    queue,
    lanes,
    book,
    time: { clock, rng },
    logger,
    semantic: semanticCalls(semantic),
  });
  const desk = openDesk({ store, queue, clock });
  const limiter = keyLimiter(postgresAllowances(store), () => clock.real());
  const verify = keyVerifier({ sql: store.sql, secret: SECRET, clock });
  const house = { lanes: [...lanes.keys()], emulated: true, callbackAllow: [] };
  const blob = await diskBlobs(folder);
  const offers = [...lanes.values()].map(({ id, account, emulated, pace }) => ({ id, account, emulated, pace, concurrency: 240 }));
  const sight = plannerSight({ store, book, clock, rng, offers });
  const routes = openRouteDesk(store.sql, () => clock.real());
  const deps = { store, queue, blob, clock, rng, logger, house, book, desk, limiter, sight, routes, verify };
  const app = createApp(deps, [interactiveRoutes(interactive), anthropicRoutes]);
  const http = httpService(app, { host: "127.0.0.1", port: 0, logger });
  await http.start();
  const url = `http://127.0.0.1:${http.address().port}`;
  const newTenant = async (name: string): Promise<{ key: string; tenantId: string; keyId: string }> => {
    const tenantId = await createTenant(store.sql, { name, nowMs: clock.job(), rng });
    const made = await createKey(store.sql, { tenantId, name: "test", secret: SECRET, nowMs: clock.job(), rng });
    if (made === null) throw new Error("the key was there before");
    return { key: made.key, tenantId, keyId: made.keyId };
  };
  const mine = await newTenant("mine");
  return {
    url,
    store,
    emulator,
    interactive,
    semantic,
    ...mine,
    intake: { store, queue, blob, clock, rng, book, house, logger, sight, routes },
    blobs: async () => (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => entry.name),
    openai: new OpenAI({ apiKey: mine.key, baseURL: `${url}/v1`, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: mine.key, baseURL: url, maxRetries: 0 }),
    newTenant,
    stop: async () => {
      await http.stop();
      await interactive.close();
      await closeSemantic(semantic);
      await desk.close();
      await limiter.close();
      await queue.close();
      await emulator.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
