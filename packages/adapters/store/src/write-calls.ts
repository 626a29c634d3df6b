import { ATTEMPTS, answerLine, fieldOfAttempt, JOBS, names, type OpenedCall, openedLine, takeAnswers, values } from "./call-lines.ts";
import type { Sql } from "./connect.ts";
import { asParameter, rowsOf } from "./lines.ts";
import type { SavedAnswer } from "./save-answers.ts";

/** What concurrent calls commit together. */
export interface CallWrites {
  /** Jobs, each with its first attempt, before anything is sent. */
  readonly opened: readonly OpenedCall[];
  /** Raw answers, taken as `saveAnswers` takes them. */
  readonly answered: readonly SavedAnswer[];
}

/** $1 rows of jobs with their attempts, $2 rows of answers, $3 job time, $4 machine time. */
const WRITE = `
  with opened as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(JOBS)}) select ${values(JOBS)} from opened on conflict do nothing),
  attempts as (
    insert into attempt (${names(ATTEMPTS)}, answered_real_ms)
    select ${values(ATTEMPTS)}, case when f[${fieldOfAttempt("state")}] = 'answered' then $4::float8 end from opened returning id, state),
  told as materialized (${rowsOf("$2")}),
  taken as (${takeAnswers("$3::float8", "$4::float8")})
  insert into unsettled (attempt_id, bytes) select id, bytes from taken union all select id, 0 from attempts where state = 'answered'`;

/**
 * Commits intents and answers of calls in one statement, as the rows that they are. What runs whenever somebody waits on the line goes to the
 * call log instead (`logCalls`); this is for what is seldom, long, or counted by a budget.
 */
export async function writeCalls(sql: Sql, writes: CallWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const [opened, answered] = [asParameter(writes.opened.map(openedLine)), asParameter(writes.answered.map(answerLine))];
  await sql.unsafe(WRITE, [opened, answered, at.nowMs, at.realMs], { prepare: true });
}
