import {
  ANSWER_FIELDS,
  ATTEMPTS,
  answerFields,
  asParameter,
  FIELDS_OF_LINE,
  fieldOfAttempt,
  fieldOfJob,
  JOBS,
  lineOf,
  linesIn,
  names,
  type OpenedCall,
  openedLine,
  rowsOf,
  takeAnswers,
  values,
} from "./call-lines.ts";
import type { AnsweredRow } from "./claim-answered.ts";
import type { Sql } from "./connect.ts";

/** A call that was opened and answered before anybody filed it, with what its settlement needs. */
export interface WholeCall {
  readonly row: AnsweredRow;
  /** The answer's fields with its time, as they travel. */
  readonly answer: string;
}

const JOB_ID = `f[${fieldOfJob("id")}]`;

/** In the order of their ids, as everybody files: one may wait for another, and never both. Nobody else files a call whose answer is logged (`FILE_SETTLED`): it is over. */
const FILE_OPENED = `
  with opened as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(JOBS)}) select ${values(JOBS)} from opened order by ${JOB_ID} on conflict do nothing)
  insert into attempt (${names(ATTEMPTS)}) select ${values(ATTEMPTS)} from opened order by ${JOB_ID} on conflict do nothing`;

/** Files open calls as jobs and attempts; those that are there already are left as they are. */
export async function fileOpened(tx: Sql, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await tx.unsafe(FILE_OPENED, [asParameter(lines)], { prepare: true });
}

/** Files calls that are about to change, in case they are only logged so far. */
export async function fileCalls(tx: Sql, calls: readonly OpenedCall[]): Promise<void> {
  await fileOpened(tx, calls.map(openedLine));
}

/** The job and the real time of an answer's commit stand behind its fields. */
const FILE_ANSWERS = `
  with told as materialized (${rowsOf("$1")}),
  taken as (${takeAnswers(`f[${ANSWER_FIELDS + 1}]::float8`, `f[${ANSWER_FIELDS + 2}]::float8`)})
  insert into unsettled (attempt_id, bytes) select id, bytes from taken`;

export async function fileAnswers(tx: Sql, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await tx.unsafe(FILE_ANSWERS, [asParameter(lines)], { prepare: true });
}

/** How a whole call ended. */
export interface SettledCall {
  readonly call: WholeCall;
  readonly state: "completed" | "failed";
  /** Normalised usage as JSON; `null` when the answer carries none. */
  readonly usage: string | null;
  readonly tier: string | null;
}

const [ANSWERED, STATUS, BODY, REQUEST, ERROR] = answerFields("a");
const but = (name: string, columns: typeof JOBS): typeof JOBS => columns.filter((column) => column.name !== name);
const [ENDED_JOBS, SETTLED] = [but("ended_at_ms", but("state", JOBS)), but("answered_at_ms", but("state", ATTEMPTS))];
const ATTEMPT_ID = `f[${fieldOfAttempt("id")}]`;

/**
 * $1 attempts with the state of their jobs, usage and tier; $2 rows of the log, where these calls are and which end with this; $3 job time. The calls'
 * own text does not leave the server again. What was logged twice, since its commit was not heard of, is filed once.
 */
const FILE_SETTLED = `
  with outcomes as materialized (select ${FIELDS_OF_LINE} as o from ${linesIn("$1::text")}),
  logged as materialized (delete from call_log where id = any($2::int8[]) returning *),
  opens as materialized (select ${FIELDS_OF_LINE} as f from logged, ${linesIn("opened")}),
  answers as materialized (select ${FIELDS_OF_LINE} as a, at_ms, at_real_ms from logged, ${linesIn("answered")}),
  filed as materialized (select f, a, o, at_ms, at_real_ms from outcomes join opens on ${ATTEMPT_ID} = o[1] join answers on ${ANSWERED} = o[1]),
  jobs as (insert into job (${names(ENDED_JOBS)}, state, ended_at_ms, version)
    select ${values(ENDED_JOBS)}, o[2], $3::float8, 2 from filed order by ${JOB_ID} on conflict do nothing returning id),
  attempts as (insert into attempt (${names(SETTLED)}, state, status_code, answer, request_id, error_code, answered_at_ms, answered_real_ms, usage, tier, settled_at_ms)
    select ${values(SETTLED)}, 'settled', ${STATUS}, ${BODY}, ${REQUEST}, ${ERROR}, at_ms, at_real_ms, o[3], o[4], $3::float8
    from filed where ${JOB_ID} in (select id from jobs) order by ${JOB_ID}, at_real_ms on conflict do nothing)
  select id from jobs`;

/**
 * Files calls as they ended, out of the rows of the log that hold them: the job at its end and the attempt settled, each written once. Returns the
 * jobs that are filed now; of a call whose job was there already, the answer alone is filed, and waits for its settlement like any other. The rows are
 * gone from the log then, with all that is in them.
 */
export async function fileSettled(
  tx: Sql,
  ended: readonly SettledCall[],
  { logIds, nowMs }: { readonly logIds: readonly string[]; readonly nowMs: number },
): Promise<ReadonlySet<string>> {
  if (logIds.length === 0) return new Set();
  const outcomes = ended.map(({ call, state, usage, tier }) => lineOf(call.row.attemptId, state, usage, tier));
  const made = await tx.unsafe<{ id: string }[]>(FILE_SETTLED, [asParameter(outcomes), logIds as string[], nowMs], { prepare: true });
  const ids = new Set(made.map(({ id }) => id));
  await fileAnswers(
    tx,
    ended.flatMap(({ call }) => (ids.has(call.row.jobId) ? [] : [call.answer])),
  );
  return ids;
}
