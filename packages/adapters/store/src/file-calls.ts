import { ATTEMPTS, fieldOfJob, JOBS, names, type OpenedCall, openedLine, takeAnswers, values } from "./call-lines.ts";
import type { AnsweredRow } from "./claim-answered.ts";
import type { Sql } from "./connect.ts";
import { asParameter, rowsOf } from "./lines.ts";
import { INTENT, INTENTS, LOGGED_ATTEMPTS, LOGGED_JOBS, READ, READINGS, type Reading } from "./logged-lines.ts";

/** In the order of their ids, as everybody files what somebody else may file: one may wait for another, and never both. Nobody else files a call whose answer is logged (`FILE_SETTLED`): it is over. */
const FILE_OPENED = `
  with opened as materialized (${rowsOf("$1")}),
  jobs as (insert into job (${names(JOBS)}) select ${values(JOBS)} from opened order by f[${fieldOfJob("id")}] on conflict do nothing)
  insert into attempt (${names(ATTEMPTS)}) select ${values(ATTEMPTS)} from opened order by f[${fieldOfJob("id")}] on conflict do nothing`;

/** Files calls that are about to change as jobs and attempts, in case they are only logged so far; those that are there already are left as they are. */
export async function fileCalls(tx: Sql, calls: readonly OpenedCall[]): Promise<void> {
  if (calls.length > 0) await tx.unsafe(FILE_OPENED, [asParameter(calls.map(openedLine))], { prepare: true });
}

/** $2 attempts, or null for all. */
const meant = (id: string): string => `($2::text[] is null or ${id} in (select unnest($2::text[])))`;

const FILE_INTENTS = `
  with opened as materialized (${INTENTS}),
  meant as materialized (select * from opened where ${meant(INTENT.attemptId)}),
  jobs as (insert into job (${names(LOGGED_JOBS)}, state) select ${values(LOGGED_JOBS)}, 'placed' from meant order by ${INTENT.jobId} on conflict do nothing)
  insert into attempt (${names(LOGGED_ATTEMPTS)}, state) select ${values(LOGGED_ATTEMPTS)}, 'sending' from meant order by ${INTENT.jobId} on conflict do nothing`;

/** An intent or an answer in the log: its row, and whose it is. */
export interface Logged {
  readonly logId: string;
  readonly attemptId: string;
}

/** Files open calls as the rows that they are. */
export async function fileLoggedIntents(tx: Sql, some: readonly Logged[]): Promise<void> {
  if (some.length > 0) await tx.unsafe(FILE_INTENTS, placesOf(some), { prepare: true });
}

const placesOf = (some: readonly Logged[]): string[][] => [[...new Set(some.map(({ logId }) => logId))], some.map(({ attemptId }) => attemptId)];

/** One that was logged twice counts as it was first. */
const FILE_ANSWERS = `
  with answers as materialized (${READINGS}),
  told as materialized (select distinct on (${READ.attemptId}) * from answers where ${meant(READ.attemptId)} order by ${READ.attemptId}, log_id),
  taken as (${takeAnswers("told.at_ms", "told.at_real_ms", [READ.attemptId, READ.statusCode, "told.answer", READ.requestId, READ.errorCode])})
  insert into unsettled (attempt_id, bytes) select id, bytes from taken`;

/** Puts answers on their attempts, for settlement beside their jobs. */
export async function fileLoggedAnswers(tx: Sql, some: readonly Logged[]): Promise<void> {
  if (some.length > 0) await tx.unsafe(FILE_ANSWERS, placesOf(some), { prepare: true });
}

/** Files all that lies in rows of the log as the rows that it is, and takes it out of the log. */
export async function fileRows(tx: Sql, logIds: readonly string[]): Promise<void> {
  if (logIds.length === 0) return;
  await tx.unsafe(FILE_INTENTS, [logIds as string[], null], { prepare: true });
  await tx.unsafe(FILE_ANSWERS, [logIds as string[], null], { prepare: true });
  await dropLogged(tx, logIds);
}

