import type { Endpoint } from "@slowboat/contract";
import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { readAnswer } from "@slowboat/reuse";
import { createLogger } from "@slowboat/runtime";
import {
  endAttempts,
  fileCalls,
  insertAttempts,
  type LoggedAnswer,
  logCalls,
  type OpenedCall,
  openRouteDesk,
  placeJobs,
  writeCalls,
} from "@slowboat/store";
import { seedTenant, type TestDatabase, testClock, testDatabase, testJob, testQueue, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type SettleDeps, settleChunk, settleLogged } from "./settle.ts";
import { answer, messageAnswer } from "./testing/answers.ts";

const book = loadPriceBook(STANDARD_PRICES);
let database: TestDatabase;
let deps: SettleDeps;
let owner: { tenantId: string; keyId: string };
const rng = testRng(12);
const clock = testClock(Date.parse("2026-11-25T22:00:00Z"));
const at = () => ({ nowMs: clock.job(), realMs: clock.real() });

beforeEach(async () => {
  database = await testDatabase();
  const { tenantId, keyId } = await seedTenant(database.store);
  owner = { tenantId, keyId };
  const queue = await testQueue(database);
  const routes = openRouteDesk(database.store.sql, () => clock.real());
  deps = { store: database.store, queue, book, clock, rng, logger: createLogger("test", "silent"), routes };
});
afterEach(async () => {
  await deps.queue.close();
  await database.drop();
});

const call = (lane: string, job: Partial<OpenedCall["job"]> = {}, attempt: Partial<OpenedCall["attempt"]> = {}): OpenedCall => {
  const [jobId, attemptId] = [newId("job", clock.job(), rng), newId("attempt", clock.job(), rng)];
  const created = { jobId, tenantId: owner.tenantId, seq: 1, lane, account: "a", dispatchId: null, role: "try", decision: "{}", estimateNano: 5n };
  return {
    job: testJob({
      id: jobId,
      ...owner,
      model: "gpt-5-mini",
      baselineModel: "gpt-5-mini",
      state: "placed",
      lane,
      attemptId,
      acceptedAtMs: clock.job(),
      attempts: 1,
      ...job,
    }),
    attempt: { id: attemptId, ...created, pricesVersion: book.version, emulated: true, createdAtMs: clock.job(), state: "sending", ...attempt },
  };
};
const said = ({ attempt, job }: OpenedCall, body: string, statusCode = 200, errorCode: string | null = null): LoggedAnswer => {
  const { usage, ...rest } = readAnswer((attempt.endpoint ?? job.endpoint) as Endpoint, body);
  const reading = statusCode === 200 ? { ...rest, usage: usage && JSON.stringify(usage) } : null;
  return { attemptId: attempt.id, statusCode, body, requestId: "r", errorCode, reading };
};
const plain = answer({ prompt: 1000, cached: 200, output: 100 }, "default");

const TABLES = ["job", "attempt", "result", "ledger_txn", "ledger_entry", "reuse_entry", "unsettled", "call_log"] as const;
const everything = async (): Promise<Record<string, unknown[]>> => {
  const all: Record<string, unknown[]> = {};
  for (const name of TABLES)
    all[name] = (await database.store.sql`select * from ${database.store.sql(name)} t order by t::text`).map((row) => ({ ...row }));
  return all;
};

test("calls out of the log leave, to the last column and nano-dollar, what calls leave that were filed, answered and settled one after another", async () => {
  const calls: [OpenedCall, string, number?, string?][] = [
    [call("openai"), plain],
    [call("openai-flex"), answer({ prompt: 9, cached: 0, output: 1 }, "flex")],
    [call("openai", { reuseKey: new Uint8Array(32).fill(7) }), plain],
    [call("anthropic", {}, { model: "claude-haiku-4-5", endpoint: "/v1/messages" }), messageAnswer({ input_tokens: 6, output_tokens: 1 })],
    [call("openai"), '{"id":"x","choices":[]}'],
    [call("openai", { model: "nobody-has-this", baselineModel: "nobody-has-this" }), plain],
    [call("openai"), '{"error":{"message":"no","type":"invalid_request_error"}}', 400, "invalid_request_error"],
  ];
  const opened = calls.map(([one]) => one);
  const answered = calls.map(([one, body, status, code]) => said(one, body, status, code));
  await writeCalls(database.store.sql, { opened, answered: [] }, at());
  await writeCalls(database.store.sql, { opened: [], answered }, at());
  expect(await settleChunk(deps)).toEqual({ attempts: calls.length, more: false });
  const wanted = await everything();
  expect([wanted["result"]?.length, wanted["reuse_entry"]?.length, wanted["unsettled"]]).toEqual([calls.length, 1, []]);
  await database.store.begin(async (tx) => {
    // The ledger can only be added to: its guard has to look away.
    await tx`set local session_replication_role = replica`;
    await tx`truncate ${tx(TABLES)}`;
  });
  await logCalls(database.store.sql, { opened, answered: [] }, at());
  await logCalls(database.store.sql, { opened: [], answered }, at());
  expect(await settleLogged(deps)).toEqual({ attempts: calls.length, more: false });
  expect(await everything()).toEqual(wanted);
  expect([await settleLogged(deps), await settleChunk(deps)]).toEqual([
    { attempts: 0, more: false },
    { attempts: 0, more: false },
  ]);
  expect(await everything()).toEqual(wanted);
});

