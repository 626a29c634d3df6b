import type { NewAttempt } from "./insert-attempts.ts";
import type { NewJob } from "./insert-jobs.ts";
import { type Field, fieldText, together } from "./lines.ts";
import type { SavedAnswer } from "./save-answers.ts";

/** A call as it is opened: its job with the first attempt. */
export interface OpenedCall {
  readonly job: NewJob;
  readonly attempt: NewAttempt;
}

/** A column, its type, and what a row has in it. */
export type Column<R> = readonly [name: string, type: string, of: (row: R) => Field];

export const JOB: readonly Column<NewJob>[] = [
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

export const ATTEMPT: readonly Column<NewAttempt>[] = [
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

/** A column, and what it takes its value from in SQL. */
export interface Placed {
  readonly name: string;
  readonly sql: string;
}

/** Columns of one table as they come out of a row's fields, of which the first is the `first`th. */
export function placed<R>(columns: readonly Column<R>[], first: number): Placed[] {
  return columns.map(([name, type], index) => ({ name, sql: fieldSql(type, `f[${first + index}]`) }));
}

function fieldSql(type: string, field: string): string {
  if (type === "lanes") return `string_to_array(${field}, ',')`;
  return type === "hex" ? `decode(${field}, 'hex')` : type === "text" ? field : `${field}::${type}`;
}

/** The columns of an opened call's job and attempt, and of an answer. */
export const JOBS = placed(JOB, 1);
export const ATTEMPTS = placed(ATTEMPT, JOB.length + 1);
const answerFields = (): string[] => placed(ANSWER, 1).map(({ sql }) => sql);

/** Puts the answers of `told` on their attempts, for an `unsettled` row each; one that has its answer keeps it. */
export function takeAnswers(atMs: string, atRealMs: string, [id, statusCode, body, requestId, errorCode] = answerFields()): string {
  return `update attempt a set state = 'answered', status_code = ${statusCode}, answer = ${body}, request_id = ${requestId}, error_code = ${errorCode},
      answered_at_ms = ${atMs}, answered_real_ms = ${atRealMs}
    from told where a.id = ${id} and a.state in ('sending', 'placed', 'unknown') returning a.id, octet_length(a.answer) as bytes`;
}

export const names = (columns: readonly Placed[]): string => columns.map(({ name }) => name).join(", ");
export const values = (columns: readonly Placed[]): string => columns.map(({ sql }) => sql).join(", ");

/** Where a column stands among the fields of an opened call, from 1. */
export const fieldOfJob = (name: string): number => position(JOB, name);
export const fieldOfAttempt = (name: string): number => JOB.length + position(ATTEMPT, name);

function position<R>(columns: readonly Column<R>[], wanted: string): number {
  const index = columns.findIndex(([name]) => name === wanted);
  if (index < 0) throw new Error(`no column ${wanted} travels with a call`);
  return index + 1;
}

export const openedLine = ({ job, attempt }: OpenedCall): string => together(joined(JOB, job), joined(ATTEMPT, attempt));

export const answerLine = (answer: SavedAnswer): string => joined(ANSWER, answer);

export function joined<R>(columns: readonly Column<R>[], row: R): string {
  let line: string | null = null;
  for (const [name, type, of] of columns) {
    const value = of(row);
    // What Postgres would refuse later is refused now, while it is one call's alone.
    if (type === "int" && value !== null && value !== undefined && (typeof value !== "number" || (value | 0) !== value))
      throw new Error(`${name} has to be a whole number of 32 bits, not ${value}`);
    line = line === null ? fieldText(value) : together(line, fieldText(value));
  }
  return line ?? "";
}
