import type { Sql } from "./connect.ts";
import { attemptsInsert, type NewAttempt } from "./insert-attempts.ts";
import { jobsInsert, type NewJob } from "./insert-jobs.ts";

/** Inserts jobs, each with its first attempt, in one statement: durable together when it returns, for one way to the server and back. */
export async function insertCalls(sql: Sql, calls: readonly { readonly job: NewJob; readonly attempt: NewAttempt }[], realMs: number): Promise<void> {
  if (calls.length === 0) return;
  const jobs = jobsInsert(
    sql,
    calls.map((call) => call.job),
  );
  const attempts = attemptsInsert(
    sql,
    calls.map((call) => call.attempt),
    realMs,
  );
  await sql`with jobs as (${jobs}) ${attempts}`;
}
