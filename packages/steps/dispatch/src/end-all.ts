import { type DispatchRow, type EndedAttempt, endAttempts, readChunk, replanJobs } from "@slowboat/store";
import type { LaneDeps } from "./deps.ts";

/**
 * Ends all attempts of a dispatch that stand in `states` without an answer, and sends their jobs back to planning after `pauseMs` of job
 * time. Returns how many there were.
 */
export async function endAll(
  deps: LaneDeps,
  dispatch: Pick<DispatchRow, "id">,
  how: {
    readonly states: readonly string[];
    readonly to: EndedAttempt["state"];
    readonly code: string;
    readonly outcome: EndedAttempt["outcome"];
    /** For all alike, or by how many attempts the job has had. */
    readonly pauseMs?: number | ((seq: number) => number);
  },
): Promise<number> {
  const rows = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: how.states });
  if (rows.length === 0) return 0;
  const nowMs = deps.time.clock.job();
  const { to: state, code, outcome, pauseMs = 0 } = how;
  const pauseOf = typeof pauseMs === "number" ? () => pauseMs : pauseMs;
  await deps.store.begin(async (tx) => {
    const gone = await endAttempts(
      tx,
      rows.map(({ attemptId }) => ({ attemptId, state, code, outcome })),
      nowMs,
    );
    await replanJobs(
      tx,
      gone.map((row) => ({ jobId: row.jobId, attemptId: row.id, atMs: nowMs + pauseOf(row.seq) })),
      nowMs,
    );
  });
  await deps.queue.ring("plan", [{}]);
  return rows.length;
}
