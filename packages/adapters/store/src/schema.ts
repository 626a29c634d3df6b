import { sql } from "drizzle-orm";
import { bigint, boolean, doublePrecision, integer, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { bytea, instant, nano } from "./columns.ts";

/**
 * The tables as TypeScript sees them. Instants are whole Unix ms in float8 (`_real_ms`: machine time, else job time); money is
 * bigint nano-USD. The migrations are the truth; a test compares every column with them.
 */
export const clock = pgTable("clock", {
  id: integer("id").primaryKey(),
  realAnchorMs: instant("real_anchor_ms").notNull(),
  jobAnchorMs: instant("job_anchor_ms").notNull(),
  scale: doublePrecision("scale").notNull(),
  seenRealMs: instant("seen_real_ms").notNull(),
});

export const priceBook = pgTable("price_book", {
  version: text("version").primaryKey(),
  content: text("content").notNull(),
  loadedAtMs: instant("loaded_at_ms").notNull(),
});

export const tenant = pgTable("tenant", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  allowUnpriced: boolean("allow_unpriced").notNull().default(false),
  retentionDays: integer("retention_days").notNull().default(30),
  fallbacks: text("fallbacks"),
  createdAtMs: instant("created_at_ms").notNull(),
  budgeted: boolean("budgeted").notNull().default(false),
  weight: doublePrecision("weight").notNull().default(1),
  semanticCache: text("semantic_cache"),
  models: text("models"),
});

export const project = pgTable("project", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  name: text("name").notNull(),
  createdAtMs: instant("created_at_ms").notNull(),
});

export const apiKey = pgTable("api_key", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  name: text("name").notNull(),
  hmac: bytea("hmac").notNull(),
  pepperId: text("pepper_id").notNull(),
  webhookSecretSealed: text("webhook_secret_sealed").notNull(),
  createdAtMs: instant("created_at_ms").notNull(),
  revokedAtMs: instant("revoked_at_ms"),
  projectId: text("project_id"),
  admin: boolean("admin").notNull().default(false),
  requestsPerMinute: integer("requests_per_minute"),
  tokensPerMinute: integer("tokens_per_minute"),
  concurrency: integer("concurrency"),
});

export const idempotency = pgTable(
  "idempotency",
  {
    tenantId: text("tenant_id").notNull(),
    route: text("route").notNull(),
    key: text("key").notNull(),
    fingerprint: text("fingerprint").notNull(),
    responseId: text("response_id"),
    createdAtMs: instant("created_at_ms").notNull(),
    leaseUntilRealMs: instant("lease_until_real_ms"),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.route, t.key] })],
);

export const file = pgTable("file", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  purpose: text("purpose").notNull(),
  filename: text("filename").notNull(),
  sizeBytes: doublePrecision("size_bytes").notNull(),
  sha256: text("sha256").notNull(),
  blobKey: text("blob_key").notNull(),
  createdAtMs: instant("created_at_ms").notNull(),
  expiresAtMs: instant("expires_at_ms"),
  deletedAtMs: instant("deleted_at_ms"),
});

export const batch = pgTable("batch", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  keyId: text("key_id").notNull(),
  surface: text("surface").notNull(),
  endpoint: text("endpoint").notNull(),
  state: text("state").notNull(),
  inputFileId: text("input_file_id"),
  inputBlobKey: text("input_blob_key").notNull(),
  completionWindow: text("completion_window").notNull(),
  deadlineAtMs: instant("deadline_at_ms"),
  lanesAllow: text("lanes_allow").array(),
  lanesDeny: text("lanes_deny").array(),
  reuseMode: text("reuse_mode").notNull().default("auto"),
  callbackUrl: text("callback_url"),
  metadata: text("metadata"),
  errors: text("errors"),
  model: text("model"),
  total: integer("total").notNull().default(0),
  outputFileId: text("output_file_id"),
  errorFileId: text("error_file_id"),
  leaseGen: integer("lease_gen").notNull().default(0),
  leaseUntilRealMs: instant("lease_until_real_ms"),
  createdAtMs: instant("created_at_ms").notNull(),
  inProgressAtMs: instant("in_progress_at_ms"),
  finalizingAtMs: instant("finalizing_at_ms"),
  cancellingAtMs: instant("cancelling_at_ms"),
  endedAtMs: instant("ended_at_ms"),
  deletedAtMs: instant("deleted_at_ms"),
  version: integer("version").notNull().default(1),
  lineCounts: text("line_counts"),
  lookRealMs: instant("look_real_ms"),
  forgottenAtMs: instant("forgotten_at_ms"),
  outputLifeMs: instant("output_life_ms"),
  fallbacks: text("fallbacks"),
  admission: text("admission"),
});

