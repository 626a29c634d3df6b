import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answerLine, openedLine } from "./call-lines.ts";
import {
  claimAnswered,
  claimLogged,
  fileCallLog,
  fileCalls,
  fileSettled,
  findJob,
  isUsual,
  logCalls,
  migrate,
  type NewAttempt,
  type NewJob,
  type OpenedCall,
  type Sql,
  writeCalls,
} from "./index.ts";
import { asParameter } from "./lines.ts";
import { callAnswer as answer, callAttempt, callJob } from "./testing/calls.ts";

let database: TestDatabase;
let tenantId: string;
beforeEach(async () => {
  database = await testDatabase();
  ({ tenantId } = await seedTenant(database.store));
});
afterEach(() => database.drop());

const at = { nowMs: 2000, realMs: 3000 };
const MOST = { items: 1000, maxBytes: 1_000_000 };
const call = (id: string, job?: Partial<NewJob>, attempt?: Partial<NewAttempt>): OpenedCall => ({
  job: callJob(tenantId, id, job),
  attempt: callAttempt(tenantId, id, attempt),
});
const FULL: Partial<NewJob> = {
  deadlineAtMs: 1_795_619_046_707,
  lanesAllow: ["openai", "pool"],
  lanesDeny: ["openai-flex"],
  reuseKey: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
  fallbacks: "[]",
  semantic: true,
};
const rows = async (table: "job" | "attempt" | "unsettled" | "call_log"): Promise<Record<string, unknown>[]> =>
  (await database.store.sql`select * from ${database.store.sql(table)} order by 1`).map((row) => ({ ...row }));
const open = (...opened: OpenedCall[]) => logCalls(database.store.sql, { opened, answered: [] }, at);
const tell = (...answered: ReturnType<typeof answer>[]) => logCalls(database.store.sql, { opened: [], answered }, at);
const claim = <T>(work: (tx: Sql, claimed: Awaited<ReturnType<typeof claimLogged>>) => Promise<T>, most = MOST): Promise<T> =>
  database.store.begin(async (tx) => {
    const claimed = await claimLogged(tx, most);
    const done = await work(tx, claimed);
    await fileSettled(tx, [], { logIds: claimed.logIds, nowMs: 0 });
    return done;
  });

