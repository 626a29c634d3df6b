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

type Field = string | number | bigint | boolean | null | undefined;

/** A column, its type, and what a row has in it. */
type Column<R> = readonly [name: string, type: string, of: (row: R) => Field];

const JOB: readonly Column<NewJob>[] = [
  ["id", "text", (job) => job.id],
  ["tenant_id", "text", (job) => job.tenantId],
  ["key_id", "text", (job) => job.keyId],
  ["surface", "text", (job) => job.surface],
  ["batch_id", "text", (job) => job.batchId],
  ["line_no", "int", (job) => job.lineNo],
  ["custom_id", "text", (job) => job.customId],
  ["endpoint", "text", (job) => job.endpoint],
  ["provider", "text", (job) => job.provider],
  ["model", "text", (job) => job.model],
  ["baseline_model", "text", (job) => job.baselineModel],
  ["state", "text", (job) => job.state],
  ["body", "text", (job) => job.body],
  ["body_blob_key", "text", (job) => job.bodyBlobKey],
  ["body_offset", "float8", (job) => job.bodyOffset],
  ["body_bytes", "int", (job) => job.bodyBytes],
  ["input_tokens_est", "int", (job) => job.inputTokensEst],
  ["output_tokens_est", "int", (job) => job.outputTokensEst],
  ["deadline_at_ms", "float8", (job) => job.deadlineAtMs],
  ["lanes_allow", "lanes", (job) => job.lanesAllow?.join(",")],
  ["lanes_deny", "lanes", (job) => job.lanesDeny?.join(",")],
  ["max_cost_nano", "int8", (job) => job.maxCostNano],
  ["callback_url", "text", (job) => job.callbackUrl],
  ["metadata", "text", (job) => job.metadata],
  ["reuse_key", "hex", (job) => (job.reuseKey === null ? null : Buffer.from(job.reuseKey).toString("hex"))],
  ["next_decision_at_ms", "float8", (job) => job.nextDecisionAtMs],
  ["accepted_at_ms", "float8", (job) => job.acceptedAtMs],
  ["lane", "text", (job) => job.lane],
  ["attempt_id", "text", (job) => job.attemptId],
  ["attempts", "int", (job) => job.attempts ?? 0],
  ["error", "text", (job) => job.error],
  ["ended_at_ms", "float8", (job) => job.endedAtMs],
  ["fallbacks", "text", (job) => job.fallbacks],
  ["semantic", "boolean", (job) => job.semantic],
  ["route", "text", (job) => job.route],
];

const ATTEMPT: readonly Column<NewAttempt>[] = [
  ["id", "text", (attempt) => attempt.id],
  ["job_id", "text", (attempt) => attempt.jobId],
  ["tenant_id", "text", (attempt) => attempt.tenantId],
  ["seq", "int", (attempt) => attempt.seq],
  ["lane", "text", (attempt) => attempt.lane],
  ["account", "text", (attempt) => attempt.account],
  ["dispatch_id", "text", (attempt) => attempt.dispatchId],
  ["state", "text", (attempt) => attempt.state],
  ["role", "text", (attempt) => attempt.role],
  ["decision", "text", (attempt) => attempt.decision],
  ["estimate_nano", "int8", (attempt) => attempt.estimateNano],
  ["prices_version", "text", (attempt) => attempt.pricesVersion],
  ["emulated", "boolean", (attempt) => attempt.emulated],
  ["source_attempt_id", "text", (attempt) => attempt.sourceAttemptId],
  ["model", "text", (attempt) => attempt.model],
  ["endpoint", "text", (attempt) => attempt.endpoint],
  ["created_at_ms", "float8", (attempt) => attempt.createdAtMs],
  ["sent_at_ms", "float8", (attempt) => (attempt.state === "sending" ? attempt.createdAtMs : null)],
  ["answered_at_ms", "float8", (attempt) => (attempt.state === "answered" ? attempt.createdAtMs : null)],
];

