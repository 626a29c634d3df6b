import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  beginFinalise,
  cancelBatch,
  cancelOrphanedBatches,
  claimAnswered,
  claimDue,
  claimEvents,
  countBatchJobs,
  endBatch,
  endLostCalls,
  findFinalisable,
  findForgettableBatches,
  findUnpopulated,
  forgetDispatches,
  forgetEvents,
  forgetLines,
  forgetSingles,
  forgettableFiles,
  hintDispatch,
  listBatches,
  listJobs,
  readBatchLines,
  readHeldTokens,
  readOverview,
  readTokensBefore,
  readWaitingTenants,
  readWaitingTokens,
  type Sql,
  sweepDispatches,
  sweepIdempotency,
  wakeWaiting,
} from "./index.ts";

/** The instant at which the tables were filled. */
const NOW = Date.UTC(2026, 10, 1);
const DAY_MS = 86_400_000;
/** Tables of so many rows that a hot query must not read them whole. */
const LARGE = [
  "job",
  "attempt",
  "result",
  "batch",
  "file",
  "idempotency",
  "webhook_event",
  "webhook_delivery",
  "dispatch",
  "ledger_txn",
  "ledger_entry",
];

let database: TestDatabase;
let sql: Sql;
let tenantId: string;
let notices: string[] = [];

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

beforeAll(async () => {
  database = await testDatabase();
  const owner = await seedTenant(database.store);
  tenantId = owner.tenantId;
  // The server tells the plan of every statement to the connection that ran it.
  sql = postgres(database.url, { max: 1, types: { bigint: postgres.BigInt }, onnotice: (notice) => void notices.push(notice["message"] ?? "") });
  await fill(database.store.sql, owner);
  await sql`load 'auto_explain'`;
  await sql.unsafe("set auto_explain.log_min_duration = 0; set auto_explain.log_format = json; set client_min_messages = log");
}, 120_000);
afterAll(async () => {
  await sql.end();
  await database.drop();
});