test("a call that was tried again before its first try was filed is billed once, for the answer that it got", async () => {
  const one = call("openai");
  await logCalls(database.store.sql, { opened: [one], answered: [] }, at());
  const second = { ...one.attempt, id: newId("attempt", clock.job(), rng), seq: 2 };
  await database.store.begin(async (tx) => {
    await fileCalls(tx, [one]);
    await endAttempts(tx, [{ attemptId: one.attempt.id, state: "void", code: "429", outcome: "refused" }], clock.job());
    await insertAttempts(tx, [second], clock.real());
    await placeJobs(tx, [{ jobId: one.job.id, lane: "openai", attemptId: second.id, nextDecisionAtMs: null }]);
  });
  await logCalls(database.store.sql, { opened: [], answered: [said({ ...one, attempt: second }, plain)] }, at());
  expect(await settleLogged(deps)).toEqual({ attempts: 2, more: false });
  expect(await settleChunk(deps)).toEqual({ attempts: 1, more: false });
  const now = await everything();
  expect(now["job"]).toMatchObject([{ state: "completed", attempts: 2, attempt_id: second.id }]);
  expect(now["attempt"]).toHaveLength(2);
  expect(now["result"]).toMatchObject([{ attempt_id: second.id }]);
  expect(now["ledger_txn"]).toMatchObject([{ attempt_id: second.id, priced: true }]);
});

test("a call that comes once more out of the log, beside others, is posted once, and holds none of them up", async () => {
  const [one, two, three] = [call("openai"), call("openai"), call("openai")];
  const log = (...calls: OpenedCall[]) => logCalls(database.store.sql, { opened: calls, answered: calls.map((each) => said(each, plain)) }, at());
  await log(one);
  await settleLogged(deps);
  // Its commit was not heard of, and it was written again.
  await log(two, one, three);
  expect(await settleLogged(deps)).toEqual({ attempts: 3, more: false });
  expect(await settleChunk(deps)).toEqual({ attempts: 0, more: false });
  const now = await everything();
  expect(now["job"]).toMatchObject([one, two, three].map(() => ({ state: "completed", version: 2 })));
  expect([now["attempt"]?.length, now["result"]?.length, now["ledger_txn"]?.length, now["call_log"]?.length]).toEqual([3, 3, 3, 0]);
});

test("settled from several sides at once, and with a settlement that fails at first, every call is posted once", async () => {
  const log = async (): Promise<OpenedCall[]> => {
    const calls = Array.from({ length: 40 }, () => call("openai"));
    for (let i = 0; i < calls.length; i += 4) {
      await logCalls(database.store.sql, { opened: calls.slice(i, i + 4), answered: [] }, at());
      await logCalls(database.store.sql, { opened: [], answered: calls.slice(i, i + 3).map((one) => said(one, plain)) }, at());
    }
    return calls;
  };
  const calls = await log();
  const broken = { ...deps, book: undefined as never };
  // What cannot be settled is filed all the same, and waits.
  expect((await settleLogged(broken)).attempts).toBe(70);
  const filed = await everything();
  expect([filed["job"]?.length, filed["unsettled"]?.length, filed["ledger_txn"]?.length, filed["call_log"]?.length]).toEqual([40, 30, 0, 0]);
  calls.push(...(await log()));
  await Promise.all(Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? settleLogged(deps) : settleChunk(deps))));
  // The last quarter hears its answers later.
  const late = calls.filter((_, i) => i % 4 === 3);
  await logCalls(database.store.sql, { opened: [], answered: late.map((one) => said(one, plain)) }, at());
  await settleLogged(deps);
  while ((await settleChunk(deps)).attempts > 0);
  const now = await everything();
  expect([now["job"]?.length, now["result"]?.length, now["ledger_txn"]?.length, now["call_log"]?.length]).toEqual([80, 80, 80, 0]);
  const [sum] = await database.store.sql<{ total: bigint; paid: bigint }[]>`
    select sum(amount_nano)::int8 as total, sum(amount_nano) filter (where account like 'payable.%')::int8 as paid from ledger_entry`;
  expect(sum?.total).toBe(0n);
  // 800 at 0.25, 200 at 0.025 and 100 at 2 dollars a million.
  expect(sum?.paid).toBe(80n * 405_000n);
});
