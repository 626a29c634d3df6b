import type { Sql } from "./connect.ts";

/** A question for which an answer to one that means the same will do; it is kept beside its job. */
export interface NewAsk {
  readonly jobId: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly endpoint: string;
  readonly model: string;
  readonly namespace: Uint8Array;
  readonly family: Uint8Array;
  readonly embedder: string;
  readonly text: string;
  readonly maxError: number;
  readonly ttlMs: number | null;
  readonly createdAtMs: number;
}

/** What was decided on a question. */
export interface AskDecision {
  /** `judging` waits for a judge's word. */
  readonly kind: "reuse" | "explore" | "miss" | "judging";
  /** The entry that is given, or compared with; `null` where nothing lay near. */
  readonly entryId: string | null;
  /** As the core decided it, and the neighbours that it saw, as JSON; kept until the label is learned. */
  readonly decision: string;
  readonly neighbours: string | null;
  /** The job whose answer it waits for; `null` for none. */
  readonly follows: string | null;
  readonly decidedAtMs: number;
}

/** A vector as it is stored. */
export interface StoredCodes {
  readonly codes: Uint8Array;
  readonly scale: number;
}

/** A question that was decided in the moment in which it was asked, with its vector; both are `null` where the encoder was not there yet. */
export type LoggedAsk = NewAsk & { readonly vector: StoredCodes | null; readonly decided: AskDecision };

const hexes = (values: readonly (Uint8Array | null)[]): (string | null)[] =>
  values.map((value) => (value === null ? null : Buffer.from(value).toString("hex")));

/** Keeps questions of jobs that are there, and marks the jobs; of a job that is not there, or that has its question, nothing is kept. */
export async function insertAsks(tx: Sql, rows: readonly NewAsk[]): Promise<void> {
  if (rows.length === 0) return;
  const col = <K extends keyof NewAsk>(key: K): NewAsk[K][] => rows.map((row) => row[key]);
  await tx`
    with marked as (update job set semantic = true where id = any(${col("jobId")}::text[]) returning id)
    insert into semantic_ask (job_id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, max_error, ttl_ms, created_at_ms)
    select t.job_id, tenant_id, key_id, endpoint, model, decode(namespace, 'hex'), decode(family, 'hex'), embedder, text, max_error, ttl_ms, created_at_ms
    from unnest(${col("jobId")}::text[], ${col("tenantId")}::text[], ${col("keyId")}::text[], ${col("endpoint")}::text[], ${col("model")}::text[],
      ${hexes(col("namespace"))}::text[], ${hexes(col("family"))}::text[], ${col("embedder")}::text[], ${col("text")}::text[],
      ${col("maxError")}::float8[], ${col("ttlMs")}::float8[], ${col("createdAtMs")}::float8[])
      as t (job_id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, max_error, ttl_ms, created_at_ms)
      join marked on marked.id = t.job_id
    on conflict (job_id) do nothing`;
}

