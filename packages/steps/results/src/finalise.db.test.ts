import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlobStore, diskBlobs } from "@slowboat/blob";
import { newId } from "@slowboat/kernel";
import { createLogger } from "@slowboat/runtime";
import { orm, table } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFinaliser, type Finaliser, sweepRetention } from "./index.ts";

const rng = testRng(9);
let database: TestDatabase;
let clock: TestClock;
let blob: BlobStore;
let folder: string;
let owner: { tenantId: string; keyId: string };
let finaliser: Finaliser;

beforeEach(async () => {
  database = await testDatabase();
  clock = testClock();
  owner = await seedTenant(database.store);
  folder = await mkdtemp(join(tmpdir(), "slowboat-results-"));
  blob = await diskBlobs(folder);
  finaliser = createFinaliser({ store: database.store, blob, clock, rng, logger: createLogger("test", "silent") });
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

type End = {
  readonly state: "completed" | "failed" | "cancelled" | "placed";
  readonly status?: number;
  readonly answer?: string;
  readonly error?: string;
};

async function seedBatch(ends: readonly End[], state = "in_progress"): Promise<string> {
  const batchId = newId("batch", clock.job(), rng);
  const db = orm(database.store.sql);
  await db.insert(table.batch).values({
    id: batchId,
    ...owner,
    surface: "openai",
    endpoint: "/v1/chat/completions",
    state,
    inputBlobKey: "in",
    completionWindow: "24h",
    callbackUrl: "https://example.com/hook",
    total: ends.length,
    createdAtMs: clock.job(),
  });
  for (const [index, end] of ends.entries()) {
    const jobId = newId("job", clock.job(), rng);
    const attemptId = newId("attempt", clock.job(), rng);
    await db.insert(table.job).values({
      id: jobId,
      ...owner,
      surface: "openai",
      batchId,
      lineNo: index + 1,
      customId: `c-${index + 1}`,
      endpoint: "/v1/chat/completions",
      provider: "openai",
      model: "gpt-5-mini",
      baselineModel: "gpt-5-mini",
      state: end.state,
      body: "{}",
      bodyBytes: 2,
      inputTokensEst: 1,
      outputTokensEst: 1,
      acceptedAtMs: clock.job(),
      error: end.error ?? null,
    });
    if (end.answer === undefined) continue;
    await db.insert(table.attempt).values({
      id: attemptId,
      jobId,
      tenantId: owner.tenantId,
      seq: 1,
      lane: "openai",
      account: "a",
      state: "settled",
      role: "try",
      decision: "{}",
      pricesVersion: "v",
      emulated: true,
      answer: end.answer,
      statusCode: end.status ?? 200,
      requestId: "req_1",
      createdAtMs: clock.job(),
    });
    await db.insert(table.result).values({
      jobId,
      tenantId: owner.tenantId,
      attemptId,
      source: "lane",
      statusCode: end.status ?? 200,
      createdAtMs: clock.job(),
      expiresAtMs: clock.job() + 1000,
    });
  }
  return batchId;
}

async function linesOf(fileId: string | null): Promise<string[]> {
  if (fileId === null) return [];
  const [file] = await database.store.sql<{ key: string }[]>`select blob_key as key from file where id = ${fileId}`;
  const parts: Uint8Array[] = [];
  for await (const part of blob.get(file?.key ?? "")) parts.push(part);
  return Buffer.concat(parts).toString("utf8").split("\n").filter(Boolean);
}

const batchRow = async (id: string) =>
  (
    await database.store.sql<{ state: string; output: string | null; error: string | null }[]>`
    select state, output_file_id as output, error_file_id as error from batch where id = ${id}`
  )[0];

test("answers go into the output file byte for byte, refusals and cancelled lines into the error file as the provider writes them", async () => {
  const odd = '{"n":9007199254740993,"s":"\\u0000\\ud800","b":1.0}';
  const refusal = '{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":null}}';
  const own = '{"code":"attempts-exhausted","message":"Every allowed attempt failed."}';
  const id = await seedBatch([
    { state: "completed", answer: odd },
    { state: "failed", status: 400, answer: refusal },
    { state: "failed", error: own },
    { state: "cancelled" },
  ]);
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(true);
  const row = await batchRow(id);
  expect(row?.state).toBe("completed");
  const output = await linesOf(row?.output ?? null);
  expect(output).toHaveLength(1);
  expect(output[0]).toContain(`"body":${odd}`);
  const errors = (await linesOf(row?.error ?? null)).map(
    (line) => JSON.parse(line) as { custom_id: string; response: unknown; error: { code: string } | null },
  );
  expect(errors.map((line) => line.custom_id)).toEqual(["c-2", "c-3", "c-4"]);
  expect(errors[0]).toMatchObject({ response: { status_code: 400 }, error: null });
  expect(errors[1]).toMatchObject({ response: null, error: { code: "attempts-exhausted" } });
  expect(errors[2]).toMatchObject({ response: null, error: { code: "batch_cancelled" } });
});

test("a batch with a living job is not over", async () => {
  const id = await seedBatch([{ state: "completed", answer: "{}" }, { state: "placed" }]);
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(false);
  expect((await batchRow(id))?.state).toBe("in_progress");
});

test("finalising from many sides at once ends a batch once and announces it once", async () => {
  const id = await seedBatch([{ state: "completed", answer: "{}" }]);
  const ended = await Promise.all([
    finaliser.finalise(id, AbortSignal.timeout(20_000)),
    finaliser.finalise(id, AbortSignal.timeout(20_000)),
    finaliser.finalise(id, AbortSignal.timeout(20_000)),
  ]);
  expect(ended.filter(Boolean)).toHaveLength(1);
  await finaliser.sweep(AbortSignal.timeout(20_000));
  const events = await database.store.sql<{ type: string }[]>`select type from webhook_event where subject_id = ${id}`;
  expect(events.map((event) => event.type)).toEqual(["batch.completed"]);
  expect((await batchRow(id))?.error).toBeNull();
});

test("a cancelled batch is finalised too and hands out what was finished", async () => {
  const id = await seedBatch([{ state: "completed", answer: "{}" }, { state: "cancelled" }], "cancelling");
  await finaliser.sweep(AbortSignal.timeout(20_000));
  const row = await batchRow(id);
  expect(row?.state).toBe("cancelled");
  expect(await linesOf(row?.output ?? null)).toHaveLength(1);
});

test("what has outlived its retention is forgotten, and the job's record stays", async () => {
  await seedBatch([{ state: "completed", answer: '{"secret":1}' }]);
  clock.advance(2000);
  expect(await sweepRetention(database.store, clock.job())).toBe(1);
  const [row] = await database.store.sql<{ body: string | null; answer: string | null; state: string }[]>`
    select j.body, a.answer, j.state from job j join attempt a on a.job_id = j.id`;
  expect(row).toEqual({ body: null, answer: null, state: "completed" });
});