describe("the call log", () => {
  test("filed, it leaves the very rows that calls leave which are written at once, and nothing of itself", async () => {
    const calls = [call("1"), call("2", FULL, { estimateNano: 9_007_199_254_740_993n, emulated: true, model: "m", endpoint: "/v1/messages" })];
    await writeCalls(database.store.sql, { opened: calls, answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("2", undefined, "code")] }, at);
    const wanted = [await rows("job"), await rows("attempt"), await rows("unsettled")];
    await database.store.sql`truncate job, attempt, unsettled`;
    await open(...calls);
    expect(await rows("job")).toEqual([]);
    await tell(answer("2", undefined, "code"));
    await fileCallLog(database.store);
    expect([await rows("job"), await rows("attempt"), await rows("unsettled")]).toEqual(wanted);
    expect(await rows("call_log")).toEqual([]);
    await Promise.all([fileCallLog(database.store), fileCallLog(database.store), fileCallLog(database.store)]);
    expect([await rows("job"), await rows("attempt"), await rows("unsettled")]).toEqual(wanted);
  });

  test("a call that was opened and answered comes back as its settlement reads it, and is filed as it ended", async () => {
    const one = call("1", FULL, { estimateNano: 7n, emulated: true });
    await writeCalls(database.store.sql, { opened: [one], answered: [] }, at);
    await writeCalls(database.store.sql, { opened: [], answered: [answer("1")] }, at);
    const [read] = await database.store.begin(async (tx) => (await claimAnswered(tx, { limit: 9, maxBytes: 1e6 })).rows);
    const [job] = await rows("job");
    const [attempt] = await rows("attempt");
    await database.store.sql`truncate job, attempt, unsettled`;
    await open(one);
    await tell(answer("1"));
    await claim(async (tx, { whole, filed, more, logIds }) => {
      expect([whole.length, filed, more]).toEqual([1, 0, false]);
      expect({ ...whole[0]?.row, reuseKey: null }).toEqual({ ...read, reuseKey: null, answer: null });
      expect(whole[0]?.reading).toEqual(answer("1").reading);
      expect(Buffer.from(whole[0]?.row.reuseKey ?? [])).toEqual(Buffer.from(FULL.reuseKey ?? []));
      const ended = whole.map((found) => ({ call: found, state: "completed" as const, tier: "standard" }));
      expect([...(await fileSettled(tx, ended, { logIds, nowMs: 5000 }))]).toEqual(["job_1"]);
    });
    expect(await rows("job")).toEqual([{ ...job, state: "completed", ended_at_ms: 5000, version: 2 }]);
    const settled = { state: "settled", usage: '{"u":1}', tier: "standard", settled_at_ms: 5000, open_call_ms: null };
    expect(await rows("attempt")).toEqual([{ ...attempt, ...settled }]);
    expect([await rows("unsettled"), await rows("call_log")]).toEqual([[], []]);
  });

  test("what is only half there is filed at once: an open call waits for its answer, an answer finds its call", async () => {
    await open(call("1"));
    await claim(async (_tx, { whole, filed }) => expect([whole.length, filed]).toEqual([0, 1]));
    expect(await rows("attempt")).toMatchObject([{ state: "sending", sent_at_ms: 1000 }]);
    await tell(answer("1", "first"));
    await tell(answer("1", "second"));
    await claim(async (_tx, { whole, filed }) => expect([whole.length, filed]).toEqual([0, 1]));
    expect(await rows("attempt")).toMatchObject([{ state: "answered", answer: "first", answered_at_ms: 2000, answered_real_ms: 3000 }]);
    expect(await rows("unsettled")).toEqual([{ attempt_id: "att_1", bytes: 5 }]);
  });

  test.each([
    ["is routed", { route: "{}" }],
    ["is an errand", { surface: "errand" }],
  ] as const)("a call that %s is settled beside its job", async (_what, more) => {
    await open(call("1", more));
    await tell(answer("1"));
    await claim(async (_tx, { whole, filed }) => expect([whole.length, filed]).toEqual([0, 1]));
    expect(await rows("unsettled")).toHaveLength(1);
  });

  test("so is one of a tenant with a budget", async () => {
    await database.store.sql`update tenant set budgeted = true where id = ${tenantId}`;
    await open(call("1"));
    await tell(answer("1"));
    await claim(async (_tx, { whole, filed }) => expect([whole.length, filed]).toEqual([0, 1]));
    expect(await rows("unsettled")).toHaveLength(1);
  });

  test("a call that had changed before it was filed is not filed twice, and keeps what it was changed to", async () => {
    const one = call("1");
    await open(one);
    await fileCalls(database.store.sql, [one]);
    await database.store.sql`update attempt set state = 'void' where id = 'att_1'`;
    await tell(answer("1"));
    await claim(async (tx, { whole, logIds }) => {
      expect(whole).toHaveLength(1);
      const ended = whole.map((found) => ({ call: found, state: "completed" as const, tier: null }));
      expect((await fileSettled(tx, ended, { logIds, nowMs: 5000 })).size).toBe(0);
    });
    expect(await rows("job")).toMatchObject([{ state: "placed", version: 1 }]);
    expect(await rows("attempt")).toMatchObject([{ state: "void", answer: null }]);
  });

  test("what was logged twice, since its commit was not heard of, is filed once", async () => {
    const settle = async (): Promise<string[]> =>
      await claim(async (tx, { whole, logIds }) => {
        const ended = whole.map((found) => ({ call: found, state: "completed" as const, tier: null }));
        return [...(await fileSettled(tx, ended, { logIds, nowMs: 5000 }))];
      });
    await open(call("1"));
    for (let twice = 0; twice < 2; twice++) await tell(answer("1"));
    expect(await settle()).toEqual(["job_1"]);
    for (let twice = 0; twice < 2; twice++) {
      await open(call("2"));
      await tell(answer("2"));
    }
    // It was open once more: the settlement finds it beside its job.
    expect(await settle()).toEqual([]);
    expect(await rows("job")).toMatchObject([
      { id: "job_1", state: "completed" },
      { id: "job_2", state: "placed" },
    ]);
    expect(await rows("attempt")).toMatchObject([{ state: "settled" }, { state: "answered" }]);
    expect([(await rows("unsettled")).length, await rows("call_log")]).toEqual([1, []]);
  });

  test("one process files at a time; a reader waits for it and then sees all of it", async () => {
    await open(call("1"));
    const claimed = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const filing = claim(async (_tx, { filed }) => {
      claimed.resolve();
      await go.promise;
      return filed;
    });
    await claimed.promise;
    await open(call("2"));
    expect(await claim(async (_tx, { filed, more }) => [filed, more])).toEqual([0, false]);
    const found = findJob(database.store, { tenantId, id: "job_2" });
    go.resolve();
    expect(await filing).toBe(1);
    expect(await found).toMatchObject({ id: "job_2", state: "placed" });
    expect(await findJob(database.store, { tenantId: "tenant_other", id: "job_2" })).toBeNull();
  });

  test("a filing that stops halfway leaves the log as it was", async () => {
    await open(call("1"));
    await expect(claim(() => Promise.reject(new Error("the power went")))).rejects.toThrow("the power went");
    expect([await rows("job"), (await rows("call_log")).length]).toEqual([[], 1]);
  });

  test("takes as many as there is room for, oldest first, and says that there are more", async () => {
    for (const id of ["1", "2", "3"]) await open(call(id));
    const take = (most: typeof MOST) => claim(async (_tx, { filed, more }) => [filed, more], most);
    expect(await take({ items: 1, maxBytes: 1e6 })).toEqual([1, true]);
    expect(await rows("job")).toMatchObject([{ id: "job_1" }]);
    expect(await take({ items: 5, maxBytes: 1 })).toEqual([1, true]);
    expect(await take(MOST)).toEqual([1, false]);
  });

  test("what is committed together lies in as many rows as it fills pages, none of them cut up but for one that is longer than a page", async () => {
    const ids = Array.from({ length: 12 }, (_, index) => String(100 + index));
    const body = (chars: number, letter = "x"): string => `{"t":"${letter.repeat(chars)}"}`;
    const asideBytes = async (): Promise<number> => {
      const [table] = await database.store.sql<{ bytes: number }[]>`
        select pg_relation_size(reltoastrelid)::int as bytes from pg_class where relname = 'call_log'`;
      return table?.bytes ?? -1;
    };
    await logCalls(database.store.sql, { opened: [], answered: [] }, at);
    expect(await rows("call_log")).toEqual([]);
    const mixed = { opened: ids.map((id) => call(id, { body: body(1000, "ж") })), answered: ids.map((id) => answer(id, body(1000))) };
    await logCalls(database.store.sql, mixed, at);
    const logged = await rows("call_log");
    expect(logged.length).toBeGreaterThan(4);
    expect(logged.length).toBeLessThan(12);
    expect(logged.reduce((sum, row) => sum + Number(row["items"]), 0)).toBe(24);
    expect(await asideBytes()).toBe(0);
    await open(call("1"), call("2", { body: body(30_000) }), call("3"));
    expect((await rows("call_log")).slice(logged.length).map((row) => row["items"])).toEqual([1, 1, 1]);
    expect(await asideBytes()).toBeGreaterThan(0);
    const whole = await claim(async (_tx, claimed) => claimed.whole.map(({ row }) => row.jobId));
    expect(whole).toEqual(ids.map((id) => `job_${id}`));
    expect((await rows("job")).map((row) => [row["id"], String(row["body"]).length])).toEqual([
      ["job_1", 55],
      ["job_2", 30_008],
      ["job_3", 55],
    ]);
  });

  test("what lies in the log as the version before wrote it is filed by the migration", async () => {
    const { sql } = database.store;
    const calls = [call("1"), call("2", FULL, { estimateNano: 7n, emulated: true, model: "m", endpoint: "/v1/messages" })];
    const [first, second] = [answer("2", undefined, "code"), answer("2", "later")];
    await writeCalls(sql, { opened: calls, answered: [] }, at);
    await writeCalls(sql, { opened: [], answered: [first] }, at);
    const wanted = [await rows("job"), await rows("attempt"), await rows("unsettled")];
    await sql`truncate job, attempt, unsettled`;
    await sql.unsafe(`
      alter table call_log drop column intents, drop column bodies, drop column decisions, drop column readings, drop column answers;
      alter table call_log add column opened text, add column answered text;
      delete from schema_migration where name = '0031-call-log-lines.sql'`);
    const fields = [asParameter(calls.map(openedLine)), asParameter([first, second].map(answerLine)), at.nowMs, at.realMs];
    await sql.unsafe("insert into call_log (opened, answered, items, at_ms, at_real_ms) values ($1, $2, 4, $3, $4)", fields);
    expect(await migrate(database.store, 5)).toEqual(["0031-call-log-lines.sql"]);
    expect([await rows("job"), await rows("attempt"), await rows("unsettled")]).toEqual(wanted);
    expect(await rows("call_log")).toEqual([]);
    await open(call("3"));
    expect(await findJob(database.store, { tenantId, id: "job_3" })).toMatchObject({ id: "job_3" });
  });

  test("whatever a call has, the log takes it and files it as it is, or does not take it", async () => {
    const { sql } = database.store;
    const one = call("1", { ...FULL, route: "{}" }, { estimateNano: 7n, model: "m", endpoint: "/v1/messages" });
    const job: Required<Omit<NewJob, "ask" | "admission" | "prefix">> = {
      ...{
        id: "job_9",
        tenantId: "t",
        keyId: "k",
        surface: "native",
        batchId: "b",
        lineNo: 1,
        customId: "c",
        endpoint: "/v1/embeddings",
        provider: "p",
      },
      ...{ model: "n", baselineModel: "n", state: "accepted", body: "", bodyBlobKey: "k", bodyOffset: 0, bodyBytes: 7, inputTokensEst: 7 },
      ...{ outputTokensEst: 7, deadlineAtMs: null, lanesAllow: null, lanesDeny: ["a", "b"], maxCostNano: 1n, callbackUrl: "u", metadata: "{}" },
      ...{ reuseKey: null, nextDecisionAtMs: 1, acceptedAtMs: 1, lane: "flex", attemptId: "att_9", attempts: 2, error: "{}", endedAtMs: 1 },
      ...{ fallbacks: null, semantic: null, route: null },
    };
    const attempt: Required<NewAttempt> = {
      ...{ id: "att_9", jobId: "job_9", tenantId: "t", seq: 2, lane: "flex", account: "b", dispatchId: "d", state: "intent", sourceAttemptId: "s" },
      ...{ role: "retry", decision: "[]", estimateNano: null, pricesVersion: "w", emulated: true, model: null, endpoint: null, createdAtMs: 1 },
    };
    const others: OpenedCall[] = [
      ...Object.entries(job).map(([name, value]) => ({ ...one, job: { ...one.job, [name]: value } })),
      ...Object.entries(attempt).map(([name, value]) => ({ ...one, attempt: { ...one.attempt, [name]: value } })),
    ];
    let taken = 0;
    for (const other of others) {
      await sql`truncate job, attempt`;
      if (!isUsual(other)) {
        await expect(open(other)).rejects.toThrow("has what no call of the log has");
        continue;
      }
      taken++;
      await writeCalls(sql, { opened: [other], answered: [] }, at);
      const wanted = [await rows("job"), await rows("attempt")];
      await sql`truncate job, attempt`;
      await open(other);
      await fileCallLog(database.store);
      expect([await rows("job"), await rows("attempt")]).toEqual(wanted);
    }
    expect([taken > 20, others.length - taken > 20]).toEqual([true, true]);
  });

  test("what Postgres would refuse when it is filed is refused while it is one call's alone", async () => {
    await expect(open(call("1", { outputTokensEst: 2 ** 31 }))).rejects.toThrow("output_tokens_est has to be a whole number of 32 bits");
    await expect(open(call("1", { bodyBytes: 1.5 }))).rejects.toThrow("body_bytes");
    expect(await rows("call_log")).toEqual([]);
  });

  test("an answer whose status no column takes is refused while it is one call's alone", async () => {
    await open(call("1"));
    for (const statusCode of [Number.NaN, 200.5, 2 ** 31, Object as unknown as number])
      await expect(tell({ ...answer("1"), statusCode })).rejects.toThrow("status_code has to be a whole number of 32 bits");
    expect(await rows("call_log")).toHaveLength(1);
  });

  test("texts stay with their calls, whatever is in them, where several share a row", async () => {
    const bodies = ["", "\x1e", "a\x1eb", '{"x":1}', "\x05", "", "\x1f\x00", "z"];
    const ids = bodies.map((_, index) => String(index));
    await open(...ids.map((id, index) => call(id, { body: bodies[index] ?? null }, { decision: `{"d":${id}}\x1e` })));
    const odd = (id: string, index: number) => ({ ...answer(id, bodies.at(-1 - index)), requestId: index % 2 === 0 ? null : "r\x1e\x1f" });
    await tell(...ids.map(odd));
    expect(await rows("call_log")).toHaveLength(2);
    const stored = ["", "", "ab", '{"x":1}', "", "", "", "z"];
    const wanted = ids.map((id, index) => [`job_${id}`, stored[index], `{"d":${id}}`, stored.at(-1 - index), index % 2 === 0 ? null : "r"]);
    const filed = async () => {
      const all = await database.store.sql`
        select j.id, j.body, a.decision, a.answer, a.request_id from job j join attempt a on a.job_id = j.id order by j.id`;
      return all.map((row) => Object.values(row));
    };
    await database.store.sql`create table later as select * from call_log`;
    await claim(async (tx, { whole, logIds }) => {
      const ended = whole.map((found) => ({ call: found, state: "completed" as const, tier: null }));
      expect((await fileSettled(tx, ended, { logIds, nowMs: 5000, fresh: true })).size).toBe(ids.length);
    });
    expect(await filed()).toEqual(wanted);
    await database.store.sql`truncate job, attempt, unsettled`;
    const columns = "intents, bodies, decisions, readings, answers, items, at_ms, at_real_ms";
    await database.store.sql.unsafe(`insert into call_log (${columns}) select ${columns} from later order by id`);
    await fileCallLog(database.store);
    expect(await filed()).toEqual(wanted);
  });

  test("an answer that nobody has read is settled beside its job", async () => {
    await open(call("1"));
    await tell({ ...answer("1"), reading: null });
    await claim(async (_tx, { whole, filed }) => expect([whole.length, filed]).toEqual([0, 1]));
    expect(await rows("unsettled")).toHaveLength(1);
  });

  test("what stands between fields and rows on the way stays out of them, whoever wrote it", async () => {
    const hostile = "m\x1fothers\x1ejob_9\x1f\x05\x00";
    await open(call("1", { model: hostile, fallbacks: "\x05" }));
    await tell(answer("1", `<html>${hostile}`));
    await claim(async (tx, { whole, logIds }) => {
      expect(whole[0]?.row).toMatchObject({ model: "mothersjob_9", tenantId });
      await fileSettled(
        tx,
        whole.map((found) => ({ call: found, state: "failed" as const, tier: null })),
        { logIds, nowMs: 5000 },
      );
    });
    expect(await rows("job")).toMatchObject([{ model: "mothersjob_9", fallbacks: "", state: "failed", tenant_id: tenantId }]);
    expect(await rows("attempt")).toMatchObject([{ answer: "<html>mothersjob_9" }]);
  });
});
