import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlobStore, diskBlobs } from "@slowboat/blob";
import { createLogger } from "@slowboat/runtime";
import { countBatchJobs, readBatchLines } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFinaliser, type Finaliser } from "./index.ts";
import { type SeededLine, seedBatch } from "./testing/seed-batch.ts";

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

const seed = (lines: readonly SeededLine[], state = "in_progress"): Promise<string> =>
  seedBatch({ sql: database.store.sql, clock, rng, owner }, lines, { state });

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
  const id = await seed([
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
  const id = await seed([{ state: "completed", answer: "{}" }, { state: "placed" }]);
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(false);
  expect((await batchRow(id))?.state).toBe("in_progress");
});

test("finalising from many sides at once ends a batch once and announces it once", async () => {
  const id = await seed([{ state: "completed", answer: "{}" }]);
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

test("a batch that ends cancelled is announced as that, once, and what a poll says is what was announced", async () => {
  const id = await seed([{ state: "completed", answer: "{}" }, { state: "cancelled" }], "cancelling");
  const events = () => database.store.sql<{ type: string }[]>`select type from webhook_event where subject_id = ${id}`;
  expect(await events()).toEqual([]);
  await finaliser.finalise(id, AbortSignal.timeout(20_000));
  await finaliser.finalise(id, AbortSignal.timeout(20_000));
  expect((await events()).map((event) => event.type)).toEqual(["batch.cancelled"]);
  expect((await batchRow(id))?.state).toBe("cancelled");
});

test("a cancelled batch is finalised too and hands out what was finished", async () => {
  const id = await seed([{ state: "completed", answer: "{}" }, { state: "cancelled" }], "cancelling");
  await finaliser.sweep(AbortSignal.timeout(20_000));
  const row = await batchRow(id);
  expect(row?.state).toBe("cancelled");
  expect(await linesOf(row?.output ?? null)).toHaveLength(1);
});

test.each(["sending", "placed", "answered"] as const)("a cancelled batch is not over while an attempt of its lines is %s", async (attempt) => {
  const id = await seed(
    [
      { state: "completed", answer: "{}" },
      { state: "cancelled", attempt },
    ],
    "cancelling",
  );
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(false);
  expect((await batchRow(id))?.state).toBe("cancelling");
  // What was out has come back, without an answer.
  await database.store.sql`update attempt set state = 'void' where state = ${attempt}`;
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(true);
  expect((await batchRow(id))?.state).toBe("cancelled");
});

test("a line that was cancelled alone is waited for as well, and what was planned for it and never sent is voided", async () => {
  const id = await seed([
    { state: "completed", answer: "{}" },
    { state: "cancelled", attempt: "sending" },
    { state: "cancelled", attempt: "intent" },
  ]);
  expect(await finaliser.finalise(id, AbortSignal.timeout(20_000))).toBe(false);
  expect((await batchRow(id))?.state).toBe("in_progress");
  const states = await database.store.sql<{ state: string }[]>`select state from attempt where state <> 'settled' order by state`;
  expect(states.map((row) => row.state)).toEqual(["sending", "void"]);
});

test("a call that never comes back is waited for ten minutes, a provider's batch for a day", async () => {
  const call = await seed([{ state: "cancelled", attempt: "sending" }], "cancelling");
  const batch = await seed([{ state: "cancelled", attempt: "placed" }], "cancelling");
  clock.advance(9 * 60_000);
  await finaliser.sweep(AbortSignal.timeout(20_000));
  expect((await batchRow(call))?.state).toBe("cancelling");
  clock.advance(2 * 60_000);
  await finaliser.sweep(AbortSignal.timeout(20_000));
  expect((await batchRow(call))?.state).toBe("cancelled");
  clock.advance(23 * 3_600_000);
  await finaliser.sweep(AbortSignal.timeout(20_000));
  expect((await batchRow(batch))?.state).toBe("cancelling");
  clock.advance(3 * 3_600_000);
  await finaliser.sweep(AbortSignal.timeout(20_000));
  expect((await batchRow(batch))?.state).toBe("cancelled");
});

test("a line answered while the files are written lands in exactly one of them, and the counts agree", async () => {
  const { sql } = database.store;
  const id = await seed([{ state: "completed", answer: "{}" }, { state: "cancelled", attempt: "unknown" }, { state: "cancelled" }], "cancelling");
  // Between the two files the late answer of the second line is settled.
  const between: BlobStore = {
    ...blob,
    put: async (key, chunks, maxBytes) => {
      const stored = await blob.put(key, chunks, maxBytes);
      if (key.endsWith("-output")) {
        await sql`update attempt set state = 'settled', answer = '{"late":1}', status_code = 200 where state = 'unknown'`;
        const [late] = await sql<{ id: string; job: string }[]>`select id, job_id as job from attempt where answer = '{"late":1}'`;
        await sql`update job set state = 'completed' where id = ${late?.job ?? ""}`;
        await sql`insert into result (job_id, tenant_id, attempt_id, source, status_code, created_at_ms, expires_at_ms)
          values (${late?.job ?? ""}, ${owner.tenantId}, ${late?.id ?? ""}, 'lane', 200, 0, 0) on conflict do nothing`;
      }
      return stored;
    },
  };
  const racing = createFinaliser({ store: database.store, blob: between, clock, rng, logger: createLogger("test", "silent") });
  expect(await racing.finalise(id, AbortSignal.timeout(20_000))).toBe(true);
  const row = await batchRow(id);
  expect((await linesOf(row?.output ?? null)).map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)).toEqual(["c-1", "c-2"]);
  expect((await linesOf(row?.error ?? null)).map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)).toEqual(["c-3"]);
  const counts = (await countBatchJobs(sql, { tenantId: owner.tenantId, ids: [id] })).get(id);
  expect(counts).toEqual({ completed: 2, failed: 0, cancelled: 1, live: 0 });
});

