import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlobStore, diskBlobs } from "@slowboat/blob";
import { createLogger } from "@slowboat/runtime";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFinaliser, type Forgotten, sweepRetention } from "./index.ts";
import { type Seeding, seedBatch, seedLine } from "./testing/seed-batch.ts";

const DAY_MS = 86_400_000;
const rng = testRng(21);
const { signal } = new AbortController();
let database: TestDatabase;
let clock: TestClock;
let blob: BlobStore;
let folder: string;
let seeding: Seeding;

beforeEach(async () => {
  database = await testDatabase();
  clock = testClock();
  seeding = { sql: database.store.sql, clock, rng, owner: await seedTenant(database.store) };
  folder = await mkdtemp(join(tmpdir(), "slowboat-retention-"));
  blob = await diskBlobs(folder);
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const SINGLE = { batchId: null, surface: "native", lineNo: null } as const;
const sweep = (): Promise<Forgotten> => sweepRetention({ store: database.store, blob }, clock.job(), signal);
const contents = async (): Promise<{ body: string | null; answer: string | null }[]> =>
  await database.store.sql`select j.body, a.answer from job j left join attempt a on a.job_id = j.id order by j.id`;

test.each(["completed", "failed", "cancelled"] as const)("a %s job's body goes with its retention, whether it has a result or not", async (state) => {
  await seedLine(seeding, SINGLE, { state });
  clock.advance(29 * DAY_MS);
  expect(await sweep()).toMatchObject({ singles: 0 });
  clock.advance(DAY_MS);
  expect(await sweep()).toMatchObject({ singles: 1 });
  expect(await contents()).toEqual([{ body: null, answer: null }]);
  expect(await database.store.sql`select 1 from job where state = ${state}`).toHaveLength(1);
});

test("a shorter retention holds for what is there already, and 0 days leave an hour to fetch an answer", async () => {
  await seedLine(seeding, SINGLE, { state: "completed", answer: '{"secret":1}' });
  await database.store.sql`update tenant set retention_days = 0 where id = ${seeding.owner.tenantId}`;
  clock.advance(3_599_000);
  expect(await sweep()).toMatchObject({ singles: 0 });
  clock.advance(1_000);
  expect(await sweep()).toMatchObject({ singles: 1 });
  expect(await contents()).toEqual([{ body: null, answer: null }]);
});

test("an answer stays while a job that was given it again keeps it, and goes with the last of them", async () => {
  const { sql } = database.store;
  const first = await seedLine(seeding, SINGLE, { state: "completed", answer: '{"shared":1}' });
  clock.advance(10 * DAY_MS);
  const second = await seedLine(seeding, SINGLE, { state: "completed", answer: "{}" });
  await sql`update result set attempt_id = ${first.attemptId}, source = 'reuse' where job_id = ${second.jobId}`;
  await sql`update attempt set answer = null, source_attempt_id = ${first.attemptId} where id = ${second.attemptId}`;
  clock.advance(20 * DAY_MS);
  expect(await sweep()).toMatchObject({ singles: 1 });
  const answer = async (): Promise<string | null | undefined> =>
    (await sql<{ answer: string | null }[]>`select answer from attempt where id = ${first.attemptId}`)[0]?.answer;
  expect(await answer()).toBe('{"shared":1}');
  clock.advance(10 * DAY_MS);
  expect(await sweep()).toMatchObject({ singles: 1 });
  expect(await answer()).toBeNull();
});

test("a line's time runs from the end of its batch, and its files and the blob that only the batch owns go with it", async () => {
  const { sql } = database.store;
  await sql`update tenant set retention_days = 1 where id = ${seeding.owner.tenantId}`;
  const slow = await seedBatch(seeding, [{ state: "completed", answer: "{}" }, { state: "placed" }]);
  const messages = await seedBatch(seeding, [{ state: "completed", answer: "{}" }, { state: "cancelled" }], { surface: "anthropic" });
  const openai = await seedBatch(seeding, [{ state: "completed", answer: "{}" }], { inputFileId: "file-1" });
  const keys = [messages, openai].map((id) => `${seeding.owner.tenantId}/${id}-in`);
  for (const key of keys) await blob.put(key, bytes("requests"), 100);
  const finaliser = createFinaliser({ store: database.store, blob, clock, rng, logger: createLogger("test", "silent") });
  for (const id of [messages, openai]) expect(await finaliser.finalise(id, signal)).toBe(true);
  clock.advance(2 * DAY_MS);
  expect(await sweep()).toMatchObject({ batches: 2 });
  expect(await sweep()).toMatchObject({ batches: 0 });
  const left = await sql<{ batch: string }[]>`
    select distinct j.batch_id as batch from job j left join attempt a on a.job_id = j.id where j.body is not null or a.answer is not null`;
  expect(left.map((row) => row.batch)).toEqual([slow]);
  // The file of the other is its owner's to delete.
  expect(await Promise.all(keys.map((key) => blob.size(key)))).toEqual([null, 8]);
  expect(await sql`select 1 from file where expires_at_ms > ${clock.job()}`).toHaveLength(0);
});

test("a backlog larger than a statement's bite is caught up with in one sweep", async () => {
  const { sql } = database.store;
  const { jobId } = await seedLine(seeding, SINGLE, { state: "cancelled" });
  await sql`insert into job (id, tenant_id, key_id, surface, endpoint, provider, model, baseline_model, state, body, body_bytes, input_tokens_est,
      output_tokens_est, accepted_at_ms, ended_at_ms)
    select id || n, tenant_id, key_id, surface, endpoint, provider, model, baseline_model, state, body, body_bytes, input_tokens_est, output_tokens_est,
      accepted_at_ms, ended_at_ms from job, generate_series(1, 1600) n where id = ${jobId}`;
  clock.advance(31 * DAY_MS);
  expect(await sweep()).toMatchObject({ singles: 1601 });
  expect(await sql`select 1 from job where body is not null`).toHaveLength(0);
});

test("announcements go once they are delivered or given up, dispatches once they are old; the ledger never", async () => {
  const { sql } = database.store;
  const { tenantId, keyId } = seeding.owner;
  for (const state of ["pending", "delivered", "dead"]) {
    await sql`insert into webhook_event (id, tenant_id, key_id, subject_id, url, type, payload, endpoint, state, created_at_ms)
      values (${`evt_${state}`}, ${tenantId}, ${keyId}, ${state}, 'https://example.com/', 'job.completed', '{}', 'example.com', ${state}, ${clock.job()})`;
    await sql`insert into webhook_delivery (id, event_id, tenant_id, try_no, at_real_ms, duration_ms)
      values (${`whd_${state}`}, ${`evt_${state}`}, ${tenantId}, 1, 0, 1)`;
  }
  for (const state of ["submitted", "done", "lost"]) {
    await sql`insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, created_at_ms, ended_at_ms)
      values (${state}, 'openai', 'a', '/v1/embeddings', 'm', ${state}, 1, true, 0, 0, ${clock.job()})`;
  }
  await sql`insert into ledger_txn (id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, at_ms)
    values ('settle:a', 'settle', ${tenantId}, 'j', 'a', 'openai', 'm', 'v', 'd', true, true, 0)`;
  clock.advance(31 * DAY_MS);
  expect(await sweep()).toMatchObject({ events: 2, dispatches: 2 });
  expect(await sql<{ id: string }[]>`select event_id as id from webhook_delivery`).toEqual([{ id: "evt_pending" }]);
  expect(await sql<{ id: string }[]>`select id from dispatch`).toEqual([{ id: "submitted" }]);
  expect(await sql`select 1 from ledger_txn`).toHaveLength(1);
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}