const ANSWER: readonly Column<SavedAnswer>[] = [
  ["id", "text", (answer) => answer.attemptId],
  ["status_code", "int", (answer) => answer.statusCode],
  ["body", "text", (answer) => answer.body],
  ["request_id", "text", (answer) => answer.requestId],
  ["error_code", "text", (answer) => answer.errorCode],
];

/** Between rows, between fields, and for a field without a value: characters that no JSON text has, and that are taken out of every other. */
const ROW = "\x1e";
const FIELD = "\x1f";
const NOTHING = "\x05";

/** Columns of one table as they come out of a row's fields, of which the first is the `first`th. */
function fields<R>(columns: readonly Column<R>[], first: number): string {
  return columns
    .map(([, type], index) => {
      const field = `f[${first + index}]`;
      if (type === "lanes") return `string_to_array(${field}, ',')`;
      return type === "hex" ? `decode(${field}, 'hex')` : type === "text" ? field : `${field}::${type}`;
    })
    .join(", ");
}

const names = <R>(columns: readonly Column<R>[]): string => columns.map(([name]) => name).join(", ");
/** The rows of a parameter. Unnested they pass for ten, so that each finds its attempt by its key; those of a set-returning function pass for a thousand. */
const rowsOf = (parameter: string): string =>
  `select string_to_array(line, E'\\x1f', E'\\x05') as f from unnest(string_to_array(${parameter}::text, E'\\x1e')) as line`;

/** The field of a row that holds its attempt's state. */
const BORN_AS = JOB.length + 1 + ATTEMPT.findIndex(([name]) => name === "state");

/** $1 rows of jobs with their attempts, $2 rows of answers, $3 job time, $4 machine time. */
const WRITE = `
  with opened as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(JOB)}) select ${fields(JOB, 1)} from opened on conflict do nothing),
  attempts as (
    insert into attempt (${names(ATTEMPT)}, answered_real_ms)
    select ${fields(ATTEMPT, JOB.length + 1)}, case when f[${BORN_AS}] = 'answered' then $4::float8 end from opened returning id, state),
  told as materialized (${rowsOf("$2")}),
  taken as (
    update attempt a set state = 'answered', status_code = f[2]::int, answer = f[3], request_id = f[4], error_code = f[5],
      answered_at_ms = $3::float8, answered_real_ms = $4::float8
    from told where a.id = f[1] and a.state in ('sending', 'placed', 'unknown') returning a.id, octet_length(a.answer) as bytes)
  insert into unsettled (attempt_id, bytes) select id, bytes from taken union all select id, 0 from attempts where state = 'answered'`;

/**
 * Commits intents and answers of calls in one statement: one way to the server and back, and one wait for the disk, for all of them. It runs
 * whenever somebody waits on the line, so its rows travel as joined text, which costs both sides a fraction of arrays or JSON, with their escapes.
 */
export async function writeCalls(sql: Sql, writes: CallWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const opened = writes.opened.map(({ job, attempt }) => `${joined(JOB, job)}${FIELD}${joined(ATTEMPT, attempt)}`);
  const told = writes.answered.map((answer) => joined(ANSWER, answer));
  await sql.unsafe(WRITE, [opened.length === 0 ? null : opened.join(ROW), told.length === 0 ? null : told.join(ROW), at.nowMs, at.realMs], {
    prepare: true,
  });
}

function joined<R>(columns: readonly Column<R>[], row: R): string {
  let line = "";
  let between = "";
  for (const [, , of] of columns) {
    const value = of(row) ?? null;
    line += between + (value === null ? NOTHING : typeof value === "string" ? plain(value) : String(value));
    between = FIELD;
  }
  return line;
}

/** What would end a field or a row, and NUL, which no text of Postgres has. */
const UNSTORABLE = new RegExp(`[\0${ROW}${FIELD}${NOTHING}]`, "g");

/** Only what is no JSON can have such a character, a proxy's page or a strange model's name: it is written without. */
const plain = (text: string): string => (text.search(UNSTORABLE) < 0 ? text : text.replaceAll(UNSTORABLE, ""));
