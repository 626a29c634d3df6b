import type { Sql } from "./connect.ts";
import type { NewAttempt } from "./insert-attempts.ts";
import type { NewJob } from "./insert-jobs.ts";
import type { SavedAnswer } from "./save-answers.ts";

/** What concurrent calls commit together. */
export interface CallWrites {
  /** Jobs, each with its first attempt, before anything is sent. */
  readonly opened: readonly { readonly job: NewJob; readonly attempt: NewAttempt }[];
  /** Raw answers, taken as `saveAnswers` takes them. */
  readonly answered: readonly SavedAnswer[];
}

/**
 * Commits intents and answers of calls in one statement: one way to the server and back, and one wait for the disk, for all of them. It runs
 * whenever somebody waits on the line, so that its many columns travel as JSON, which costs this process half of what an array for each does.
 */
export async function writeCalls(sql: Sql, writes: CallWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const jobs = jsonOf(writes.opened.map(({ job }) => jobRow(job)));
  const attempts = jsonOf(writes.opened.map(({ attempt }) => attemptRow(attempt, at.realMs)));
  const answers = writes.answered;
  const ids = answers.map((answer) => answer.attemptId);
  await sql`
    with jobs as (
      insert into job (id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body,
        body_blob_key, body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, lanes_allow, lanes_deny, max_cost_nano,
        callback_url, metadata, reuse_key, next_decision_at_ms, accepted_at_ms, lane, attempt_id, attempts, error, ended_at_ms, fallbacks, semantic, route)
      select id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body,
        body_blob_key, body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, lanes_allow, lanes_deny, max_cost_nano,
        callback_url, metadata, reuse_key, next_decision_at_ms, accepted_at_ms, lane, attempt_id, attempts, error, ended_at_ms, fallbacks, semantic, route
      from json_populate_recordset(null::job, ${jobs}::text::json) on conflict do nothing),
    attempts as (
      insert into attempt (id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version,
        emulated, source_attempt_id, model, endpoint, created_at_ms, sent_at_ms, answered_at_ms, answered_real_ms)
      select id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version,
        emulated, source_attempt_id, model, endpoint, created_at_ms, sent_at_ms, answered_at_ms, answered_real_ms
      from json_populate_recordset(null::attempt, ${attempts}::text::json) returning id, state),
    taken as (
    update attempt a set state = 'answered', status_code = t.status_code, answer = t.body, request_id = t.request_id, error_code = t.error_code,
      answered_at_ms = ${at.nowMs}::float8, answered_real_ms = ${at.realMs}::float8
    from unnest(${ids}::text[], ${answers.map((x) => x.statusCode)}::int[], ${answers.map((x) => x.body)}::text[],
      ${answers.map((x) => x.requestId)}::text[], ${answers.map((x) => x.errorCode)}::text[]) as t (id, status_code, body, request_id, error_code)
    where a.id = t.id and a.state in ('sending', 'placed', 'unknown') returning a.id, octet_length(a.answer) as bytes)
    insert into unsettled (attempt_id, bytes) select id, bytes from taken union all select id, 0 from attempts where state = 'answered'`;
}

type Row = Readonly<Record<string, unknown>>;

const jobRow = (job: NewJob): Row => ({
  id: job.id,
  tenant_id: job.tenantId,
  key_id: job.keyId,
  surface: job.surface,
  batch_id: job.batchId ?? undefined,
  line_no: job.lineNo ?? undefined,
  custom_id: job.customId ?? undefined,
  endpoint: job.endpoint,
  provider: job.provider,
  model: job.model,
  baseline_model: job.baselineModel,
  state: job.state,
  body: job.body ?? undefined,
  body_blob_key: job.bodyBlobKey ?? undefined,
  body_offset: job.bodyOffset ?? undefined,
  body_bytes: job.bodyBytes,
  input_tokens_est: job.inputTokensEst,
  output_tokens_est: job.outputTokensEst,
  deadline_at_ms: job.deadlineAtMs ?? undefined,
  lanes_allow: job.lanesAllow ?? undefined,
  lanes_deny: job.lanesDeny ?? undefined,
  max_cost_nano: job.maxCostNano?.toString(),
  callback_url: job.callbackUrl ?? undefined,
  metadata: job.metadata ?? undefined,
  reuse_key: job.reuseKey === null ? undefined : `\\x${Buffer.from(job.reuseKey).toString("hex")}`,
  next_decision_at_ms: job.nextDecisionAtMs ?? undefined,
  accepted_at_ms: job.acceptedAtMs,
  lane: job.lane ?? undefined,
  attempt_id: job.attemptId ?? undefined,
  attempts: job.attempts ?? 0,
  error: job.error ?? undefined,
  ended_at_ms: job.endedAtMs ?? undefined,
  fallbacks: job.fallbacks ?? undefined,
  semantic: job.semantic ?? undefined,
  route: job.route ?? undefined,
});

const attemptRow = (attempt: NewAttempt, realMs: number): Row => ({
  id: attempt.id,
  job_id: attempt.jobId,
  tenant_id: attempt.tenantId,
  seq: attempt.seq,
  lane: attempt.lane,
  account: attempt.account,
  dispatch_id: attempt.dispatchId ?? undefined,
  state: attempt.state,
  role: attempt.role,
  decision: attempt.decision,
  estimate_nano: attempt.estimateNano?.toString(),
  prices_version: attempt.pricesVersion,
  emulated: attempt.emulated,
  source_attempt_id: attempt.sourceAttemptId ?? undefined,
  model: attempt.model ?? undefined,
  endpoint: attempt.endpoint ?? undefined,
  created_at_ms: attempt.createdAtMs,
  sent_at_ms: attempt.state === "sending" ? attempt.createdAtMs : undefined,
  answered_at_ms: attempt.state === "answered" ? attempt.createdAtMs : undefined,
  answered_real_ms: attempt.state === "answered" ? realMs : undefined,
});

/** Half a character and NUL, as JSON writes them; text that quotes such an escape looks the same and only takes the longer way. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/i;

/** Rows as JSON that Postgres takes: half a character becomes U+FFFD, as it would in any other parameter; NUL is left out. */
function jsonOf(rows: readonly Row[]): string {
  const json = JSON.stringify(rows);
  if (!UNSTORABLE.test(json)) return json;
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === "string" ? value.toWellFormed().replaceAll("\0", "") : value));
}