/** Writes questions that were decided already, each beside its job, which says itself that it has one. A reuse is closed at once. */
export async function logAsks(tx: Sql, rows: readonly LoggedAsk[]): Promise<void> {
  if (rows.length === 0) return;
  const col = <T>(of: (row: LoggedAsk) => T): T[] => rows.map(of);
  await tx`
    insert into semantic_ask (job_id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, max_error, ttl_ms, codes, scale,
      kind, entry_id, decision, neighbours, created_at_ms, decided_at_ms, closed_at_ms)
    select job_id, tenant_id, key_id, endpoint, model, decode(namespace, 'hex'), decode(family, 'hex'), embedder, text, max_error, ttl_ms,
      decode(codes, 'hex'), scale, kind, entry_id, decision, neighbours, created_at_ms, decided_at_ms, case when kind = 'reuse' then decided_at_ms end
    from unnest(${col((x) => x.jobId)}::text[], ${col((x) => x.tenantId)}::text[], ${col((x) => x.keyId)}::text[], ${col((x) => x.endpoint)}::text[],
      ${col((x) => x.model)}::text[], ${hexes(col((x) => x.namespace))}::text[], ${hexes(col((x) => x.family))}::text[],
      ${col((x) => x.embedder)}::text[], ${col((x) => x.text)}::text[], ${col((x) => x.maxError)}::float8[], ${col((x) => x.ttlMs)}::float8[],
      ${hexes(col((x) => x.vector?.codes ?? null))}::text[], ${col((x) => x.vector?.scale ?? null)}::real[], ${col((x) => x.decided.kind)}::text[],
      ${col((x) => x.decided.entryId)}::text[], ${col((x) => x.decided.decision)}::text[], ${col((x) => x.decided.neighbours)}::text[],
      ${col((x) => x.createdAtMs)}::float8[], ${col((x) => x.decided.decidedAtMs)}::float8[])
      as t (job_id, tenant_id, key_id, endpoint, model, namespace, family, embedder, text, max_error, ttl_ms, codes, scale, kind, entry_id, decision,
        neighbours, created_at_ms, decided_at_ms)
    on conflict (job_id) do nothing`;
  await countHits(
    tx,
    rows.flatMap(({ decided }) => (decided.kind === "reuse" && decided.entryId !== null ? [decided.entryId] : [])),
  );
}

/** Counts entries that were given again. */
async function countHits(tx: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`
    update semantic_entry e set hits = e.hits + t.n from (select id, count(*)::int as n from unnest(${ids as string[]}::text[]) as u (id) group by id order by id) t
    where e.id = t.id`;
}

/** A kept question with its vector. */
type KeptAsk = NewAsk & {
  readonly codes: Uint8Array | null;
  readonly scale: number | null;
  /** True where it has waited for another one's answer already. */
  readonly followed: boolean;
};

/** A kept question that waits for its decision, with what its job and its tenant say of it. */
export type WaitingAsk = KeptAsk & {
  readonly deadlineAtMs: number | null;
  readonly inputTokensEst: number;
  readonly outputTokensEst: number;
  /** The tenant's settings as stored. */
  readonly semanticCache: string | null;
};

const ASK = (
  tx: Sql,
) => tx`a.job_id as "jobId", a.tenant_id as "tenantId", a.key_id as "keyId", a.endpoint, a.model, a.namespace, a.family, a.embedder,
  a.text, a.max_error as "maxError", a.ttl_ms as "ttlMs", a.created_at_ms as "createdAtMs", a.codes, a.scale, a.followed`;

/** Questions without a decision, oldest first. */
export async function readUndecided(tx: Sql, limit: number): Promise<WaitingAsk[]> {
  return await tx<WaitingAsk[]>`
    select ${ASK(tx)}, j.deadline_at_ms as "deadlineAtMs", j.input_tokens_est as "inputTokensEst", j.output_tokens_est as "outputTokensEst",
      n.semantic_cache as "semanticCache"
    from (select * from semantic_ask where kind is null and closed_at_ms is null order by created_at_ms, job_id limit ${limit}) a
      join job j on j.id = a.job_id join tenant n on n.id = a.tenant_id order by a.created_at_ms, a.job_id`;
}

/**
 * Writes decisions on kept questions, with the vectors that they rest on, and makes their jobs due: those that wait for another one's answer by
 * `AskDecision.follows` only where that one is still open. One that was decided meanwhile stays. Returns the jobs whose question was decided now.
 */
