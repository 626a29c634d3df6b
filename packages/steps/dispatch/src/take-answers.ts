import type { LaneAnswer } from "@slowboat/lanes";
import { type EndedAttempt, endAttempts, replanJobs, type SavedAnswer, saveAnswers } from "@slowboat/store";
import type { LaneDeps } from "./deps.ts";
import { retryAtMs } from "./retry.ts";

/**
 * Commits what a lane said, in one transaction: answers and final refusals stay on their attempts for settlement; the rest ends without a
 * cost, or in suspense, and its job goes back to planning. Returns how many answers wait for settlement and how many jobs for a plan.
 */
export async function takeAnswers(deps: LaneDeps, answers: readonly LaneAnswer[]): Promise<{ settle: number; replan: number }> {
  const nowMs = deps.time.clock.job();
  const saved: SavedAnswer[] = [];
  const ended: EndedAttempt[] = [];
  const dueAt = new Map<string, number>();
  for (const answer of answers) {
    if (answer.kind === "answered")
      saved.push({ attemptId: answer.attemptId, statusCode: answer.statusCode, body: answer.body, requestId: answer.requestId, errorCode: null });
    else if (answer.kind === "refused" && answer.retry === "never") {
      saved.push({
        attemptId: answer.attemptId,
        statusCode: answer.statusCode,
        body: answer.body,
        requestId: answer.requestId,
        errorCode: answer.code,
      });
    } else {
      ended.push({ attemptId: answer.attemptId, state: answer.kind === "unknown" ? "unknown" : "void", code: answer.code });
      dueAt.set(answer.attemptId, retryAtMs(answer, nowMs, deps.time.rng));
    }
  }
  return await deps.store.begin(async (tx) => {
    const taken = await saveAnswers(tx, saved, { nowMs, realMs: deps.time.clock.real() });
    const gone = await endAttempts(tx, ended, nowMs);
    await replanJobs(
      tx,
      gone.map((row) => ({ jobId: row.jobId, attemptId: row.id, atMs: dueAt.get(row.id) ?? nowMs })),
    );
    return { settle: taken.length, replan: gone.length };
  });
}