async function dropLogged(tx: Sql, logIds: readonly string[]): Promise<void> {
  if (logIds.length > 0) await tx`delete from call_log where id = any(${logIds as string[]}::int8[])`;
}

/** A call that was opened and answered before anybody filed it, with what its settlement needs. */
export interface WholeCall {
  /** As `claimAnswered` would read it, but for the answer itself. */
  readonly row: AnsweredRow;
  readonly reading: Reading;
  readonly answeredAt: Logged;
}

/** How a whole call ended. */
export interface SettledCall {
  readonly call: WholeCall;
  readonly state: "completed" | "failed";
  readonly tier: string | null;
}

/**
 * $1 rows of the log, where these calls are; $2 attempts with $3 the state of their jobs and $4 their tier; $5 job time. What was logged twice, since its
 * commit was not heard of, is filed once. Where all of it is new, nobody has to look for what is there, and it goes in as it lies in the log.
 */
const fileSettledSql = (fresh: boolean): string => `
  with outcomes as materialized (select * from unnest($2::text[], $3::text[], $4::text[]) as outcome (attempt_id, job_state, tier)),
  opens as materialized (${INTENTS}), answers as materialized (${READINGS}),
  filed as materialized (
    select f, r, job_state, tier, body, decision, answer, at_ms, at_real_ms, log_id
    from outcomes join opens on ${INTENT.attemptId} = attempt_id join answers on ${READ.attemptId} = attempt_id),
  jobs as (insert into job (${names(LOGGED_JOBS)}, state, ended_at_ms, version)
    select ${values(LOGGED_JOBS)}, job_state, $5::float8, 2 from filed ${fresh ? "" : `order by ${INTENT.jobId} on conflict do nothing`} returning id),
  attempts as (insert into attempt (${names(LOGGED_ATTEMPTS)}, state, status_code, answer, request_id, error_code, answered_at_ms, answered_real_ms, usage, tier, settled_at_ms)
    select ${values(LOGGED_ATTEMPTS)}, 'settled', ${READ.statusCode}, answer, ${READ.requestId}, ${READ.errorCode}, at_ms, at_real_ms, ${READ.usage}, tier, $5::float8
    from filed ${fresh ? "" : `where ${INTENT.jobId} in (select id from jobs) order by ${INTENT.jobId}, log_id on conflict do nothing`})
  select id from jobs`;
const [FILE_SETTLED, FILE_FRESH] = [fileSettledSql(false), fileSettledSql(true)];

/**
 * Files calls as they ended, out of the rows of the log that hold them: the job at its end and the attempt settled, each written once. Returns the
 * jobs that are filed now; of a call whose job was there already, the answer alone is filed, and waits for its settlement like any other. The rows are
 * gone from the log then, with all that is in them. `fresh`: see `isNotFresh`.
 */
export async function fileSettled(
  tx: Sql,
  ended: readonly SettledCall[],
  { logIds, nowMs, fresh = false }: { readonly logIds: readonly string[]; readonly nowMs: number; readonly fresh?: boolean },
): Promise<ReadonlySet<string>> {
  const outcomes = [ended.map(({ call }) => call.row.attemptId), ended.map(({ state }) => state), ended.map(({ tier }) => tier)] as never[];
  const made =
    ended.length === 0
      ? []
      : await tx.unsafe<{ id: string }[]>(fresh ? FILE_FRESH : FILE_SETTLED, [logIds as string[], ...outcomes, nowMs], { prepare: true });
  const ids = new Set(made.map(({ id }) => id));
  const before = ended.filter(({ call }) => !ids.has(call.row.jobId));
  await fileLoggedAnswers(
    tx,
    before.map(({ call }) => call.answeredAt),
  );
  await dropLogged(tx, logIds);
  return ids;
}
