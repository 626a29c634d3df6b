import { newId, type Rng, sha256 } from "@slowboat/kernel";
import { createLogger } from "@slowboat/runtime";
import { evictEntries, forgetEntries, insertEntries, insertJobs, type NewEntry, openStore } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, type TestTenant, testClock, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { type Codes, createVectorIndex, quantize } from "@slowboat/vectors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSpaces, type SpaceId, type Spaces } from "./spaces.ts";

const DIMS = 64;
const DAY = 86_400_000;
const QUOTA = { quota: 1_000, sinceMs: 0 };
const logger = createLogger("test", "silent");

let database: TestDatabase;
let clock: TestClock;
let who: TestTenant;
let spaces: Spaces;
let rng: Rng;

beforeEach(async () => {
  database = await testDatabase({ max: 6 });
  clock = testClock();
  rng = testRng(4);
  who = await seedTenant(database.store, { clock });
  spaces = createSpaces({ store: database.store, index: createVectorIndex({ dims: DIMS, maxBytes: 4 * 1024 * 1024 }), clock, logger });
});
afterEach(async () => {
  await spaces.stop();
  await database.drop();
});

const space = (tenant: TestTenant = who, name = "a"): SpaceId => ({ tenantId: tenant.tenantId, namespace: sha256(name), embedder: "e1" });
const direction = (): Codes => quantize(Float32Array.from({ length: DIMS }, () => rng.float() - 0.5));
const entryOf = (vector: Codes, of: SpaceId = space(), over: Partial<NewEntry> = {}): NewEntry => ({
  ...of,
  id: newId("cacheEntry", clock.job(), rng),
  keyId: who.keyId,
  endpoint: "/v1/chat/completions",
  model: "m",
  family: sha256("f"),
  text: "what is it",
  codes: new Uint8Array(vector.codes.buffer),
  scale: vector.scale,
  answerKey: "k",
  jobId: "job_x",
  attemptId: "att_x",
  createdAtMs: clock.job(),
  expiresAtMs: clock.job() + DAY,
  ...over,
});
const numberOf = async (id: string): Promise<number> =>
  (await database.store.sql<{ no: number }[]>`select no::float8 as no from semantic_entry where id = ${id}`)[0]?.no ?? -1;
const found = async (vector: Codes, of: SpaceId = space()): Promise<number[]> => ((await spaces.nearest(of, vector, 8)) ?? []).map((near) => near.id);

test("what was kept before a namespace is first asked is found, and what is kept after it is found when the bell has rung", async () => {
  const [before, after] = [direction(), direction()];
  const old = entryOf(before);
  await insertEntries(database.store.sql, [old], QUOTA);
  expect(await found(before)).toEqual([await numberOf(old.id)]);
  const young = entryOf(after);
  await insertEntries(database.store.sql, [young], QUOTA);
  const no = await numberOf(young.id);
  await expect.poll(async () => (await found(after))[0], { timeout: 20_000 }).toBe(no);
});

test("a change that commits after a later one is missed at first, and found when it has committed: never another in its place", async () => {
  const [slow, quick] = [direction(), direction()];
  await found(quick);
  const other = openStore(database.url, { max: 1 });
  const late = entryOf(slow);
  const gate = Promise.withResolvers<void>();
  const inserted = Promise.withResolvers<void>();
  const committing = other.begin(async (tx) => {
    await insertEntries(tx, [late], QUOTA);
    inserted.resolve();
    await gate.promise;
  });
  await inserted.promise;
  const early = entryOf(quick);
  await insertEntries(database.store.sql, [early], QUOTA);
  await spaces.tail();
  expect(await found(quick)).toEqual([await numberOf(early.id)]);
  gate.resolve();
  await committing;
  await spaces.tail();
  expect((await found(slow))[0]).toBe(await numberOf(late.id));
  await other.close();
});

test("an evicted entry leaves the memory of every worker, and an expired one the table", async () => {
  const vector = direction();
  const entry = entryOf(vector);
  await insertEntries(database.store.sql, [entry], QUOTA);
  expect(await found(vector)).toHaveLength(1);
  expect(await evictEntries(database.store.sql, { tenantId: "ten_other", id: entry.id, why: "test", nowMs: clock.job() })).toBe(0);
  expect(await evictEntries(database.store.sql, { tenantId: who.tenantId, id: entry.id, why: "test", nowMs: clock.job() })).toBe(1);
  await spaces.tail();
  expect(await found(vector)).toEqual([]);
  clock.advance(2 * DAY);
  expect(await forgetEntries(database.store.sql, { nowMs: clock.job(), heardMs: DAY, limit: 10 })).toBe(1);
});

test("tenants and namespaces do not see each other's, however alike the vectors are", async () => {
  const stranger = await seedTenant(database.store, { clock });
  const vector = direction();
  await insertEntries(database.store.sql, [entryOf(vector)], QUOTA);
  expect(await found(vector, space(stranger))).toEqual([]);
  expect(await found(vector, space(who, "b"))).toEqual([]);
  expect(await found(vector, { ...space(), embedder: "e2" })).toEqual([]);
  expect(await found(vector)).toHaveLength(1);
});

test("a key may keep only so many entries in a day, and another key's are its own", async () => {
  const bound = { quota: 3, sinceMs: clock.job() - DAY };
  const some = (keyId: string) => Array.from({ length: 2 }, () => entryOf(direction(), space(), { keyId }));
  expect(await insertEntries(database.store.sql, some("k1"), bound)).toHaveLength(2);
  expect(await insertEntries(database.store.sql, some("k1"), bound)).toHaveLength(1);
  expect(await insertEntries(database.store.sql, some("k1"), bound)).toHaveLength(0);
  expect(await insertEntries(database.store.sql, some("k2"), bound)).toHaveLength(2);
});

test("a question is kept beside its job or not at all", async () => {
  const job = testJob({ ...who, id: newId("job", clock.job(), rng) });
  const ask = { ...space(), ...who, jobId: job.id, endpoint: "/v1/chat/completions", model: "m", family: sha256("f"), text: "t", maxError: 0.01 };
  await insertJobs(database.store.sql, [{ ...job, ask: { ...ask, ttlMs: null, createdAtMs: clock.job() } }]);
  const [row] = await database.store.sql<{ semantic: boolean; asks: number }[]>`
    select semantic, (select count(*)::int from semantic_ask where job_id = job.id) as asks from job where id = ${job.id}`;
  expect(row).toEqual({ semantic: true, asks: 1 });
});
