import type { Sql } from "./connect.ts";
import { endAttempts } from "./end-attempts.ts";
import { endJobs } from "./end-jobs.ts";

/**
 * Ends interactive calls that were being sent before `sentBeforeMs` (job time) and never heard of again: their process died. They
 * may have been served and charged, so the attempt stays in suspense; the caller hung up with the process, so the job failed.
 * Returns how many there were; none while the call log holds anything from before `loggedBeforeMs`, since it may be their answers.
 */
export async function endLostCalls(
  tx: Sql,
  input: { readonly sentBeforeMs: number; readonly loggedBeforeMs: number; readonly nowMs: number; readonly limit: number },
): Promise<number> {
  const lost = await tx<{ id: string }[]>`
    select id from attempt where open_call_ms < ${input.sentBeforeMs}::float8
      and coalesce((select at_ms from call_log order by call_log.id limit 1) >= ${input.loggedBeforeMs}::float8, true)
    order by open_call_ms limit ${input.limit} for update skip locked`;
  const ended = await endAttempts(
    tx,
    lost.map(({ id }) => ({ attemptId: id, state: "unknown" as const, code: "caller_lost", outcome: "unheard" as const })),
    input.nowMs,
  );
  const error = JSON.stringify({ code: "outcome-unknown", message: "The call was cut off; the provider may have run it." });
  await endJobs(
    tx,
    ended.map(({ jobId }) => ({ jobId, state: "failed" as const, error })),
    input.nowMs,
  );
  return ended.length;
}