export const job = pgTable("job", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  keyId: text("key_id").notNull(),
  surface: text("surface").notNull(),
  batchId: text("batch_id"),
  lineNo: integer("line_no"),
  customId: text("custom_id"),
  endpoint: text("endpoint").notNull(),
  provider: text("provider").notNull(),
  model: text("model").notNull(),
  baselineModel: text("baseline_model").notNull(),
  state: text("state").notNull(),
  version: integer("version").notNull().default(1),
  body: text("body"),
  bodyBlobKey: text("body_blob_key"),
  bodyOffset: doublePrecision("body_offset"),
  bodyBytes: integer("body_bytes").notNull(),
  inputTokensEst: integer("input_tokens_est").notNull(),
  outputTokensEst: integer("output_tokens_est").notNull(),
  deadlineAtMs: instant("deadline_at_ms"),
  lanesAllow: text("lanes_allow").array(),
  lanesDeny: text("lanes_deny").array(),
  maxCostNano: nano("max_cost_nano"),
  callbackUrl: text("callback_url"),
  metadata: text("metadata"),
  reuseKey: bytea("reuse_key"),
  prefix: text("prefix"),
  heldFor: text("held_for"),
  leaderId: text("leader_id"),
  nextDecisionAtMs: instant("next_decision_at_ms"),
  lane: text("lane"),
  attemptId: text("attempt_id"),
  attempts: integer("attempts").notNull().default(0),
  error: text("error"),
  acceptedAtMs: instant("accepted_at_ms").notNull(),
  endedAtMs: instant("ended_at_ms"),
  fallbacks: text("fallbacks"),
  waitReason: text("wait_reason"),
  semantic: boolean("semantic"),
  delayed: text("delayed"),
  admission: text("admission"),
  route: text("route"),
  yields: boolean("yields"),
});

export const promise = pgTable("promise", {
  subjectId: text("subject_id").primaryKey(),
  resource: text("resource").notNull(),
  class: text("class").notNull(),
  lane: text("lane").notNull(),
  deadlineAtMs: instant("deadline_at_ms").notNull(),
  workMs: doublePrecision("work_ms").notNull(),
  inTime: doublePrecision("in_time").notNull(),
});

export const promptPrefix = pgTable(
  "prompt_prefix",
  {
    lane: text("lane").notNull(),
    account: text("account").notNull(),
    model: text("model").notNull(),
    key: text("key").notNull(),
    dispatchId: text("dispatch_id").notNull(),
    ttl: text("ttl").notNull(),
    begunAtMs: instant("begun_at_ms").notNull(),
    warmUntilMs: instant("warm_until_ms"),
  },
  (t) => [primaryKey({ columns: [t.lane, t.account, t.model, t.key] })],
);

export const dispatch = pgTable("dispatch", {
  id: text("id").primaryKey(),
  lane: text("lane").notNull(),
  account: text("account").notNull(),
  endpoint: text("endpoint").notNull(),
  model: text("model").notNull(),
  state: text("state").notNull(),
  jobs: integer("jobs").notNull(),
  emulated: boolean("emulated").notNull(),
  leaseGen: integer("lease_gen").notNull().default(0),
  leaseUntilRealMs: instant("lease_until_real_ms"),
  enqueuedRealMs: instant("enqueued_real_ms").notNull(),
  providerRef: text("provider_ref"),
  providerStatus: text("provider_status"),
  providerProgress: integer("provider_progress"),
  pollErrors: integer("poll_errors").notNull().default(0),
  nextPollAtMs: instant("next_poll_at_ms"),
  cancelAtMs: instant("cancel_at_ms"),
  createdAtMs: instant("created_at_ms").notNull(),
  submittedAtMs: instant("submitted_at_ms"),
  endedAtMs: instant("ended_at_ms"),
  error: text("error"),
  inputTokens: doublePrecision("input_tokens").notNull().default(0),
  hinted: boolean("hinted").notNull().default(false),
  dueAtMs: instant("due_at_ms"),
  workTokens: doublePrecision("work_tokens"),
});

export const enqueuedQuota = pgTable(
  "enqueued_quota",
  {
    lane: text("lane").notNull(),
    account: text("account").notNull(),
    model: text("model").notNull(),
    limitTokens: doublePrecision("limit_tokens"),
    toldTokens: doublePrecision("told_tokens"),
    learnedAtMs: instant("learned_at_ms"),
    provenTokens: doublePrecision("proven_tokens").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.lane, t.account, t.model] })],
);