/** Forty thousand lines in two hundred batches that have ended, twenty thousand single jobs; a little of it is alive or due. */
async function fill(tx: Sql, { tenantId, keyId }: { tenantId: string; keyId: string }): Promise<void> {
  const old = NOW - 5 * DAY_MS;
  await tx`
    insert into batch (id, tenant_id, key_id, surface, endpoint, state, input_file_id, input_blob_key, completion_window, total, created_at_ms, ended_at_ms)
    select 'batch_' || lpad(n::text, 6, '0'), ${tenantId}, ${keyId}, 'openai', '/v1/embeddings', case when n <= 195 or n > 200 then 'completed' when n <= 199 then 'in_progress' else 'cancelling' end,
      'f', 'blob-' || n, '24h', 200, ${old}::float8 + n, case when n <= 195 or n > 200 then ${old}::float8 + n end from generate_series(1, 4000) n`;
  await tx`
    insert into job (id, tenant_id, key_id, surface, batch_id, line_no, endpoint, provider, model, baseline_model, state, body, body_bytes, input_tokens_est,
      output_tokens_est, deadline_at_ms, next_decision_at_ms, lane, attempt_id, accepted_at_ms, ended_at_ms)
    select 'job_' || lpad(n::text, 6, '0'), ${tenantId}, ${keyId}, 'openai', case when n <= 40000 then 'batch_' || lpad((1 + n / 200)::text, 6, '0') end,
      case when n <= 40000 then n % 200 end, '/v1/embeddings', 'openai', 'm', 'm',
      case when n % 400 = 1 then 'placed' when n % 400 = 2 then 'accepted' when n > 39800 and n <= 40000 then 'cancelled' else 'completed' end, '{}', 2, 1, 1,
      ${NOW + DAY_MS}, case when n % 400 in (1, 2) then ${NOW}::float8 - n end, 'openai', 'att_' || lpad(n::text, 6, '0'), ${old}::float8 + n,
      case when n % 400 not in (1, 2) then ${old}::float8 + n end
    from generate_series(1, 60000) n`;
  await tx`
    insert into attempt (id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, prices_version, emulated, answer, created_at_ms, sent_at_ms, answered_real_ms)
    select 'att_' || lpad(n::text, 6, '0'), 'job_' || lpad(n::text, 6, '0'), ${tenantId}, 1, 'openai', 'a', 'dsp_' || (n / 20),
      case when n % 400 = 1 then 'sending' when n % 400 = 3 then 'answered' else 'settled' end, 'try', '{}', 'v', true, '{}', ${old}, ${old}, ${old}::float8 + n
    from generate_series(1, 60000) n`;
  await tx`
    insert into result (job_id, tenant_id, attempt_id, source, status_code, created_at_ms, expires_at_ms)
    select id, tenant_id, attempt_id, 'lane', 200, ${old}, ${old} from job where state = 'completed'`;
  await tx`
    insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, created_at_ms, ended_at_ms)
    select 'dsp_' || n, 'openai', 'a', '/v1/embeddings', 'm', case when n % 100 = 0 then 'submitted' else 'done' end, 20, true, 0, ${old}, ${old}::float8 + n
    from generate_series(0, 20000) n`;
  await tx`
    insert into file (id, tenant_id, purpose, filename, size_bytes, sha256, blob_key, created_at_ms, expires_at_ms)
    select 'file-' || n, ${tenantId}, 'batch', 'f', 1, '', 'blob-' || n, ${old}, case when n % 2 = 0 then ${NOW + DAY_MS}::float8 - n end from generate_series(1, 20000) n`;
  await tx`
    insert into idempotency (tenant_id, route, key, fingerprint, created_at_ms)
    select ${tenantId}, 'r', n::text, '', ${NOW}::float8 - n from generate_series(1, 20000) n`;
  await tx`
    insert into webhook_event (id, tenant_id, key_id, subject_id, url, type, payload, endpoint, state, next_try_real_ms, created_at_ms)
    select 'evt_' || n, ${tenantId}, ${keyId}, n::text, 'https://h' || n % 50 || '.example/', 't', '{}', 'h' || n % 50 || '.example t',
      case when n % 10 = 0 then 'pending' else 'delivered' end, ${NOW}, ${old}::float8 + n from generate_series(1, 20000) n`;
  await tx`
    insert into webhook_delivery (id, event_id, tenant_id, try_no, at_real_ms, duration_ms)
    select 'whd_' || n, 'evt_' || n, ${tenantId}, 1, 0, 1 from generate_series(1, 20000) n`;
  await tx`
    insert into ledger_txn (id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, at_ms)
    select 'settle:' || n, 'settle', ${tenantId}, n::text, n::text, 'openai', 'm', 'v', '', true, true, ${old}::float8 + n from generate_series(1, 40000) n`;
  await tx`
    insert into ledger_entry (txn_id, account, amount_nano) select 'settle:' || n, a, case when a = 'list' then -1 else 1 end
    from generate_series(1, 40000) n, unnest(array['list', 'payable.openai']) a`;
  await tx.unsafe("analyze");
}

/** The large tables that statements read whole while `work` ran, each with its statement's first words. */
async function wholeReads(work: () => Promise<unknown>): Promise<string[]> {
  notices = [];
  await work();
  const told = notices.filter((notice) => notice.includes("plan:"));
  expect(told.length).toBeGreaterThan(0);
  return told.flatMap((notice) => {
    const { Plan, ["Query Text"]: text } = JSON.parse(notice.slice(notice.indexOf("{"))) as { Plan: PlanNode; "Query Text": string };
    const read = (node: PlanNode): string[] => [
      ...(node["Node Type"] === "Seq Scan" && LARGE.includes(node["Relation Name"] ?? "")
        ? [`${node["Relation Name"]}: ${text.trim().slice(0, 80)}`]
        : []),
      ...(node.Plans ?? []).flatMap(read),
    ];
    return read(Plan);
  });
}

const begin = <T>(work: (tx: Sql) => Promise<T>): Promise<unknown> => sql.begin((tx) => work(tx as unknown as Sql));
const QUOTA = { lane: "openai", account: "a", model: "m" };
const GRACE = { callsSinceMs: 0, batchesSinceMs: 0 };
const bite = { nowMs: NOW + 25.1 * DAY_MS, limit: 100 };
const end = { to: "completed", outputFileId: null, errorFileId: null, written: null, nowMs: NOW } as const;
const claim = { realMs: NOW, leaseMs: 1, limit: 32, perHost: 4, brokenAfter: 10, busy: [] };
const lines = async (): Promise<void> => {
  for await (const _ of readBatchLines(sql, { batchId: "batch_000100", tenantId, which: "all", page: 100 }));
};

