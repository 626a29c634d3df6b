import { seedTenant, type TestDatabase, type TestTenant, testDatabase, testJob } from "@slowboat/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { claimDue, insertDispatches, insertJobs, leaseDispatch, type NewJob, releaseDispatch, renewLease, sweepDispatches } from "./index.ts";

const NOW = Date.UTC(2026, 10, 25);
const LEASE_MS = 15_000;
let database: TestDatabase;
let owner: TestTenant;
let made = 0;
beforeAll(async () => {
  database = await testDatabase();
  owner = await seedTenant(database.store);
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.store.sql`delete from dispatch`;
  await database.store.sql`delete from job`;
});

const dispatch = async (): Promise<string> => {
  const id = `dsp_${++made}`;
  const row = {
    id,
    lane: "openai",
    account: "a",
    endpoint: "/v1/chat/completions",
    model: "m",
    jobs: 1,
    inputTokens: 0,
    emulated: true,
    createdAtMs: NOW,
  };
  await insertDispatches(database.store.sql, [row], NOW);
  return id;
};
const lease = (id: string, realMs: number) => leaseDispatch(database.store.sql, { id, realMs, leaseMs: LEASE_MS });

test("a dispatch has one worker at a time, and a dead one's goes to the next when its lease has run out", async () => {
  const id = await dispatch();
  const [first, second] = await Promise.all([lease(id, NOW), lease(id, NOW)]);
  expect([first, second].filter((row) => row !== null)).toHaveLength(1);
  expect(await lease(id, NOW + LEASE_MS)).toBeNull();
  expect(await lease(id, NOW + LEASE_MS + 1)).toMatchObject({ id, leaseGen: 2 });
});

test("a worker whose dispatch was taken over can neither prolong its lease nor write its outcome", async () => {
  const { sql } = database.store;
  const id = await dispatch();
  const late = await lease(id, NOW);
  const now = await lease(id, NOW + LEASE_MS + 1);
  if (!late || !now) throw new Error("both had it in turn");
  expect(await renewLease(sql, late, NOW + 10 * LEASE_MS)).toBe(false);
  expect(await releaseDispatch(sql, { id, gen: late.leaseGen, patch: { state: "done" } })).toBe(false);
  expect(await renewLease(sql, now, NOW + 10 * LEASE_MS)).toBe(true);
  expect(await releaseDispatch(sql, { id, gen: now.leaseGen, patch: { state: "done" } })).toBe(true);
  expect(await sql`select state from dispatch where id = ${id}`).toEqual([{ state: "done" }]);
});

test("what a dead worker left is rung for again, a living one's is not, and no more at once than asked for", async () => {
  const { sql } = database.store;
  const [dead, living, waiting] = [await dispatch(), await dispatch(), await dispatch()];
  await lease(dead, NOW - 10 * LEASE_MS);
  await lease(living, NOW);
  const sweep = (limit: number) =>
    sweepDispatches(sql, { nowMs: NOW, realMs: NOW + 6_000, lostAfterMs: 5_000, spacingMs: 2_000, limit }).then((rows) => rows.map((row) => row.id));
  expect((await sweep(10)).sort()).toEqual([dead, waiting].sort());
  // Rung a moment ago: not again.
  expect(await sweep(10)).toEqual([]);
  await sql`update dispatch set enqueued_real_ms = 0`;
  expect(await sweep(1)).toHaveLength(1);
});

test("the most urgent work is claimed first, whatever tenant, batch or order it came in", async () => {
  const other = await seedTenant(database.store);
  const job = (id: string, who: TestTenant, dueMs: number, over: Partial<NewJob> = {}): NewJob =>
    testJob({ id, ...who, nextDecisionAtMs: dueMs, acceptedAtMs: NOW, ...over });
  await insertJobs(database.store.sql, [
    job("job_1", owner, NOW - 1, { batchId: "batch_a", lineNo: 1 }),
    job("job_2", owner, NOW - 5),
    job("job_3", other, NOW - 9, { batchId: "batch_b", lineNo: 1 }),
    job("job_4", other, NOW + 1),
  ]);
  const claim = async (limit: number) => {
    const { jobs, more } = await database.store.begin((tx) => claimDue(tx, { nowMs: NOW, limit }));
    return { ids: jobs.map((row) => row.id), more };
  };
  expect(await claim(1)).toEqual({ ids: ["job_2", "job_3"], more: true });
  expect(await claim(10)).toEqual({ ids: ["job_2", "job_3", "job_1"], more: false });
});

test("no kind of work waits for all of another: a rescue and a single job are claimed beside a flood of lines, and lines beside a flood of singles", async () => {
  const jobs = (name: string, count: number, over: (i: number) => Partial<NewJob>): NewJob[] =>
    Array.from({ length: count }, (_, i) =>
      testJob({ id: `job_${name}_${i}`, ...owner, nextDecisionAtMs: NOW - 1_000, acceptedAtMs: NOW, ...over(i) }),
    );
  await insertJobs(database.store.sql, [
    ...jobs("line", 60, (i) => ({ batchId: "batch_flood", lineNo: i + 1 })),
    ...jobs("late", 1, () => ({ state: "placed", nextDecisionAtMs: NOW - 1 })),
    ...jobs("single", 1, () => ({ nextDecisionAtMs: NOW - 1 })),
  ]);
  const kinds = async () => {
    const { jobs: claimed } = await database.store.begin((tx) => claimDue(tx, { nowMs: NOW, limit: 20 }));
    return Object.fromEntries([...Map.groupBy(claimed, ({ id }) => id.split("_")[1] ?? "")].map(([kind, of]) => [kind, of.length]));
  };
  expect(await kinds()).toEqual({ late: 1, single: 1, line: 18 });
  await insertJobs(
    database.store.sql,
    jobs("many", 60, () => ({})),
  );
  expect(await kinds()).toEqual({ late: 1, many: 19, line: 5 });
  await insertJobs(
    database.store.sql,
    jobs("herd", 60, () => ({ state: "placed" })),
  );
  expect(await kinds()).toEqual({ herd: 10, many: 10, line: 5 });
});

test("two planners never claim the same work", async () => {
  const base = Array.from({ length: 40 }, (_, i) => i);
  await database.store.sql`
    insert into job (id, tenant_id, key_id, surface, endpoint, provider, model, baseline_model, state, body, body_bytes, input_tokens_est, output_tokens_est,
      next_decision_at_ms, accepted_at_ms)
    select 'job_' || n, ${owner.tenantId}, ${owner.keyId}, 'native', '/v1/chat/completions', 'openai', 'm', 'm', 'accepted', '{}', 2, 1, 1, ${NOW}::float8, ${NOW}::float8
    from unnest(${base}::int[]) as n`;
  const both = Promise.withResolvers<void>();
  let inside = 0;
  const claim = () =>
    database.store.begin(async (tx) => {
      const { jobs: rows } = await claimDue(tx, { nowMs: NOW, limit: 20 });
      if (++inside === 2) both.resolve();
      await both.promise;
      return rows.map((row) => row.id);
    });
  const [one, two] = await Promise.all([claim(), claim()]);
  expect(new Set([...one, ...two]).size).toBe(40);
});
