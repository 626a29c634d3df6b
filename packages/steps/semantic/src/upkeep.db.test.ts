import { newId, type Rng, sha256 } from "@slowboat/kernel";
import { realisedError } from "@slowboat/reuse";
import {
  countReuse,
  forgetEmulatedReuse,
  forgetSingles,
  insertEntries,
  insertJobs,
  listFamilies,
  lockFamily,
  logAsks,
  readDecided,
  saveFamily,
} from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, type TestTenant, testClock, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

const DAY = 86_400_000;
const FAMILY = sha256("family");

let database: TestDatabase;
let clock: TestClock;
let who: TestTenant;
let rng: Rng;

beforeEach(async () => {
  database = await testDatabase();
  clock = testClock();
  rng = testRng(9);
  who = await seedTenant(database.store, { clock });
});
afterEach(() => database.drop());

type Kind = "reuse" | "explore" | "miss";

const questionOf = (jobId: string) => ({
  ...who,
  jobId,
  endpoint: "/v1/chat/completions",
  model: "m",
  namespace: sha256("space"),
  family: FAMILY,
  embedder: "e1",
  text: "what is it",
  maxError: 0.01,
  ttlMs: DAY,
  createdAtMs: clock.job(),
});

/** A finished job with its answer, the entry that it became, and its question with a decision. */
async function finished(
  kind: Kind,
  of: { readonly label?: boolean; readonly propensity?: number; readonly emulated?: boolean } = {},
): Promise<string> {
  const { sql } = database.store;
  const nowMs = clock.job();
  const id = newId("job", nowMs, rng);
  const attemptId = newId("attempt", nowMs, rng);
  await insertJobs(sql, [testJob({ ...who, id, state: "completed", endedAtMs: nowMs, semantic: true })]);
  await sql`
    insert into attempt (id, job_id, tenant_id, seq, lane, account, state, role, decision, prices_version, emulated, status_code, answer, created_at_ms)
    values (${attemptId}, ${id}, ${who.tenantId}, 1, 'openai', 'a', 'settled', 'try', '{}', 'v', ${of.emulated ?? false}, 200, '{}', ${nowMs})`;
  await sql`
    insert into result (job_id, tenant_id, attempt_id, source, status_code, created_at_ms, expires_at_ms)
    values (${id}, ${who.tenantId}, ${attemptId}, 'lane', 200, ${nowMs}, ${nowMs + 30 * DAY})`;
  const decided = {
    kind,
    entryId: null,
    decision: JSON.stringify({ propensity: of.propensity ?? 1 }),
    neighbours: null,
    follows: null,
    decidedAtMs: nowMs,
  };
  await logAsks(sql, [{ ...questionOf(id), vector: null, decided }]);
  if (of.label !== undefined) await sql`update semantic_ask set label = ${of.label} where job_id = ${id}`;
  const { maxError: _, ttlMs: __, ...question } = questionOf(id);
  const entry = { ...question, attemptId, id: newId("cacheEntry", nowMs, rng), codes: new Uint8Array(32), scale: 1, answerKey: "k" };
  await insertEntries(sql, [{ ...entry, expiresAtMs: nowMs + 30 * DAY }], { quota: 100, sinceMs: 0 });
  return id;
}
const left = async (table: "semantic_entry" | "semantic_ask" | "semantic_family"): Promise<number> =>
  (await database.store.sql.unsafe(`select 1 from ${table}`)).count;

test("an entry and its question go with the answer that they stand for, however long they were to live", async () => {
  await finished("miss");
  clock.advance(31 * DAY);
  expect(await forgetSingles(database.store.sql, { nowMs: clock.job(), limit: 10 })).toBe(1);
  expect([await left("semantic_entry"), await left("semantic_ask")]).toEqual([0, 0]);
});

test("an answer that is gone is no reuse, though its entry still stands", async () => {
  const source = await finished("miss");
  const [entry] = await database.store.sql<{ id: string }[]>`select id from semantic_entry where job_id = ${source}`;
  const asking = await finished("miss");
  await database.store.sql`update semantic_ask set kind = 'reuse', entry_id = ${entry?.id ?? ""} where job_id = ${asking}`;
  expect(await readDecided(database.store.sql, [asking], clock.job())).toMatchObject([{ kind: "reuse", sourceJobId: source }]);
  await database.store.sql`update attempt set answer = null where job_id = ${source}`;
  expect(await readDecided(database.store.sql, [asking], clock.job())).toMatchObject([{ kind: "reuse", attemptId: null }]);
});

test("what the emulator answered, and what was learned of it, is not there for a real provider", async () => {
  await finished("miss", { emulated: true });
  const id = { tenantId: who.tenantId, family: Buffer.from(FAMILY).toString("hex") };
  await database.store.begin((tx) => lockFamily(tx, { ...id, endpoint: "/v1/chat/completions", model: "m", state: "{}", nowMs: clock.job() }));
  expect(await forgetEmulatedReuse(database.store.sql)).toBe(1);
  expect([await left("semantic_entry"), await left("semantic_family")]).toEqual([0, 0]);
});

test("the report weighs explored answers by their chance, counts a tenant's own alone, and shows drift first", async () => {
  for (let n = 0; n < 6; n++) await finished("reuse");
  await finished("explore", { label: true, propensity: 0.05 });
  await finished("explore", { label: false, propensity: 0.1 });
  await finished("miss", { label: false });
  const sinceMs = clock.job() - DAY;
  const counts = await countReuse(database.store.sql, { tenantId: who.tenantId, sinceMs });
  expect(counts).toMatchObject({ asked: 9, reused: 6, explored: 2, missed: 1, labels: 2, wrong: 1, weight: 30, wrongWeight: 10 });
  expect(realisedError(counts)?.error).toBeCloseTo((1 / 3) * (8 / 9), 6);
  expect(await countReuse(database.store.sql, { tenantId: "ten_other", sinceMs })).toMatchObject({ asked: 0, weight: 0 });
  for (const [name, drifting] of [
    ["steady", false],
    ["moved", true],
  ] as const) {
    const family = Buffer.from(sha256(name)).toString("hex");
    await database.store.begin(async (tx) => {
      await lockFamily(tx, { tenantId: who.tenantId, family, endpoint: "/v1/chat/completions", model: name, state: "{}", nowMs: clock.job() });
      await saveFamily(tx, { tenantId: who.tenantId, family, state: "{}", drifting, nowMs: clock.job() });
    });
  }
  const families = await listFamilies(database.store.sql, { tenantId: who.tenantId, nowMs: clock.job() });
  expect(families.map(({ model, drifting }) => [model, drifting])).toEqual([
    ["moved", true],
    ["steady", false],
  ]);
});
