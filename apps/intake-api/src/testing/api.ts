import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlobStore, diskBlobs } from "@slowboat/blob";
import type { LaneId } from "@slowboat/contract";
import { createKey, createTenant, keyVerifier, openDesk, type PopulateDeps, populateBatch } from "@slowboat/intake";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { createLogger, systemRng } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";
import { type TestClock, testClock, testDatabase, testQueue } from "@slowboat/testkit";
import OpenAI from "openai";
import { createApp } from "../app.ts";
import type { Mount } from "../http/env.ts";
import { keyLimiter, postgresAllowances } from "../http/key-limits.ts";
import { httpService } from "../http/serve.ts";
import { concurrencyOf, plannerSight } from "../native/quote/planner-sight.ts";

/** The intake API behind a real socket on a database of its own, without the interactive calls: nothing here leaves the machine. */
export interface TestIntake {
  readonly url: string;
  readonly store: Store;
  readonly blob: BlobStore;
  readonly queue: Queue;
  readonly clock: TestClock;
  readonly tenant: TestCaller;
  readonly populate: PopulateDeps;
  newTenant(name: string, options?: { allowUnpriced?: boolean }): Promise<TestCaller>;
  /** Somebody with this key. */
  as(who: { readonly tenantId: string; readonly keyId: string; readonly key: string }): TestCaller;
  /** Populates a batch as the scheduler would. */
  run(batchId: string): Promise<void>;
  stop(): Promise<void>;
}

/** Somebody with a key. */
export interface TestCaller {
  readonly tenantId: string;
  readonly keyId: string;
  readonly key: string;
  readonly openai: OpenAI;
  /** Calls a path with the key; a text body is sent as JSON as it is. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads replies as a stranger would.
  readonly json: any;
}

const TEST_SECRET = "7".repeat(64);
const LANES: readonly LaneId[] = ["pool", "openai-batch", "openai-flex", "openai", "anthropic-batch", "anthropic"];

export async function startIntake(
  options: {
    readonly lanes?: readonly LaneId[];
    readonly callbackAllow?: readonly string[];
    readonly emulated?: boolean;
    readonly mounts?: readonly Mount[];
    readonly startMs?: number;
    /** Calls at a time on a real-time lane. */
    readonly calls?: number;
    readonly backlogMax?: number;
  } = {},
): Promise<TestIntake> {
  const database = await testDatabase();
  const { store } = database;
  const clock = testClock(options.startMs);
  const rng = systemRng();
  const logger = createLogger("intake-test", "error");
  const queue = await testQueue(database);
  const folder = await mkdtemp(join(tmpdir(), "slowboat-intake-"));
  const blob = await diskBlobs(folder);
  const book = loadPriceBook(STANDARD_PRICES);
  const desk = openDesk({ store, queue, clock });
  const limiter = keyLimiter(postgresAllowances(store), () => clock.real());
  const house = { lanes: options.lanes ?? LANES, emulated: options.emulated ?? false, callbackAllow: options.callbackAllow ?? [] };
  const verify = keyVerifier({ sql: store.sql, secret: TEST_SECRET, clock });
  const offers = house.lanes.map((id) => ({ id, account: "test", emulated: house.emulated, concurrency: concurrencyOf(id, options.calls ?? 240) }));
  const sight = plannerSight({ store, book, clock, rng, offers });
  const app = createApp(
    { store, queue, blob, clock, rng, logger, house, book, desk, limiter, sight, verify, backlogMax: options.backlogMax },
    options.mounts,
  );
  const http = httpService(app, { host: "127.0.0.1", port: 0, logger });
  await http.start();
  const url = `http://127.0.0.1:${http.address().port}`;
  const populate: PopulateDeps = { store, queue, blob, clock, rng, book, house, logger, sight };
  const newTenant = async (name: string, terms: { allowUnpriced?: boolean } = {}): Promise<TestCaller> => {
    const nowMs = clock.job();
    const tenantId = await createTenant(store.sql, { name, nowMs, rng, ...terms });
    const made = await createKey(store.sql, { tenantId, name: "test", secret: TEST_SECRET, nowMs, rng });
    if (made === null) throw new Error("the key was there before");
    return callerOf(url, { tenantId, keyId: made.keyId, key: made.key });
  };
  return {
    url,
    store,
    blob,
    queue,
    clock,
    tenant: await newTenant("first"),
    populate,
    newTenant,
    as: (who) => callerOf(url, who),
    run: (batchId) => populateBatch(populate, batchId, new AbortController().signal),
    stop: async () => {
      await http.stop();
      await desk.close();
      await limiter.close();
      await queue.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function callerOf(url: string, who: { tenantId: string; keyId: string; key: string }): TestCaller {
  return {
    ...who,
    openai: new OpenAI({ apiKey: who.key, baseURL: `${url}/v1`, maxRetries: 0 }),
    call: async (method, path, body, headers = {}) => {
      const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${who.key}`, ...(text === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(text === undefined ? {} : { body: text }),
      });
      const answer = await response.text();
      let json: unknown = null;
      try {
        json = JSON.parse(answer);
      } catch {
        // Not every reply is JSON.
      }
      return { status: response.status, headers: response.headers, text: answer, json };
    },
  };
}
