import {
  ANSWER,
  ATTEMPT,
  answerLine,
  asParameter,
  fieldOfAttempt,
  JOB,
  names,
  type OpenedCall,
  openedLine,
  placed,
  rowsOf,
  values,
} from "./call-lines.ts";
import type { Sql } from "./connect.ts";
import type { SavedAnswer } from "./save-answers.ts";

/** What concurrent calls commit together. */
export interface CallWrites {
  /** Jobs, each with its first attempt, before anything is sent. */
  readonly opened: readonly OpenedCall[];
  /** Raw answers, taken as `saveAnswers` takes them. */
  readonly answered: readonly SavedAnswer[];
}

const JOBS = placed(JOB, 1);
const ATTEMPTS = placed(ATTEMPT, JOB.length + 1);
const [ID, STATUS_CODE, BODY, REQUEST_ID, ERROR_CODE] = placed(ANSWER, 1).map(({ sql }) => sql);

/** $1 rows of jobs with their attempts, $2 rows of answers, $3 job time, $4 machine time. */
const WRITE = `
  with opened as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(JOBS)}) select ${values(JOBS)} from opened on conflict do nothing),
  attempts as (
    insert into attempt (${names(ATTEMPTS)}, answered_real_ms)
    select ${values(ATTEMPTS)}, case when f[${fieldOfAttempt("state")}] = 'answered' then $4::float8 end from opened returning id, state),
  told as materialized (${rowsOf("$2")}),
  taken as (
    update attempt a set state = 'answered', status_code = ${STATUS_CODE}, answer = ${BODY}, request_id = ${REQUEST_ID}, error_code = ${ERROR_CODE},
      answered_at_ms = $3::float8, answered_real_ms = $4::float8
    from told where a.id = ${ID} and a.state in ('sending', 'placed', 'unknown') returning a.id, octet_length(a.answer) as bytes)
  insert into unsettled (attempt_id, bytes) select id, bytes from taken union all select id, 0 from attempts where state = 'answered'`;

/**
 * Commits intents and answers of calls in one statement, as the rows that they are. What runs whenever somebody waits on the line goes to the
 * call log instead (`logCalls`); this is for what is seldom, long, or counted by a budget.
 */
export async function writeCalls(sql: Sql, writes: CallWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const [opened, answered] = [asParameter(writes.opened.map(openedLine)), asParameter(writes.answered.map(answerLine))];
  await sql.unsafe(WRITE, [opened, answered, at.nowMs, at.realMs], { prepare: true });
}
