import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { insertAttempts, insertJobs, type NewAttempt, type NewJob, openStore, saveAnswers, writeCalls } from "./index.ts";
import { callAnswer as answer, callAttempt, callJob } from "./testing/calls.ts";

let database: TestDatabase;
let tenantId: string;
beforeEach(async () => {
  database = await testDatabase();
  ({ tenantId } = await seedTenant(database.store));
});
afterEach(() => database.drop());

const at = { nowMs: 2000, realMs: 3000 };
const job = (id: string, more?: Partial<NewJob>): NewJob => callJob(tenantId, id, more);
const attempt = (id: string, more?: Partial<NewAttempt>): NewAttempt => callAttempt(tenantId, id, more);
const rows = async (table: "job" | "attempt" | "unsettled"): Promise<unknown[]> => [
  ...(await database.store.sql`select * from ${database.store.sql(table)} order by 1`),
];

const EVERYTHING = {
  body: null,
  batchId: "batch_1",
  lineNo: 7,
  customId: "c",
  bodyOffset: 2 ** 40,
  bodyBlobKey: "blob",
  deadlineAtMs: 1_795_619_046_707,
  lanesAllow: ["openai", "pool"],
  lanesDeny: ["openai-flex"],
  maxCostNano: 9_007_199_254_740_993n,
  callbackUrl: "https://example.test/x?y=1",
  metadata: '{"k":"v"}',
  reuseKey: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
  nextDecisionAtMs: 5000.5,
  error: '{"code":"x"}',
  endedAtMs: 6000,
} satisfies Partial<NewJob>;

describe("writing calls", () => {
  test("leaves the very rows that the single verbs leave, every column filled or empty", async () => {
    const jobs = [job("1"), job("2", EVERYTHING), job("3", { lanesAllow: [] })];
    const attempts = [
      attempt("1"),
      attempt("2", { state: "answered", sourceAttemptId: "att_0", estimateNano: 9_007_199_254_740_993n, emulated: true, dispatchId: "dsp_1" }),
      attempt("3", { state: "intent" }),
    ];
    await insertJobs(database.store.sql, jobs);
    await insertAttempts(database.store.sql, attempts, at.realMs);
    await saveAnswers(database.store.sql, [answer("1", undefined, "code")], at);
    const wanted = { jobs: await rows("job"), attempts: await rows("attempt"), unsettled: await rows("unsettled") };
    expect(wanted.unsettled).toHaveLength(2);
    await database.store.sql`truncate job, attempt, unsettled`;
    const opened = jobs.map((one, i) => ({ job: one, attempt: attempts[i] as NewAttempt }));
    await writeCalls(database.store.sql, { opened, answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("1", undefined, "code")] }, at);
    expect({ jobs: await rows("job"), attempts: await rows("attempt"), unsettled: await rows("unsettled") }).toEqual(wanted);
  });

  test("answers of some and intents of others go in one statement; an attempt that has its answer keeps it", async () => {
    await writeCalls(database.store.sql, { opened: [{ job: job("1"), attempt: attempt("1") }], answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [{ job: job("2"), attempt: attempt("2") }], answered: [answer("1", "first")] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("1", "second"), answer("2", "own")] }, at);
    const found = await database.store.sql`select id, state, answer from attempt order by id`;
    expect(found.map((row) => ({ ...row }))).toEqual([
      { id: "att_1", state: "answered", answer: "first" },
      { id: "att_2", state: "answered", answer: "own" },
    ]);
  });

  test("half a character in a name does not keep an intent out, and bodies keep their escapes", async () => {
    await writeCalls(database.store.sql, { opened: [{ job: job("1", { model: "m\ud800" }), attempt: attempt("1") }], answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("1")] }, at);
    const [row] = await database.store.sql`select a.answer, j.model, j.body from attempt a join job j on j.id = a.job_id`;
    expect(row).toEqual({ answer: answer("1").body, model: "m\ufffd", body: job("1").body });
  });

  test("what stands between fields and rows on the way stays out of them, whoever wrote it", async () => {
    const hostile = "m\x1fothers\x1ejob_9\x1f\x05\x00";
    await writeCalls(database.store.sql, { opened: [{ job: job("1", { model: hostile, route: "\x05" }), attempt: attempt("1") }], answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("1", `<html>${hostile}`)] }, at);
    const [row, ...more] = await database.store.sql`select a.answer, j.model, j.route, j.tenant_id from attempt a join job j on j.id = a.job_id`;
    expect([row, more]).toEqual([{ answer: "<html>mothersjob_9", model: "mothersjob_9", route: "", tenant_id: tenantId }, []]);
  });

  test("all of it or nothing: one row that Postgres refuses leaves none", async () => {
    const twice = [
      { job: job("1"), attempt: attempt("1") },
      { job: job("2"), attempt: attempt("1") },
    ];
    await expect(writeCalls(database.store.sql, { opened: twice, answered: [] }, at)).rejects.toThrow("attempt_pkey");
    expect([await rows("job"), await rows("attempt")]).toEqual([[], []]);
  });

  test("what was planned while the tables were empty does not read them whole when they have grown", async () => {
    const store = openStore(database.url, { max: 1 });
    const wholeReads = async (): Promise<bigint> => {
      await store.sql`select pg_stat_force_next_flush()`;
      const [row] = await store.sql<{ n: bigint }[]>`select seq_scan as n from pg_stat_user_tables where relname = 'attempt'`;
      return row?.n ?? -1n;
    };
    try {
      // The server keeps a connection's plan after five runs.
      for (let run = 0; run < 8; run++) {
        await writeCalls(store.sql, { opened: [], answered: [answer("none")] }, at);
        await saveAnswers(store.sql, [answer("none")], at);
      }
      const ids = Array.from({ length: 300 }, (_, i) => String(i));
      await writeCalls(store.sql, { opened: ids.map((id) => ({ job: job(id), attempt: attempt(id) })), answered: [] }, at);
      const before = await wholeReads();
      await writeCalls(store.sql, { opened: [], answered: [answer("5"), answer("6")] }, at);
      await saveAnswers(store.sql, [answer("7")], at);
      expect(await wholeReads()).toBe(before);
      const [row] = await store.sql`select count(*)::int as n from attempt where state = 'answered'`;
      expect(row?.["n"]).toBe(3);
    } finally {
      await store.close();
    }
  });
});