export async function saveDecisions(
  tx: Sql,
  rows: readonly (AskDecision & { readonly jobId: string; readonly vector: StoredCodes | null })[],
  nowMs: number,
): Promise<string[]> {
  if (rows.length === 0) return [];
  const decided = await tx<{ id: string }[]>`
    with decided as (update semantic_ask a set kind = t.kind, entry_id = t.entry_id, decision = t.decision, neighbours = t.neighbours,
      follows = (select l.job_id from semantic_ask l where l.job_id = t.follows and l.closed_at_ms is null),
      decided_at_ms = t.decided_at_ms, codes = coalesce(decode(t.codes, 'hex'), a.codes), scale = coalesce(t.scale, a.scale)
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.kind)}::text[], ${rows.map((x) => x.entryId)}::text[],
      ${rows.map((x) => x.decision)}::text[], ${rows.map((x) => x.neighbours)}::text[], ${rows.map((x) => x.follows)}::text[],
      ${rows.map((x) => x.decidedAtMs)}::float8[], ${hexes(rows.map((x) => x.vector?.codes ?? null))}::text[],
      ${rows.map((x) => x.vector?.scale ?? null)}::real[]) as t (job_id, kind, entry_id, decision, neighbours, follows, decided_at_ms, codes, scale)
    where a.job_id = t.job_id and a.kind is null returning a.job_id),
    woken as (update job j set next_decision_at_ms = ${nowMs}::float8 from decided where j.id = decided.job_id and j.state = 'accepted'
      and j.next_decision_at_ms > ${nowMs}::float8)
    select job_id as id from decided`;
  return decided.map(({ id }) => id);
}

/** What the planner needs of a decided question. */
export interface DecidedAsk {
  readonly jobId: string;
  readonly kind: AskDecision["kind"] | null;
  readonly entryId: string | null;
  readonly decision: string | null;
  readonly follows: string | null;
  /** The attempt that holds the answer of a reuse, and its job; `null` where the entry is no more. */
  readonly attemptId: string | null;
  readonly sourceJobId: string | null;
  /** Whether that answer is an emulator's. */
  readonly emulated: boolean | null;
}

/** Reads what was decided on jobs' questions; the answer of a reuse only where its entry still stands for this tenant and namespace. */
export async function readDecided(tx: Sql, jobIds: readonly string[], nowMs: number): Promise<DecidedAsk[]> {
  if (jobIds.length === 0) return [];
  return await tx<DecidedAsk[]>`
    select a.job_id as "jobId", a.kind, a.entry_id as "entryId", a.decision, a.follows, t.id as "attemptId", t.job_id as "sourceJobId", t.emulated
    from semantic_ask a
      left join semantic_entry e on e.id = a.entry_id and a.kind = 'reuse' and e.tenant_id = a.tenant_id and e.namespace = a.namespace
        and e.evicted_at_ms is null and e.expires_at_ms > ${nowMs}::float8
      left join attempt t on t.id = e.attempt_id and t.answer is not null and t.state in ('answered', 'settled')
    where a.job_id = any(${jobIds as string[]}::text[])`;
}

/** Closes questions whose reuse is under way, and counts the hits; those in `missed` (their answer is no more, or no judge spoke in time) become misses. */
export async function closeReused(
  tx: Sql,
  input: {
    readonly taken: readonly { readonly jobId: string; readonly entryId: string }[];
    readonly missed: readonly string[];
    readonly nowMs: number;
  },
): Promise<void> {
  const { taken, missed, nowMs } = input;
  if (taken.length > 0) {
    await tx`update semantic_ask set closed_at_ms = ${nowMs}::float8, neighbours = null where job_id = any(${taken.map((x) => x.jobId)}::text[])`;
    await countHits(
      tx,
      taken.map((x) => x.entryId),
    );
  }
  if (missed.length > 0)
    await tx`update semantic_ask set kind = 'miss' where job_id = any(${missed as string[]}::text[]) and kind in ('reuse', 'judging')`;
}

/** Notes that jobs with a question have ended, so that it is learned from. */
export async function noteAnswered(tx: Sql, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  await tx`update semantic_ask set answered = true where job_id = any(${jobIds as string[]}::text[]) and closed_at_ms is null`;
}

/** Notes the ends of jobs that nobody noted: cancelled, refused, or settled before their question was written. Returns how many. */
export async function noteEnded(tx: Sql, limit: number): Promise<number> {
  const done = await tx`
    update semantic_ask set answered = true where job_id in (
      select a.job_id from semantic_ask a join job j on j.id = a.job_id
      where a.kind is not null and not a.answered and a.closed_at_ms is null and j.state in ('completed', 'failed', 'cancelled')
      order by a.created_at_ms limit ${limit})`;
  return done.count;
}

