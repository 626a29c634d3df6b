import type { LaneAnswer } from "@slowboat/lanes";
import { endAttempts, parkLane, replanJobs, type SavedAnswer, saveAnswers } from "@slowboat/store";
import type { LaneDeps } from "./deps.ts";
import { endingOf, retryAtMs } from "./retry.ts";

/**
 * Commits what a lane said, in one transaction: answers and final refusals stay on their attempts for settlement; the rest ends without a
 * cost, or in suspense, and its job goes back to planning. An account that refuses everything parks its lane. Returns how many answers wait
 * for settlement and how many jobs for a plan.
 */
export async function takeAnswers(
  deps: LaneDeps,
  from: { readonly lane: string; readonly account: string },
  answers: readonly LaneAnswer[],
): Promise<{ settle: number; replan: number }> {
  const nowMs = deps.time.clock.job();
  const saved: SavedAnswer[] = [];
  const unanswered = new Map<string, Exclude<LaneAnswer, { kind: "answered" }>>();
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
    } else unanswered.set(answer.attemptId, answer);
  }
  // What the lane held back says nothing that was not heard before.
  const parking = [...unanswered.values()].find((answer) => answer.kind === "refused" && answer.retry === "park" && !answer.held);
  return await deps.store.begin(async (tx) => {
    const taken = await saveAnswers(tx, saved, { nowMs, realMs: deps.time.clock.real() });
    if (parking) await parkLane(tx, { ...from, code: parking.code, nowMs });
    const gone = await endAttempts(tx, [...unanswered.values()].map(endingOf), nowMs);
    await replanJobs(
      tx,
      gone.map((row) => {
        const answer = unanswered.get(row.id);
        return { jobId: row.jobId, attemptId: row.id, atMs: answer ? retryAtMs(answer, row, nowMs, deps.time.rng) : nowMs };
      }),
      nowMs,
    );
    return { settle: taken.length, replan: gone.length };
  });
}