test("lines are read by their bytes too: large answers come each once, in order", async () => {
  const large = JSON.stringify({ vector: "0".repeat(3 * 1024 * 1024) });
  const id = await seed([1, 2, 3, 4, 5].map((n) => ({ state: "completed", answer: n === 4 ? "{}" : large })));
  const { sql } = database.store;
  const numbers: number[] = [];
  let held = 0;
  let most = 0;
  const counted = new Proxy(sql, {
    apply: (target, self, args) => {
      held = 0;
      return Reflect.apply(target, self, args) as unknown;
    },
  });
  for await (const line of readBatchLines(counted, { batchId: id, tenantId: owner.tenantId, which: "completed", page: 200 })) {
    numbers.push(line.lineNo);
    held += line.answer?.length ?? 0;
    most = Math.max(most, held);
  }
  expect(numbers).toEqual([1, 2, 3, 4, 5]);
  // Eight MiB, and the one answer that goes over it.
  expect(most).toBeLessThan(12 * 1024 * 1024);
});

test("batches that wait for what is out keep no other from being ended", async () => {
  for (let waiting = 0; waiting < 25; waiting++) await seed([{ state: "cancelled", attempt: "placed" }], "cancelling");
  const ready = await seed([{ state: "completed", answer: "{}" }]);
  for (let round = 0; round < 2; round++) await finaliser.sweep(AbortSignal.timeout(20_000));
  expect((await batchRow(ready))?.state).toBe("completed");
});

test.each([
  [7, 7 * 86_400_000],
  [0, 3_600_000],
])("with a retention of %d days a batch's files expire that long after its end", async (days, keptMs) => {
  await database.store.sql`update tenant set retention_days = ${days} where id = ${owner.tenantId}`;
  const id = await seed([{ state: "completed", answer: "{}" }]);
  await finaliser.finalise(id, AbortSignal.timeout(20_000));
  const [file] = await database.store.sql<{ expires: number }[]>`select expires_at_ms as expires from file`;
  expect(file?.expires).toBe(clock.job() + keptMs);
});
