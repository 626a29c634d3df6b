import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { insertAttempts, insertJobs } from "@slowboat/store";
import { seedTenant, type TestDatabase, testDatabase, testJob } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainEnvironment } from "../config.ts";
import { ROOT } from "../root.ts";
import { readBill } from "./read-bill.ts";

let database: TestDatabase;
let dir: string;

beforeAll(async () => {
  database = await testDatabase();
  dir = await mkdtemp(join(tmpdir(), "slowboat-bill-"));
  const owner = await seedTenant(database.store, { name: "acme" });
  for (const n of [1, 2, 3]) {
    await insertJobs(database.store.sql, [testJob({ id: `job_${n}`, ...owner })]);
    const row = { id: `att_${n}`, jobId: `job_${n}`, tenantId: owner.tenantId, seq: 1, lane: "openai", account: "a", dispatchId: null };
    const rest = {
      state: "sending" as const,
      role: "try",
      decision: "{}",
      estimateNano: 2_000_000n,
      pricesVersion: "v1",
      emulated: true,
      createdAtMs: 5,
    };
    await insertAttempts(database.store.sql, [{ ...row, ...rest }], 1);
  }
  await database.store.sql`update attempt set state = 'unknown', error_code = 'timeout'`;
});
afterAll(async () => {
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

const slowboat = (...args: string[]): Promise<{ code: number; out: string; said: string }> =>
  new Promise((resolve) => {
    const env = { ...plainEnvironment(), DATABASE_URL: database.url, SLOWBOAT_DATA_DIR: dir };
    execFile(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), ...args], { env }, (error, out, said) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, said }),
    );
  });
const written = async (name: string, text: string): Promise<string> => {
  const path = join(dir, name);
  await writeFile(path, text);
  return path;
};

test("a bill is read as JSON lines, as CSV and as a document, and a line that says no id or no amount is named", async () => {
  const wanted = new Map([["att_1", [1_200_000n, 5n]]]);
  expect(await readBill(await written("a.jsonl", '{"client_request_id":"att_1","usd":"0.0012"}\n\n{"id":"att_1","nano_usd":5}\n'))).toEqual(wanted);
  expect(await readBill(await written("a.csv", "\uFEFFcustom_id,usd,model\r\natt_1,0.0012,m\r\natt_1,0.000000005,m\r\n"))).toEqual(wanted);
  const document = {
    lines: [
      { customId: null, clientRequestId: "att_1", nanoUsd: "1200000" },
      { customId: "att_1", nanoUsd: "5" },
    ],
  };
  expect(await readBill(await written("a.json", JSON.stringify(document)))).toEqual(wanted);
  for (const [text, said] of [
    ['{"usd":"1"}', "line 1: no id"],
    ['{"id":"a"}', "line 1: no amount"],
    ['{"id":"a","usd":"-1"}', "line 1: no amount"],
    ['{"id":"a","usd":"0.0000000001"}', "line 1: no amount"],
    ['{"id":"a","usd":"1"}\n{"id":', "line 2 is no JSON object"],
  ] as const)
    await expect(readBill(await written("bad.jsonl", text)), text).rejects.toThrow(said);
  await expect(readBill(join(dir, "nowhere.csv"))).rejects.toThrow("is not a file");
});

test("suspense is listed, one attempt cleared by hand, the others by the bill, and the books then agree with it", async () => {
  const listed = await slowboat("suspense", "list");
  expect(listed.code, listed.said).toBe(0);
  expect(listed.out.trim().split("\n")).toHaveLength(3);
  expect(listed.out).toContain("at most $0.002  timeout  emulated  acme");
  expect(listed.said).toContain("3 attempts in suspense, at most $0.006.");

  for (const args of [
    ["--charged", "1"],
    ["--evidence", "x", "--charged", "1", "--not-charged"],
  ])
    expect(await slowboat("suspense", "clear", "att_1", ...args), args.join(" ")).toMatchObject({ code: 2 });
  expect(await slowboat("suspense", "clear", "att_1", "--charged", "0.0019", "--evidence", "support ticket 7")).toMatchObject({ code: 0 });
  expect(await slowboat("suspense", "clear", "att_1", "--not-charged", "--evidence", "x")).toMatchObject({
    code: 1,
    said: expect.stringContaining("not in suspense"),
  });

  const bill = await written("bill.csv", "client_request_id,usd\natt_1,0.0019\natt_2,0.0015\n");
  const time = ["--from", "1970-01-01T00:00:00Z", "--to", "1970-01-02T00:00:00Z"];
  const looked = await slowboat("reconcile", bill, ...time);
  expect(looked.code, looked.said).toBe(0);
  expect(looked.said).toContain("Nothing was written");
  const applied = JSON.parse((await slowboat("--json", "reconcile", bill, ...time, "--apply")).out) as Record<string, unknown>;
  expect(applied).toMatchObject({ matched: 1, suspense_charged: 1, suspense_charged_nano_usd: "1500000", suspense_not_charged: 1, cleared: 2 });
  expect((await slowboat("suspense", "list")).said).toContain("0 attempts in suspense");
  const again = await slowboat("--json", "reconcile", bill, ...time);
  expect(JSON.parse(again.out)).toMatchObject({ matched: 2, matched_nano_usd: "3400000", differences: [], strangers: [] });

  const wrong = await slowboat("reconcile", await written("wrong.csv", "id,usd\natt_1,0.002\natt_9,1\n"), ...time);
  expect(wrong.code).toBe(1);
  expect(wrong.out).toContain("att_1  billed with another amount: booked $0.0019, billed $0.002");
  expect(wrong.out).toContain("att_9  is no attempt of this installation");
  expect(await slowboat("reconcile", bill, "--from", "yesterday", "--to", "now")).toMatchObject({ code: 2 });
}, 240_000);
