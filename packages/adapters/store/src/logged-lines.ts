import { ATTEMPT, type Column, JOB, joined, type OpenedCall, type Placed, placed } from "./call-lines.ts";
import { FIELDS_OF_LINE, together } from "./lines.ts";
import type { SavedAnswer } from "./save-answers.ts";

/**
 * How calls lie in the log: intents and readings as short lines, which settlement reads, and beside each line its long texts, which do not leave the
 * server again. What is the same for every call has no field in its line, and what no call has is nowhere: a call that does have it is not for the log.
 */

/** What an answer says of itself, read when it came. */
export interface Reading {
  /** Normalised usage as JSON; `null` where it says none that could be read. */
  readonly usage: string | null;
  /** The tier that it says it had; `null` where it says none. */
  readonly tier: string | null;
  /** Why it ended, in the provider's word. */
  readonly finish: string | null;
  /** Why its usage could not be read. */
  readonly quarantine: string | null;
}

/** An answer on its way to the log; `reading` is `null` for a refusal. */
export interface LoggedAnswer extends SavedAnswer {
  readonly reading: Reading | null;
}

const only = <R>(columns: readonly Column<R>[], names: readonly string[]): Column<R>[] => columns.filter(([name]) => names.includes(name));
const JOB_LINE = only(JOB, [
  ...[
    "id",
    "tenant_id",
    "key_id",
    "surface",
    "endpoint",
    "provider",
    "model",
    "baseline_model",
    "body_bytes",
    "input_tokens_est",
    "output_tokens_est",
  ],
  ...["deadline_at_ms", "lanes_allow", "lanes_deny", "reuse_key", "accepted_at_ms", "fallbacks", "semantic", "route"],
]);
const ATTEMPT_LINE = only(ATTEMPT, ["id", "lane", "account", "role", "estimate_nano", "prices_version", "emulated", "model", "endpoint"]);

const READING: readonly Column<LoggedAnswer>[] = [
  ["attempt_id", "text", (answer) => answer.attemptId],
  ["status_code", "int", (answer) => answer.statusCode],
  ["request_id", "text", (answer) => answer.requestId],
  ["error_code", "text", (answer) => answer.errorCode],
  ["usage", "text", ({ reading }) => reading?.usage],
  ["tier", "text", ({ reading }) => reading?.tier],
  ["finish", "text", ({ reading }) => reading?.finish],
  ["quarantine", "text", ({ reading }) => reading?.quarantine],
];

const ofJob = placed(JOB_LINE, 1);
const ofAttempt = placed(ATTEMPT_LINE, JOB_LINE.length + 1);

function sqlOf(columns: readonly Placed[], wanted: string): string {
  const found = columns.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`no ${wanted} lies in the log`);
  return found.sql;
}

/** Where an intent has its ids. */
export const INTENT = { attemptId: sqlOf(ofAttempt, "id"), jobId: sqlOf(ofJob, "id") } as const;
const ACCEPTED = sqlOf(ofJob, "accepted_at_ms");

/** The columns of an open call's job and attempt as a row of `INTENTS` has them, but for their states. */
export const LOGGED_JOBS: readonly Placed[] = [
  ...ofJob,
  { name: "body", sql: "body" },
  { name: "lane", sql: sqlOf(ofAttempt, "lane") },
  { name: "attempt_id", sql: INTENT.attemptId },
  { name: "attempts", sql: "1" },
];
export const LOGGED_ATTEMPTS: readonly Placed[] = [
  ...ofAttempt,
  { name: "job_id", sql: INTENT.jobId },
  { name: "tenant_id", sql: sqlOf(ofJob, "tenant_id") },
  { name: "seq", sql: "1" },
  { name: "decision", sql: "decision" },
  { name: "created_at_ms", sql: ACCEPTED },
  { name: "sent_at_ms", sql: ACCEPTED },
];

const isNothing = (value: unknown): boolean => value === null || value === undefined;

/** Whether a call is what every call of the log is, in all that does not travel in its line. */
export function isUsual({ job, attempt }: OpenedCall): boolean {
  return (
    job.state === "placed" &&
    job.body !== null &&
    job.attempts === 1 &&
    job.lane === attempt.lane &&
    job.attemptId === attempt.id &&
    attempt.jobId === job.id &&
    attempt.tenantId === job.tenantId &&
    attempt.seq === 1 &&
    attempt.state === "sending" &&
    attempt.createdAtMs === job.acceptedAtMs &&
    isNothing(job.batchId ?? job.lineNo ?? job.customId ?? job.bodyBlobKey ?? job.bodyOffset ?? job.maxCostNano ?? job.callbackUrl) &&
    isNothing(job.metadata ?? job.nextDecisionAtMs ?? job.error ?? job.endedAtMs ?? attempt.dispatchId ?? attempt.sourceAttemptId)
  );
}

export const intentLine = ({ job, attempt }: OpenedCall): string => together(joined(JOB_LINE, job), joined(ATTEMPT_LINE, attempt));
export const readingLine = (answer: LoggedAnswer): string => joined(READING, answer);

/** Open calls of the rows $1: fields `f`, `body`, `decision`. An empty text alone in its row splits into none. */
export const INTENTS = `select ${FIELDS_OF_LINE} as f, coalesce(body, '') as body, coalesce(decision, '') as decision
    from call_log, unnest(${split("intents")}, ${split("bodies")}, ${split("decisions")}) as told (line, body, decision) where id = any($1::int8[])`;
/** Answers of the rows $1: fields `r`, `answer`, when they were committed, and where they lie. */
export const READINGS = `select ${FIELDS_OF_LINE} as r, coalesce(answer, '') as answer, at_ms, at_real_ms, id as log_id
    from call_log, unnest(${split("readings")}, ${split("answers")}) as told (line, answer) where id = any($1::int8[])`;
export const READ = { attemptId: "r[1]", statusCode: "r[2]::int", requestId: "r[3]", errorCode: "r[4]", usage: "r[5]" } as const;

function split(column: string): string {
  return `string_to_array(${column}, E'\\x1e')`;
}

/** Where a field stands in an intent, from 0. */
export const intentField = (name: string): number => position(JOB_LINE, name);
export const intentsAttemptField = (name: string): number => JOB_LINE.length + position(ATTEMPT_LINE, name);

function position<R>(columns: readonly Column<R>[], wanted: string): number {
  const index = columns.findIndex(([name]) => name === wanted);
  if (index < 0) throw new Error(`no ${wanted} lies in the log`);
  return index;
}