export const attempt = pgTable("attempt", {
  id: text("id").primaryKey(),
  jobId: text("job_id").notNull(),
  tenantId: text("tenant_id").notNull(),
  seq: integer("seq").notNull(),
  lane: text("lane").notNull(),
  account: text("account").notNull(),
  dispatchId: text("dispatch_id"),
  state: text("state").notNull(),
  role: text("role").notNull(),
  decision: text("decision").notNull(),
  estimateNano: nano("estimate_nano"),
  pricesVersion: text("prices_version").notNull(),
  emulated: boolean("emulated").notNull(),
  requestId: text("request_id"),
  statusCode: integer("status_code"),
  answer: text("answer"),
  usage: text("usage"),
  tier: text("tier"),
  errorCode: text("error_code"),
  outcome: text("outcome"),
  batchLine: integer("batch_line"),
  sourceAttemptId: text("source_attempt_id"),
  createdAtMs: instant("created_at_ms").notNull(),
  sentAtMs: instant("sent_at_ms"),
  answeredAtMs: instant("answered_at_ms"),
  answeredRealMs: instant("answered_real_ms"),
  settledAtMs: instant("settled_at_ms"),
  suspendedTenant: text("suspended_tenant").generatedAlwaysAs(sql`case when state = 'unknown' then tenant_id end`),
  openCallMs: instant("open_call_ms").generatedAlwaysAs(sql`case when state = 'sending' and dispatch_id is null then sent_at_ms end`),
  model: text("model"),
  endpoint: text("endpoint"),
});

export const callLog = pgTable("call_log", {
  id: bigint("id", { mode: "bigint" }).primaryKey(),
  intents: text("intents"),
  bodies: text("bodies"),
  decisions: text("decisions"),
  readings: text("readings"),
  answers: text("answers"),
  items: integer("items").notNull(),
  atMs: instant("at_ms").notNull(),
  atRealMs: instant("at_real_ms").notNull(),
});

export const unsettled = pgTable("unsettled", {
  attemptId: text("attempt_id").primaryKey(),
  bytes: integer("bytes").notNull(),
});

export const suspenseClearing = pgTable("suspense_clearing", {
  attemptId: text("attempt_id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  outcome: text("outcome").notNull(),
  amountNano: nano("amount_nano").notNull(),
  evidence: text("evidence").notNull(),
  atMs: instant("at_ms").notNull(),
});

export const result = pgTable("result", {
  jobId: text("job_id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  attemptId: text("attempt_id").notNull(),
  source: text("source").notNull(),
  statusCode: integer("status_code").notNull(),
  createdAtMs: instant("created_at_ms").notNull(),
  expiresAtMs: instant("expires_at_ms").notNull(),
});

export const reuseEntry = pgTable(
  "reuse_entry",
  {
    tenantId: text("tenant_id").notNull(),
    reuseKey: bytea("reuse_key").notNull(),
    jobId: text("job_id").notNull(),
    attemptId: text("attempt_id").notNull(),
    createdAtMs: instant("created_at_ms").notNull(),
    expiresAtMs: instant("expires_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.reuseKey] })],
);

export const ledgerTxn = pgTable("ledger_txn", {
  id: text("id").primaryKey(),
  kind: text("kind").notNull(),
  tenantId: text("tenant_id").notNull(),
  jobId: text("job_id").notNull(),
  attemptId: text("attempt_id").notNull(),
  lane: text("lane").notNull(),
  model: text("model").notNull(),
  pricesVersion: text("prices_version").notNull(),
  digest: text("digest").notNull(),
  emulated: boolean("emulated").notNull(),
  priced: boolean("priced").notNull(),
  atMs: instant("at_ms").notNull(),
});

export const ledgerEntry = pgTable(
  "ledger_entry",
  {
    txnId: text("txn_id").notNull(),
    account: text("account").notNull(),
    amountNano: nano("amount_nano").notNull(),
  },
  (t) => [primaryKey({ columns: [t.txnId, t.account] })],
);

export const webhookEvent = pgTable("webhook_event", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  keyId: text("key_id").notNull(),
  subjectId: text("subject_id").notNull(),
  url: text("url").notNull(),
  type: text("type").notNull(),
  payload: text("payload").notNull(),
  state: text("state").notNull(),
  tries: integer("tries").notNull().default(0),
  nextTryRealMs: instant("next_try_real_ms"),
  createdAtMs: instant("created_at_ms").notNull(),
  endpoint: text("endpoint").notNull(),
  createdRealMs: instant("created_real_ms"),
});

export const webhookEndpoint = pgTable("webhook_endpoint", {
  endpoint: text("endpoint").primaryKey(),
  failures: integer("failures").notNull(),
  pausedUntilRealMs: instant("paused_until_real_ms"),
});

export const webhookDelivery = pgTable("webhook_delivery", {
  id: text("id").primaryKey(),
  eventId: text("event_id").notNull(),
  tenantId: text("tenant_id").notNull(),
  tryNo: integer("try_no").notNull(),
  atRealMs: instant("at_real_ms").notNull(),
  durationMs: integer("duration_ms").notNull(),
  statusCode: integer("status_code"),
  error: text("error"),
});

export const laneParking = pgTable(
  "lane_parking",
  {
    lane: text("lane").notNull(),
    account: text("account").notNull(),
    code: text("code").notNull(),
    untilMs: instant("until_ms").notNull(),
    times: integer("times").notNull(),
  },
  (row) => [primaryKey({ columns: [row.lane, row.account] })],
);