test.each<[string, () => Promise<unknown>]>([
  ["claiming due jobs", () => begin((tx) => claimDue(tx, { nowMs: NOW, limit: 50 }))],
  ["claiming answers to settle", () => begin((tx) => claimAnswered(tx, { limit: 50, maxBytes: 1000 }))],
  ["finding batches to finalise", () => findFinalisable(sql, { realMs: NOW, spacingMs: 1, limit: 20 })],
  ["beginning to finalise", () => beginFinalise(sql, { batchId: "batch_000197", nowMs: NOW, grace: GRACE })],
  ["beginning to finalise what was cancelled", () => beginFinalise(sql, { batchId: "batch_000200", nowMs: NOW, grace: GRACE })],
  ["ending a batch", () => begin(async (tx) => await endBatch(tx, { ...end, batchId: "batch_000197" }))],
  ["cancelling a batch", () => begin((tx) => cancelBatch(tx, { tenantId, id: "batch_000196", nowMs: NOW }))],
  ["reading a batch's lines", lines],
  ["counting a batch's lines", () => countBatchJobs(sql, { tenantId, ids: ["batch_000100"] })],
  ["finding batches to populate", () => findUnpopulated(sql, { realMs: NOW, limit: 20 })],
  ["sweeping dispatches", () => sweepDispatches(sql, { nowMs: NOW, realMs: NOW, lostAfterMs: 1, spacingMs: 1, limit: 20 })],
  ["reading what holds the enqueued tokens", () => readHeldTokens(sql, { nowMs: NOW })],
  ["reading what was sent before", () => readTokensBefore(sql, { ...QUOTA, id: "dsp_1", nowMs: NOW })],
  ["reading what waits for enqueued tokens", () => readWaitingTokens(sql, QUOTA)],
  ["finding who waits for enqueued tokens", () => readWaitingTenants(sql, QUOTA)],
  [
    "waking what waits for enqueued tokens",
    () => wakeWaiting(sql, { id: QUOTA, stakes: [{ tenant: tenantId, served: 0, weight: 1 }], roomTokens: 1000, empty: true, nowMs: NOW }),
  ],
  ["hinting at a batch's end", () => hintDispatch(sql, { lane: "openai", providerRef: "batch_x", nowMs: NOW })],
  ["cancelling batches that nobody waits for", () => cancelOrphanedBatches(sql, NOW)],
  ["ending lost calls", () => begin((tx) => endLostCalls(tx, { sentBeforeMs: NOW, loggedBeforeMs: NOW, nowMs: NOW, limit: 20 }))],
  ["forgetting idempotency keys", () => sweepIdempotency(sql, NOW - 19_000)],
  ["finding blobs to forget", () => forgettableFiles(sql, { nowMs: NOW + DAY_MS - 19_000, limit: 20 })],
  ["forgetting single jobs", () => forgetSingles(sql, bite)],
  ["finding batches to forget", () => findForgettableBatches(sql, bite)],
  ["forgetting lines", () => forgetLines(sql, { batchId: "batch_000100", after: -1, limit: 100 })],
  ["forgetting events", () => forgetEvents(sql, bite)],
  ["forgetting dispatches", () => forgetDispatches(sql, bite)],
  ["claiming webhook events", () => claimEvents(sql, claim)],
  ["the console's page", () => begin((tx) => readOverview(tx, { tenantId, nowMs: NOW, sinceMs: NOW - DAY_MS, rows: 50 }))],
  ["a page of jobs", () => listJobs(sql, { tenantId, limit: 20 })],
  ["a page of batches", () => listBatches(sql, { tenantId, surfaces: ["openai"], limit: 20 })],
])("%s reads no large table whole", async (_name, work) => {
  expect(await wholeReads(work)).toEqual([]);
});

test("the guard sees a table that is read whole", async () => {
  expect(await wholeReads(() => sql`select count(*) from job where model = 'x'`)).toHaveLength(1);
});
