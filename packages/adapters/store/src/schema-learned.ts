import { sql } from "drizzle-orm";
import { bigint, boolean, doublePrecision, integer, pgTable, primaryKey, real, text } from "drizzle-orm/pg-core";
import { bytea, instant, nano } from "./columns.ts";

/** What is learned and kept beside the work: decisions not to place, policies, questions and their answers; see `schema.ts`. */

export const delay = pgTable(
  "delay",
  {
    jobId: text("job_id").notNull(),
    seq: integer("seq").notNull(),
    record: text("record").notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.seq] })],
);

export const lesson = pgTable(
  "lesson",
  {
    lane: text("lane").notNull(),
    learnedAtMs: instant("learned_at_ms").notNull(),
    content: text("content").notNull(),
  },
  (t) => [primaryKey({ columns: [t.lane, t.learnedAtMs] })],
);

export const laneStanding = pgTable(
  "lane_standing",
  {
    lane: text("lane").notNull(),
    account: text("account").notNull(),
    content: text("content").notNull(),
    atRealMs: instant("at_real_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.lane, t.account] })],
);

export const route = pgTable(
  "route",
  {
    tenantId: text("tenant_id").notNull(),
    alias: text("alias").notNull(),
    candidates: text("candidates").notNull(),
    baseline: text("baseline").notNull(),
    quality: doublePrecision("quality").notNull(),
    createdAtMs: instant("created_at_ms").notNull(),
    policy: bytea("policy"),
    policyVersion: integer("policy_version").notNull().default(0),
    labels: integer("labels").notNull().default(0),
    trainedAtMs: instant("trained_at_ms"),
    shadow: doublePrecision("shadow").notNull().default(0.03),
    judge: text("judge"),
    fresh: integer("fresh").notNull().default(0),
    trainingUntilRealMs: instant("training_until_real_ms").notNull().default(0),
    drift: text("drift"),
    driftedAtMs: instant("drifted_at_ms"),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.alias] })],
);

export const routePair = pgTable("route_pair", {
  jobId: text("job_id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  alias: text("alias").notNull(),
  chance: doublePrecision("chance"),
  state: text("state").notNull(),
  waiting: integer("waiting").notNull().default(0),
  tries: integer("tries").notNull().default(0),
  dueAtMs: instant("due_at_ms").notNull(),
  shadows: text("shadows"),
  judges: text("judges"),
  relations: text("relations"),
  said: doublePrecision("said"),
  lost: doublePrecision("lost"),
  reason: text("reason"),
  createdAtMs: instant("created_at_ms").notNull(),
  endedAtMs: instant("ended_at_ms"),
});

export const routeLabel = pgTable(
  "route_label",
  {
    tenantId: text("tenant_id").notNull(),
    alias: text("alias").notNull(),
    id: text("id").notNull(),
    label: bytea("label").notNull(),
    createdAtMs: instant("created_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.alias, t.id] })],
);

export const shadowTally = pgTable(
  "shadow_tally",
  {
    tenantId: text("tenant_id").notNull(),
    policy: text("policy").notNull(),
    lane: text("lane").notNull(),
    shadowLane: text("shadow_lane").notNull(),
    decisions: nano("decisions").notNull(),
    expectedNano: nano("expected_nano").notNull(),
    shadowExpectedNano: nano("shadow_expected_nano").notNull(),
    fromMs: instant("from_ms").notNull(),
    untilMs: instant("until_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.policy, t.lane, t.shadowLane] })],
);

export const semanticAsk = pgTable("semantic_ask", {
  jobId: text("job_id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  keyId: text("key_id").notNull(),
  endpoint: text("endpoint").notNull(),
  model: text("model").notNull(),
  namespace: bytea("namespace").notNull(),
  family: bytea("family").notNull(),
  embedder: text("embedder").notNull(),
  text: text("text").notNull(),
  maxError: doublePrecision("max_error").notNull(),
  ttlMs: doublePrecision("ttl_ms"),
  codes: bytea("codes"),
  scale: real("scale"),
  kind: text("kind"),
  entryId: text("entry_id"),
  decision: text("decision"),
  neighbours: text("neighbours"),
  follows: text("follows"),
  followed: boolean("followed").notNull().default(false),
  label: boolean("label"),
  judge: text("judge"),
  verdict: boolean("verdict"),
  judgedBy: text("judged_by"),
  answered: boolean("answered").notNull().default(false),
  createdAtMs: instant("created_at_ms").notNull(),
  decidedAtMs: instant("decided_at_ms"),
  closedAtMs: instant("closed_at_ms"),
});

export const semanticEntry = pgTable("semantic_entry", {
  id: text("id").primaryKey(),
  no: bigint("no", { mode: "bigint" }).notNull().default(sql`nextval('semantic_entry_no')`),
  seq: bigint("seq", { mode: "bigint" }).notNull().default(sql`nextval('semantic_entry_seq')`),
  tenantId: text("tenant_id").notNull(),
  keyId: text("key_id").notNull(),
  endpoint: text("endpoint").notNull(),
  model: text("model").notNull(),
  namespace: bytea("namespace").notNull(),
  family: bytea("family").notNull(),
  embedder: text("embedder").notNull(),
  text: text("text").notNull(),
  codes: bytea("codes").notNull(),
  scale: real("scale").notNull(),
  answerKey: text("answer_key").notNull(),
  jobId: text("job_id").notNull(),
  attemptId: text("attempt_id").notNull(),
  hits: integer("hits").notNull().default(0),
  createdAtMs: instant("created_at_ms").notNull(),
  expiresAtMs: instant("expires_at_ms").notNull(),
  evictedAtMs: instant("evicted_at_ms"),
  evictedWhy: text("evicted_why"),
});

export const semanticFamily = pgTable(
  "semantic_family",
  {
    tenantId: text("tenant_id").notNull(),
    family: bytea("family").notNull(),
    endpoint: text("endpoint").notNull(),
    model: text("model").notNull(),
    state: text("state").notNull(),
    version: integer("version").notNull(),
    drifting: boolean("drifting").notNull(),
    updatedAtMs: instant("updated_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.family] })],
);

export const feedback = pgTable("feedback", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  jobId: text("job_id").notNull(),
  kind: text("kind").notNull(),
  good: boolean("good"),
  score: doublePrecision("score"),
  comment: text("comment"),
  createdAtMs: instant("created_at_ms").notNull(),
});

export const errand = pgTable("errand", {
  jobId: text("job_id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  kind: text("kind").notNull(),
  subjectId: text("subject_id").notNull(),
  content: text("content").notNull(),
  createdAtMs: instant("created_at_ms").notNull(),
  ended: boolean("ended").notNull().default(false),
});
