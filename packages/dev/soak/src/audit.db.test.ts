import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test } from "vitest";
import { auditMoney, type MoneyAudit } from "./audit-money.ts";
import { auditWork, type WorkAudit } from "./audit-work.ts";
import { openCaller } from "./caller.ts";
import { startReceiver } from "./receiver.ts";
import { nothingAccepted } from "./submit.ts";

// The audits find what they are for: each planted wrong is told, and nothing is where nothing is wrong.

let database: TestDatabase;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await database.drop();
});

/** Answers each path with its text; any other is a 404. */
async function served(pages: Readonly<Record<string, string>>): Promise<string> {
  const server = createServer((req, res) => {
    const page = pages[req.url ?? ""];
    res.writeHead(page === undefined ? 404 : 200, { "content-type": "application/json" }).end(page ?? "{}");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closing.push(
    () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An attempt of a job, with what the ledger owes for it where it was booked. */
async function attempt(id: string, state: string, owed: bigint | null, kind: "settle" | "waste" = "settle", job = `job_${id}`): Promise<void> {
  const { sql } = database.store;
  const { tenantId } = await seedTenant(database.store);
  await sql`
    insert into attempt (id, job_id, tenant_id, seq, lane, account, state, role, decision, prices_version, emulated, status_code, created_at_ms)
    values (${id}, ${job}, ${tenantId}, (select count(*) + 1 from attempt where job_id = ${job}), 'openai', 'a', ${state}, 'try', '{}', 'v', true, ${state === "settled" ? 200 : null}, 0)`;
  if (owed === null) return;
  await sql.begin(async (tx) => {
    await tx`insert into ledger_txn (id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, at_ms)
      values (${`settle:${id}`}, ${kind}, ${tenantId}, ${job}, ${id}, 'openai', 'm', 'v', 'd', true, true, 0)`;
    await tx`insert into ledger_entry (txn_id, account, amount_nano)
      values (${`settle:${id}`}, ${kind === "settle" ? "list" : "waste"}, ${-owed}), (${`settle:${id}`}, 'payable.openai', ${owed})`;
  });
}

async function billed(...lines: readonly (readonly [id: string, nano: string, batchId?: string])[]): Promise<MoneyAudit> {
  const bill = {
    totalNanoUsd: String(lines.reduce((sum, [, nano]) => sum + BigInt(nano), 0n)),
    lines: lines.map(([id, nanoUsd, batchId]) => ({ customId: null, clientRequestId: id, batchId: batchId ?? null, nanoUsd })),
  };
  return auditMoney(database.store, await served({ "/emulator/invoice": JSON.stringify(bill) }));
}

test("a bill that is the ledger and the suspense is found right, to the nano-dollar", async () => {
  await attempt("att_a", "settled", 100n);
  await attempt("att_b", "settled", 7n, "waste", "job_att_a");
  await attempt("att_c", "unknown", null);
  await attempt("att_d", "unknown", null);
  await attempt("att_e", "void", null);
  const money = await billed(["att_a", "100"], ["att_b", "7"], ["att_c", "30", "batch_lost"]);
  expect(money).toMatchObject({ matched: 2, mismatched: 0, doubled: 0, ledger: 107n, suspense: 30n, invoice: 137n, waste: 7n, findings: [] });
  expect(money).toMatchObject({ suspenseLines: 1, suspended: 2, orphanLines: 1 });
});

test.each<{ what: string; state: string; owed: bigint | null; lines: [string, string][] }>([
  { what: "booked with another amount", state: "settled", owed: 100n, lines: [["att_a", "101"]] },
  { what: "settled and not on the bill", state: "settled", owed: 100n, lines: [] },
  {
    what: "billed more than once",
    state: "settled",
    owed: 100n,
    lines: [
      ["att_a", "50"],
      ["att_a", "50"],
    ],
  },
  { what: "billed and not held in suspense", state: "void", owed: null, lines: [["att_a", "5"]] },
  { what: "billed and not held in suspense", state: "sending", owed: null, lines: [["att_a", "5"]] },
  { what: "booked without an answer", state: "unknown", owed: 5n, lines: [["att_a", "5"]] },
  { what: "billed to nobody", state: "unknown", owed: null, lines: [["att_z", "5"]] },
])("an attempt that is $what is a mismatch", async ({ what, state, owed, lines }) => {
  await attempt("att_a", state, owed);
  const money = await billed(...lines);
  expect(money.mismatched).toBe(1);
  expect(money.findings).toEqual([expect.stringContaining(what)]);
});

test("two settlements of one job are a double", async () => {
  await attempt("att_a", "settled", 10n);
  await attempt("att_b", "settled", 10n, "settle", "job_att_a");
  expect(await billed(["att_a", "10"], ["att_b", "10"])).toMatchObject({ doubled: 1, matched: 2 });
});

const jsonl = (...ids: string[]): string =>
  ids.map((id) => JSON.stringify({ custom_id: id, response: { status_code: 200 }, error: null })).join("\n");

async function work(pages: Readonly<Record<string, string>>, customIds: readonly string[], jobs: readonly string[] = []): Promise<WorkAudit> {
  const caller = openCaller(await served(pages), "key", 2);
  closing.push(caller.close);
  const receiver = await startReceiver(`whsec_${Buffer.from("of the test's own").toString("base64")}`);
  closing.push(receiver.close);
  const accepted = nothingAccepted();
  if (customIds.length > 0) accepted.batches.push({ id: "batch_1", surface: "openai", customIds, callback: false });
  accepted.jobs.push(...jobs.map((id) => ({ id, callback: true })));
  return auditWork({ caller, store: database.store, receiver, accepted });
}

const batch = (status: string, total = 3): string =>
  JSON.stringify({ status, output_file_id: "file-o", error_file_id: null, request_counts: { total } });

test("every line answered once is right; one left out is lost, one answered twice is doubled", async () => {
  const page = (...ids: string[]) => ({ "/v1/batches/batch_1": batch("completed"), "/v1/files/file-o/content": jsonl(...ids) });
  expect(await work(page("a", "b", "c"), ["a", "b", "c"])).toMatchObject({ lost: 0, doubled: 0, findings: [] });
  expect(await work(page("a", "c"), ["a", "b", "c"])).toMatchObject({ lost: 1, doubled: 0 });
  expect(await work(page("a", "b", "b", "c"), ["a", "b", "c"])).toMatchObject({ lost: 0, doubled: 1 });
});

test("a batch that its caller cancelled before its file was read owes no lines; one that was read owes them all", async () => {
  const none = { "/v1/batches/batch_1": batch("cancelled", 0) };
  expect(await work(none, ["a", "b"])).toMatchObject({ lost: 0 });
  const read = { "/v1/batches/batch_1": batch("cancelled", 2), "/v1/files/file-o/content": jsonl("a") };
  expect(await work(read, ["a", "b"])).toMatchObject({ lost: 1 });
});

test("an end announced under two ids is doubled; the same id twice is not, nor an answer that supersedes a cancellation", async () => {
  const secret = `whsec_${Buffer.from("of the test's own").toString("base64")}`;
  const receiver = await startReceiver(secret);
  closing.push(receiver.close);
  const states = { job_1: "completed", job_2: "completed", job_3: "completed" };
  const pages = Object.entries(states).map(([id, state]) => [`/v1/jobs/${id}`, JSON.stringify({ state, result: { body: {} }, error: null })]);
  const caller = openCaller(await served(Object.fromEntries(pages)), "key", 2);
  closing.push(caller.close);
  const tell = async (subject: string, type: string, id: string): Promise<void> => {
    const body = JSON.stringify({ type, data: { id: subject } });
    const at = new Date();
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, at, body),
    };
    // The receiver fails its first deliveries on purpose.
    for (let status = 0; status !== 204; )
      status = await fetch(receiver.url, { method: "POST", headers, body }).then(
        (answer) => answer.status,
        () => 0,
      );
  };
  await tell("job_1", "job.completed", "w1");
  await tell("job_1", "job.completed", "w1");
  await tell("job_2", "job.cancelled", "w2");
  await tell("job_2", "job.completed", "w3");
  await tell("job_3", "job.completed", "w4");
  await tell("job_3", "job.completed", "w5");
  const accepted = nothingAccepted();
  accepted.jobs.push(...Object.keys(states).map((id) => ({ id, callback: true })));
  const seen = await auditWork({ caller, store: database.store, receiver, accepted });
  expect(seen).toMatchObject({ lost: 0, doubled: 1, webhooks: { owed: 3, delivered: 3 } });
  expect(seen.findings).toEqual([expect.stringContaining("job_3")]);
});

test("a job without a result or an error is lost, and an ending that was not announced is missing", async () => {
  const pages = {
    "/v1/jobs/job_1": JSON.stringify({ state: "completed", result: { body: {} }, error: null }),
    "/v1/jobs/job_2": JSON.stringify({ state: "placed", result: null, error: null }),
    "/v1/jobs/job_3": JSON.stringify({ state: "failed", result: null, error: { code: "x" } }),
  };
  expect(await work(pages, [], ["job_1", "job_2", "job_3"])).toMatchObject({ lost: 1, webhooks: { owed: 3, delivered: 0 } });
});
