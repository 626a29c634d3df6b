import { createLanes } from "@slowboat/lanes";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { createLogger } from "@slowboat/runtime";
import { fileCallLog, logCalls } from "@slowboat/store";
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
const statesOf = async (jobId: string) =>
  (await database.store.sql<{ job: string; attempt: string; code: string | null }[]>`
    select j.state as job, a.state as attempt, a.error_code as code from job j join attempt a on a.job_id = j.id where j.id = ${jobId} order by a.seq`) as unknown;

/** Calls written as rows at once, and into the call log, which is filed before it is looked at. */
const WAYS = [
  ["filed", () => ({ store: database.store })],
  ["logged", () => ({ store: database.store, callStore: database.store })],
] as const;

describe.each(WAYS)("writes of interactive calls, %s", (_way, stores) => {
  const states = async (jobId: string) => {
    await fileCallLog(database.store);
    return await statesOf(jobId);
  };

  test("a write that Postgres refuses fails alone, and the others of its group are durable", async () => {
    const write = interactiveWrites(stores(), clock);
    const good = Array.from({ length: 20 }, () => opened(clock.job()));
    const twice = opened(clock.job());
    // No number that the table takes: what only Postgres would refuse is not found out before it is filed.
    const bad = { ...twice, job: { ...twice.job, outputTokensEst: 2 ** 31 } };
    const outcomes = await Promise.allSettled([...good, bad].map((one) => write(one)));
    expect(outcomes.map((o) => o.status)).toEqual([...good.map(() => "fulfilled"), "rejected"]);
    for (const one of good) expect(await states(one.job.id)).toEqual([{ job: "placed", attempt: "sending", code: null }]);
    expect(await database.store.sql`select 1 from job where id = ${twice.job.id}`).toHaveLength(0);
  });

  test("an answer of any length finds its call, filed or not", async () => {
    const write = interactiveWrites(stores(), clock);
    for (const chars of [10, 200_000]) {
      const { kind, ...first } = opened(clock.job());
      await write({ kind, ...first });
      const body = JSON.stringify({ said: "x".repeat(chars) });
      await write({
        kind: "answer",
        first,
        answer: { attemptId: first.attempt.id, statusCode: 200, body, requestId: null, errorCode: null, reading: null },
      });
      await fileCallLog(database.store);
      const [row] = await database.store.sql`
        select a.state, a.answer = ${body} as whole, u.bytes from attempt a join unsettled u on u.attempt_id = a.id where a.id = ${first.attempt.id}`;
      expect(row).toEqual({ state: "answered", whole: true, bytes: body.length });
    }
  });

  test("a call whose process died is ended and held in suspense, and one that may still live is left alone", async () => {
    const write = interactiveWrites(stores(), clock);
    const lost = opened(clock.job());
    await write(lost);
    expect(await states(lost.job.id)).toEqual([{ job: "placed", attempt: "sending", code: null }]);
    clock.advance(15 * 60_000);
    const living = opened(clock.job());
    await write(living);
    clock.advance(6 * 60_000);
    // Other tests' calls may be among them.
    await fileCallLog(database.store);
    expect(await sweepLostCalls(database.store, clock)).toBeGreaterThan(0);
    expect(await states(lost.job.id)).toEqual([{ job: "failed", attempt: "unknown", code: "caller_lost" }]);
    expect(await states(living.job.id)).toEqual([{ job: "placed", attempt: "sending", code: null }]);
    expect(await sweepLostCalls(database.store, clock)).toBe(0);
  });
});

test("no call is taken for lost while the log may hold its answer", async () => {
  const write = interactiveWrites({ store: database.store }, clock);
  const late = opened(clock.job());
  await write(late);
  clock.advance(21 * 60_000);
  await logCalls(
    database.store.sql,
    { opened: [], answered: [{ attemptId: late.attempt.id, statusCode: 200, body: "{}", requestId: null, errorCode: null, reading: null }] },
    { nowMs: clock.job(), realMs: clock.real() },
  );
  clock.advance(2 * 60_000);
  expect(await sweepLostCalls(database.store, clock)).toBe(0);
  await fileCallLog(database.store);
  expect(await sweepLostCalls(database.store, clock)).toBe(0);
  expect(await statesOf(late.job.id)).toEqual([{ job: "placed", attempt: "answered", code: null }]);
});

describe.each(WAYS)("calls that cannot be served, %s", (_way, stores) => {
  const withLanes =
    (work: (interactive: Interactive) => Promise<void>, settings: Partial<Parameters<typeof createLanes>[0]> = {}) =>
    async (): Promise<void> => {
      const interactive = createInteractive({
        ...stores(),
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
        const ended = [{ job: "failed", attempt: "void", code: "unsent" }];
        expect(await statesOf(refused.jobId)).toEqual(ended);
        // What was logged of it comes after its end, and changes nothing.
        await fileCallLog(database.store);
        expect(await statesOf(refused.jobId)).toEqual(ended);
      },
      // Port 9 of this machine: nothing listens there.
      { openai: { apiKey: "sk-test", baseURL: "http://127.0.0.1:9/v1" } },
    ),
  );
});