/** A question whose job has ended, with the job's own answer. */
export interface AnsweredAsk extends KeptAsk {
  readonly kind: "reuse" | "explore" | "miss";
  /** What a judge said of it; `null` where none was asked. */
  readonly verdict: boolean | null;
  readonly entryId: string | null;
  readonly decision: string | null;
  readonly neighbours: string | null;
  readonly label: boolean | null;
  /** The attempt that answered, and its raw answer; `null` where there is none that may be kept: none came, another model's, or one that was itself given again. */
  readonly attemptId: string | null;
  readonly answer: string | null;
  readonly statusCode: number | null;
  readonly emulated: boolean | null;
  /** When (job ms) the answer is forgotten. */
  readonly answerExpiresAtMs: number | null;
  readonly retentionDays: number;
  /** Of the entry that was compared with: its answer's class and its attempt. */
  readonly entryAnswerKey: string | null;
  readonly entryAnswer: string | null;
}

/** Whether some question's job has ended and nothing was learned from it yet. */
export async function hasAnswered(tx: Sql): Promise<boolean> {
  return (await tx`select from semantic_ask where answered and closed_at_ms is null order by created_at_ms limit 1`).count > 0;
}

/** Takes questions whose jobs have ended, oldest first, and locks them until the transaction ends. */
export async function claimAnsweredAsks(tx: Sql, limit: number): Promise<AnsweredAsk[]> {
  return await tx<AnsweredAsk[]>`
    select ${ASK(tx)}, case when a.kind in ('reuse', 'explore') then a.kind else 'miss' end as kind, a.verdict, a.entry_id as "entryId", a.decision, a.neighbours, a.label,
      t.id as "attemptId", t.answer, t.status_code as "statusCode", t.emulated, r.expires_at_ms as "answerExpiresAtMs", n.retention_days as "retentionDays",
      e.answer_key as "entryAnswerKey", s.answer as "entryAnswer"
    from (select * from semantic_ask where answered and closed_at_ms is null order by created_at_ms limit ${limit} for update skip locked) a
      join tenant n on n.id = a.tenant_id
      left join result r on r.job_id = a.job_id and r.source = 'lane'
      left join attempt t on t.id = r.attempt_id and t.job_id = a.job_id and t.model is null and t.answer is not null
      left join semantic_entry e on e.id = a.entry_id and e.tenant_id = a.tenant_id
      left join attempt s on s.id = e.attempt_id
    order by a.created_at_ms`;
}

/**
 * Closes questions with what was learned; the texts of their neighbours go. Those of jobs that waited for one of them are decided anew, which makes the jobs due;
 * returns how many.
 */
export async function closeAsks(
  tx: Sql,
  rows: readonly { readonly jobId: string; readonly label: boolean | null; readonly judgedBy: string | null }[],
  nowMs: number,
): Promise<number> {
  if (rows.length === 0) return 0;
  const ids = rows.map((x) => x.jobId);
  await tx`
    update semantic_ask a set closed_at_ms = ${nowMs}::float8, label = t.label, judged_by = t.judged_by, neighbours = null,
      kind = case when a.kind = 'judging' then 'miss' else a.kind end
    from unnest(${ids}::text[], ${rows.map((x) => (x.label === null ? null : String(x.label)))}::text[]::boolean[],
      ${rows.map((x) => x.judgedBy)}::text[]) as t (job_id, label, judged_by)
    where a.job_id = t.job_id`;
  const freed = await tx`
    update semantic_ask a set kind = null, follows = null, followed = true
    where a.follows = any(${ids}::text[]) and a.closed_at_ms is null and exists (select from job j where j.id = a.job_id and j.state = 'accepted')`;
  return freed.count;
}

/** Whether some tenant has reuse by meaning on for all its requests. */
export async function anySemantic(tx: Sql): Promise<boolean> {
  return (await tx`select from tenant where semantic_cache like '%"on":true%' limit 1`).count > 0;
}
