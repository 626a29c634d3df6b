import { createLanes } from "@slowboat/lanes";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { createLogger } from "@slowboat/runtime";
import { seedTenant, type TestClock, type TestDatabase, type TestTenant, testClock, testDatabase, testQueue, testRng } from "@slowboat/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createInteractive, type Interactive } from "./create-interactive.ts";
import type { InteractiveRequest } from "./request.ts";
import { attemptOf, jobOf } from "./rows.ts";
import { sweepLostCalls } from "./sweep-calls.ts";
import { interactiveWrites } from "./writes.ts";

let database: TestDatabase;
let queue: Queue;
let clock: TestClock;
let who: TestTenant;
const rng = testRng(7);
const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");

beforeAll(async () => {
  database = await testDatabase();
  queue = await testQueue(database);
});
afterAll(async () => {
  await queue.close();
  await database.drop();
});
beforeEach(async () => {
  clock = testClock();
  who = await seedTenant(database.store, { clock });
});

const request = (more: Partial<InteractiveRequest> = {}): InteractiveRequest => {
  const model = resolveModel(book, "gpt-5.4-mini");
  if (model === null) throw new Error("no such model in the book");
  return {
    ...who,
    allowUnpriced: false,
    budgeted: false,
    surface: "openai",
    endpoint: "/v1/chat/completions",
    model,
    body: '{"model":"gpt-5.4-mini","messages":[{"role":"user","content":"x"}]}',
    value: { model: "gpt-5.4-mini", messages: [] },
    deadlineAtMs: null,
    allow: null,
    deny: null,
    cache: { mode: "auto", semantic: null },
    tier: null,
    maxOutputTokens: null,
    stream: false,
    fallbacks: [],
    ...more,
  };
};
const decision = {
  lane: "openai",
  model: "gpt-5.4-mini",
  role: "try",
  reason: "",
  decidedAtMs: 0,
  deadlineAtMs: null,
  latestStartAtMs: null,
  pricesVersion: "v",
  candidates: [],
} as const;
const opened = (nowMs: number) => {
  const job = jobOf(request(), nowMs, rng, null);
  const attempt = attemptOf(job, decision, 1, { account: "a", emulated: true, sourceAttemptId: null }, nowMs, rng);
  return { kind: "open", job: { ...job, lane: "openai", attemptId: attempt.id }, attempt } as const;
};
const states = async (jobId: string) =>
  (await database.store.sql<{ job: string; attempt: string; code: string | null }[]>`
    select j.state as job, a.state as attempt, a.error_code as code from job j join attempt a on a.job_id = j.id where j.id = ${jobId} order by a.seq`) as unknown;

describe("writes of interactive calls", () => {
  test("a write that Postgres refuses fails alone, and the others of its group are durable", async () => {
    const write = interactiveWrites({ store: database.store }, clock);
    const good = Array.from({ length: 20 }, () => opened(clock.job()));
    const twice = opened(clock.job());
    const bad = { ...twice, attempt: { ...twice.attempt, id: good[0]?.attempt.id ?? "" } };
    const outcomes = await Promise.allSettled([...good, bad].map((one) => write(one)));
    expect(outcomes.map((o) => o.status)).toEqual([...good.map(() => "fulfilled"), "rejected"]);
    for (const one of good) expect(await states(one.job.id)).toEqual([{ job: "placed", attempt: "sending", code: null }]);
    expect(await database.store.sql`select 1 from job where id = ${twice.job.id}`).toHaveLength(0);
  });

  test("a call whose process died is ended and held in suspense, and one that may still live is left alone", async () => {
    const write = interactiveWrites({ store: database.store }, clock);
    const lost = opened(clock.job());
    await write(lost);
    clock.advance(15 * 60_000);
    const living = opened(clock.job());
    await write(living);
    clock.advance(6 * 60_000);
    // Other tests' calls may be among them.
    expect(await sweepLostCalls(database.store, clock)).toBeGreaterThan(0);
    expect(await states(lost.job.id)).toEqual([{ job: "failed", attempt: "unknown", code: "caller_lost" }]);
    expect(await states(living.job.id)).toEqual([{ job: "placed", attempt: "sending", code: null }]);
    expect(await sweepLostCalls(database.store, clock)).toBe(0);
  });
});

describe("calls that cannot be served", () => {
  const withLanes =
    (work: (interactive: Interactive) => Promise<void>, settings: Partial<Parameters<typeof createLanes>[0]> = {}) =>
    async (): Promise<void> => {
      const interactive = createInteractive({
        store: database.store,
        queue,
        lanes: createLanes({ emulated: true, ...settings }),
        book,
        time: { clock, rng },
        logger,
      });
      await work(interactive);
      await interactive.close();
    };

  test(
    "without any lane for the model the call is refused before anything is written",
    withLanes(async (interactive) => {
      await expect(interactive.run(request(), new AbortController().signal)).rejects.toMatchObject({ code: "lanes-empty" });
      await expect(interactive.count({ model: "claude-haiku-4-5", body: "{}", headers: {} })).rejects.toMatchObject({
        code: "lane-unavailable",
        status: 503,
      });
      expect(await database.store.sql`select 1 from job where tenant_id = ${who.tenantId}`).toHaveLength(0);
    }),
  );

  test(
    "a provider that cannot be reached was sent nothing: the attempts are void, the job failed",
    withLanes(
      async (interactive) => {
        const reply = await interactive
          .run(request({ deadlineAtMs: clock.job() + 500 }), new AbortController().signal)
          .catch((error: unknown) => error);
        expect(reply).toMatchObject({ code: "deadline-infeasible" });
        const gone = new AbortController();
        gone.abort();
        const refused = await interactive.run(request(), gone.signal);
        if (refused.kind !== "failed") throw new Error("it was answered");
        expect(refused.fault).toMatchObject({ code: "lane-unavailable", retryable: true });
        expect(await states(refused.jobId)).toEqual([{ job: "failed", attempt: "void", code: "unsent" }]);
      },
      // Port 9 of this machine: nothing listens there.
      { openai: { apiKey: "sk-test", baseURL: "http://127.0.0.1:9/v1" } },
    ),
  );
});
