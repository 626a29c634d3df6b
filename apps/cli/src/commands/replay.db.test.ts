import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { addShadow, insertAttempts, insertJobs, recordPriceBook } from "@slowboat/store";
import { seedTenant, type TestDatabase, testDatabase, testJob, testRng } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainEnvironment } from "../config.ts";
import { ROOT } from "../root.ts";

// The commands as an operator types them, each a process of its own, on a database of the test's.

const NOW = Date.parse("2026-11-25T08:00:00Z");
const HOUR = 3_600_000;
let database: TestDatabase;
let dir: string;
const at = (name: string): string => join(dir, name);

beforeAll(async () => {
  database = await testDatabase();
  dir = await mkdtemp(join(tmpdir(), "slowboat-replay-test-"));
  const { sql } = database.store;
  const owner = await seedTenant(database.store);
  const rng = testRng(9);
  const book = loadPriceBook(STANDARD_PRICES);
  await recordPriceBook(sql, { version: book.version, content: book.content, nowMs: NOW });
  const jobs = Array.from({ length: 30 }, (_, i) => {
    const acceptedAtMs = NOW + i * 60_000;
    const id = newId("job", acceptedAtMs, rng);
    const attemptId = newId("attempt", acceptedAtMs, rng);
    const tokens = { inputTokensEst: 1_000, outputTokensEst: 100 };
    return testJob({ ...owner, id, model: "gpt-5-mini", ...tokens, acceptedAtMs, deadlineAtMs: acceptedAtMs + 6 * HOUR, state: "placed", attemptId });
  });
  await insertJobs(sql, jobs);
  await insertAttempts(
    sql,
    jobs.map((job) => ({
      id: job.attemptId ?? "",
      jobId: job.id,
      tenantId: job.tenantId,
      seq: 1,
      lane: "openai-batch",
      account: "a",
      dispatchId: null,
      state: "intent" as const,
      role: "try",
      decision: "{}",
      estimateNano: null,
      pricesVersion: book.version,
      emulated: true,
      createdAtMs: job.acceptedAtMs,
    })),
    NOW,
  );
  await writeFile(at("same.json"), "{}");
  await writeFile(at("wrong.json"), '{"batchPatiense": 1}');
});
afterAll(async () => {
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

const slowboat = (...args: string[]): Promise<{ readonly code: number; readonly out: string; readonly said: string }> =>
  new Promise((resolve) => {
    const env = { ...plainEnvironment(), DATABASE_URL: database.url, SLOWBOAT_DATA_DIR: dir };
    execFile(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), ...args], { env }, (error, out, said) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, said }),
    );
  });
const since = ["--since", "2026-11-25T07:00:00Z", "--until", "2026-11-25T09:00:00Z"];

test("a replay under the present numbers shows two equal bills and no saving", async () => {
  const { code, out, said } = await slowboat("--json", "replay", ...since, "--policy", at("same.json"));
  expect([code, said]).toEqual([0, ""]);
  const report = JSON.parse(out);
  expect(report).toMatchObject({ jobs: 30, skipped: 0, saving_nano_usd: "0" });
  expect(report.other).toEqual(report.present);
  expect(report.paid).toEqual({ paid_nano_usd: "0", lanes: {}, missed: 0 });
});

test("a policy with an unknown name, a time that cannot be read and a time without work are refused in words", async () => {
  const wrong = await slowboat("replay", ...since, "--policy", at("wrong.json"));
  expect(wrong.code).toBe(2);
  expect(wrong.said).toMatch(/'batchPatiense'.*batchPatience/);
  expect((await slowboat("replay", "--since", "yesterday", "--policy", at("same.json"))).code).toBe(2);
  const empty = await slowboat("replay", "--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z", "--policy", at("same.json"));
  expect([empty.code, empty.said]).toEqual([1, expect.stringContaining("No job")]);
});

test("the shadow's counts are shown with what both expected", async () => {
  const expected = { expectedNano: 2_000_000_000n, shadowExpectedNano: 1_000_000_000n };
  const tally = { tenantId: "ten_a", lane: "openai", shadowLane: "openai-batch", decisions: 4, ...expected };
  await addShadow(database.store.sql, { policy: '{"batchPatience":0.5}', nowMs: NOW, tallies: [tally] });
  const { code, out } = await slowboat("--json", "shadow");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    policy: { batchPatience: 0.5 },
    decisions: 4,
    agreed: 0,
    differ: [{ lane: "openai", shadow_lane: "openai-batch" }],
  });
});
