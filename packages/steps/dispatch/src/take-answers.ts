import type { LaneAnswer } from "@slowboat/lanes";
import { isModelsOwn } from "@slowboat/plan";
import { endAttempts, parkLane, readChained, replanJobs, type SavedAnswer, saveAnswers } from "@slowboat/store";
import type { LaneDeps } from "./deps.ts";
import { endingOf, retryAtMs } from "./retry.ts";

/**
 * Commits what a lane said, in one transaction: answers and final refusals stay on their attempts for settlement; the rest ends without a
 * cost, or in suspense, and its job goes back to planning, as it does after a refusal that was one model's alone where others may stand in.
 * An account that refuses everything parks its lane. Returns how many answers wait for settlement and how many jobs for a plan.
 */
export async function takeAnswers(
  deps: LaneDeps,
  from: { readonly lane: string; readonly account: string; readonly cancelAtMs?: number | null },
  answers: readonly LaneAnswer[],
): Promise<{ settle: number; replan: number }> {
  const nowMs = deps.time.clock.job();
  const saved: SavedAnswer[] = [];
  const unanswered = new Map<string, Exclude<LaneAnswer, { kind: "answered" }>>();
  const goesOn = await modelsOwnRefusals(deps, answers);
  for (const answer of answers) {
    const { attemptId } = answer;
    const final = answer.kind === "answered" || (answer.kind === "refused" && answer.retry === "never" && !goesOn.has(attemptId));
    if (!final) {
      unanswered.set(attemptId, answer);
      continue;
    }
    const { statusCode, body, requestId } = answer;
    saved.push({ attemptId, statusCode, body, requestId, errorCode: answer.kind === "refused" ? answer.code : null });
  }
  // What the lane held back says nothing that was not heard before.
  const parking = [...unanswered.values()].find((answer) => answer.kind === "refused" && answer.retry === "park" && !answer.held);
  return await deps.store.begin(async (tx) => {
    const taken = await saveAnswers(tx, saved, { nowMs, realMs: deps.time.clock.real() });
    if (parking) await parkLane(tx, { ...from, code: parking.code, nowMs });
    const ended = [...unanswered.values()].map((answer) => endingOf(answer, from));
    const gone = await endAttempts(tx, ended, nowMs);
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

/** Final refusals that say nothing about the request itself, where its job names other models: it goes on to the next. */
async function modelsOwnRefusals(deps: LaneDeps, answers: readonly LaneAnswer[]): Promise<ReadonlySet<string>> {
  const refused = new Map(answers.flatMap((answer) => (answer.kind === "refused" && answer.retry === "never" ? [[answer.attemptId, answer]] : [])));
  const chained = await readChained(deps.store.sql, [...refused.keys()]);
  return new Set(
    chained.flatMap(({ attemptId, model }) => {
      const answer = refused.get(attemptId);
      return answer && isModelsOwn({ ...answer, fallback: model !== null }) ? [attemptId] : [];
    }),
  );
}
