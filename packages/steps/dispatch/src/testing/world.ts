import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskBlobs } from "@slowboat/blob";
import { type LaneId, laneClass } from "@slowboat/contract";
import { type Emulator, type EmulatorOptions, startEmulator } from "@slowboat/emulator";
import { newId } from "@slowboat/kernel";
import { createLanes } from "@slowboat/lanes";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { createLogger } from "@slowboat/runtime";
import { insertJobs, type NewJob } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testJob, testQueue, testRng } from "@slowboat/testkit";
import {
  createGate,
  createMeter,
  createPromptGate,
  createPromptTraffic,
  createQuotas,
  type EnqueuedSettings,
  type LaneDeps,
  type Meter,
  type PlanDeps,
  planDue,
  runBatchDispatch,
  runCallDispatch,
} from "../index.ts";

const book = loadPriceBook(STANDARD_PRICES);
export const EVENING = Date.parse("2026-11-25T22:00:00Z");
export const HOUR = 3_600_000;
export const MINUTE = 60_000;

/** Real Postgres, real sockets, the emulator on the test's own clock: the planner and the lanes are driven by hand, one look at a time. */
export interface World {
  readonly clock: TestClock;
  readonly database: TestDatabase;
  readonly emulator: Emulator;
  readonly laneDeps: LaneDeps;
  readonly planDeps: PlanDeps;
  /** Inserts accepted chat jobs and returns their ids. */
  accept(count: number, over?: Partial<NewJob>): Promise<string[]>;
  /** One look of the scheduler: plans what is due, then takes every live dispatch one step further. */
  look(): Promise<void>;
  /** Looks every `everyMs` of job time until `untilMs`. */
  pass(untilMs: number, everyMs: number): Promise<void>;
  rows<T extends object>(table: "job" | "attempt" | "dispatch", columns: string): Promise<T[]>;
  close(): Promise<void>;
}

/**
 * Opens a world. `emulatorOptions` set the provider's behaviour, `enqueuedTokens` what is configured of its quotas. Batches that are slow by what is published are
 * taken back only with `restarts`: most tests let them take just as long as they need.
 */
export async function openWorld(
  { restarts = false, ...emulatorOptions }: EmulatorOptions & { readonly restarts?: boolean } = {},
  enqueuedTokens: EnqueuedSettings = {},
): Promise<World> {
  const clock = testClock(EVENING);
  const database = await testDatabase();
  const owner = await seedTenant(database.store);
  const queue: Queue = await testQueue(database);
  const folder = await mkdtemp(join(tmpdir(), "slowboat-dispatch-"));
  const emulator = await startEmulator({ latency: "instant", ...emulatorOptions, clock: clock.job });
  const account = { apiKey: "sk-test", baseURL: `${emulator.url}/v1` };
  const lanes = createLanes({
    openai: account,
    anthropic: { apiKey: "sk-test", baseURL: emulator.url },
    emulated: true,
    clock,
    pace: { rng: testRng(6), nowMs: clock.real, waitMsMax: 0 },
  });
  const logger = createLogger("test", "silent");
  const rng = testRng(5);
  const meter: Meter = { ...createMeter(), ...(restarts ? {} : { slowBatches: { due: async () => [] } }) };
  const promptGate = createPromptGate(clock.job);
  const laneDeps: LaneDeps = { store: database.store, queue, blob: await diskBlobs(folder), lanes, time: { clock, rng }, meter, promptGate, logger };
  const offers = [...lanes.values()].map((lane) => ({
    id: lane.id,
    account: lane.account,
    emulated: true,
    concurrency: laneClass(lane.id) === "batch" ? 4 : 16,
    pace: lane.pace,
  }));
  const planDeps: PlanDeps = {
    store: database.store,
    queue,
    book,
    lanes: offers,
    meter,
    time: { clock, rng, tickMs: 200, poolTokensPerSecond: 8_000 },
    logger,
    quotas: createQuotas(enqueuedTokens),
    prompts: createPromptTraffic(),
  };
  const { signal } = new AbortController();
  const gate = createGate(16);
  const gateOf = () => gate;

  const world: World = {
    clock,
    database,
    emulator,
    laneDeps,
    planDeps,
    accept: async (count, over = {}) => {
      const jobs = Array.from({ length: count }, (_, index) => chatJob(owner, clock, newId("job", clock.job(), rng), index, over));
      await insertJobs(database.store.sql, jobs);
      return jobs.map((job) => job.id);
    },
    look: async () => {
      await planDue(planDeps, signal);
      const live = await database.store.sql<{ id: string; lane: LaneId; due: boolean }[]>`
        select id, lane, coalesce(next_poll_at_ms, 0) <= ${clock.job()}::float8 or (cancel_at_ms is not null and provider_status is distinct from 'cancelling') as due
        from dispatch where state in ('queued', 'running', 'submitted')`;
      for (const { id, lane, due } of live) {
        if (laneClass(lane) === "batch") {
          if (due) await runBatchDispatch(laneDeps, id, signal);
        } else await runCallDispatch(laneDeps, gateOf, id, signal);
      }
    },
    pass: async (untilMs, everyMs) => {
      while (clock.job() < untilMs) {
        await world.look();
        clock.advance(everyMs);
      }
    },
    rows: async (table, columns) => await database.store.sql.unsafe(`select ${columns} from ${table} order by id`),
    close: async () => {
      await emulator.stop();
      await queue.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

function chatJob(owner: { tenantId: string; keyId: string }, clock: TestClock, id: string, index: number, over: Partial<NewJob>): NewJob {
  const body = JSON.stringify({
    model: over.model ?? "gpt-5-mini",
    max_completion_tokens: 40,
    messages: [{ role: "user", content: `Name a river, number ${index}.` }],
  });
  return testJob({
    id,
    tenantId: owner.tenantId,
    keyId: owner.keyId,
    model: "gpt-5-mini",
    baselineModel: "gpt-5-mini",
    body,
    inputTokensEst: 20,
    outputTokensEst: 40,
    deadlineAtMs: EVENING + 8 * HOUR,
    nextDecisionAtMs: clock.job(),
    acceptedAtMs: clock.job(),
    ...over,
  });
}
