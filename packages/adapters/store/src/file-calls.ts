import {
  ANSWER_FIELDS,
  ATTEMPTS,
  answerFields,
  asParameter,
  fieldOfJob,
  JOBS,
  joinedLines,
  longer,
  names,
  OPENED_FIELDS,
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
  /** Its fields as they travel: the open call, and the answer with its time. */
  readonly opened: string;
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

/** The time of an answer's commit, behind its fields. */
const whenAnswered = (first: number): { readonly job: string; readonly real: string } => ({
  job: `f[${first + ANSWER_FIELDS}]::float8`,
  real: `f[${first + ANSWER_FIELDS + 1}]::float8`,
});

const FILE_ANSWERS = `
  with told as materialized (${rowsOf("$1")}),
  taken as (${takeAnswers(whenAnswered(1).job, whenAnswered(1).real)})
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

const TOLD = OPENED_FIELDS + 1;
const [, TOLD_STATUS, TOLD_BODY, TOLD_REQUEST, TOLD_ERROR] = answerFields(TOLD);
const TOLD_AT = whenAnswered(TOLD);
const ENDED = TOLD + ANSWER_FIELDS + 2;
const but = (name: string, columns: typeof JOBS): typeof JOBS => columns.filter((column) => column.name !== name);
const [ENDED_JOBS, SETTLED] = [but("ended_at_ms", but("state", JOBS)), but("answered_at_ms", but("state", ATTEMPTS))];

/** $1 calls with answer, time of the answer, state, usage and tier; $2 job time. */
const FILE_SETTLED = `
  with filed as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(ENDED_JOBS)}, state, ended_at_ms, version)
    select ${values(ENDED_JOBS)}, f[${ENDED}], $2::float8, 2 from filed order by ${JOB_ID} on conflict do nothing returning id),
  attempts as (insert into attempt (${names(SETTLED)}, state, status_code, answer, request_id, error_code, answered_at_ms, answered_real_ms, usage, tier, settled_at_ms)
    select ${values(SETTLED)}, 'settled', ${TOLD_STATUS}, ${TOLD_BODY}, ${TOLD_REQUEST}, ${TOLD_ERROR}, ${TOLD_AT.job}, ${TOLD_AT.real},
      f[${ENDED + 1}], f[${ENDED + 2}], $2::float8
    from filed where ${JOB_ID} in (select id from jobs) order by ${JOB_ID} on conflict do nothing)
  select id from jobs`;

/**
 * Files calls as they ended: the job at its end and the attempt settled, each written once. Returns the jobs that are filed now; of a call whose job
 * was there already, the answer alone is filed, and waits for its settlement like any other.
 */
export async function fileSettled(tx: Sql, ended: readonly SettledCall[], nowMs: number): Promise<ReadonlySet<string>> {
  if (ended.length === 0) return new Set();
  const lines = ended.map(({ call, state, usage, tier }) => longer(joinedLines(call.opened, call.answer), state, usage, tier));
  const made = await tx.unsafe<{ id: string }[]>(FILE_SETTLED, [asParameter(lines), nowMs], { prepare: true });
  const ids = new Set(made.map(({ id }) => id));
  await fileAnswers(
    tx,
    ended.flatMap(({ call }) => (ids.has(call.row.jobId) ? [] : [call.answer])),
  );
  return ids;
}
