import type { Decision, ReuseTaken } from "@slowboat/contract";
import type { SemanticHit } from "@slowboat/reuse";
import { closeReused, type DecidedAsk, type DueJob, readDecided, type Sql } from "@slowboat/store";

/** A hit as its decision tells it. */
export const reuseTaken = ({ entryId, jobId, score, threshold, propensity, reasons }: Omit<SemanticHit, "attemptId">): ReuseTaken => ({
  kind: "semantic",
  entry: entryId,
  source: jobId,
  score,
  threshold,
  propensity,
  why: reasons.join("; "),
});

/** How long (machine ms) a job waits for its question to be looked up before it goes without. */
const UNDECIDED_MS = 5_000;

/** What was decided on the questions of due jobs; empty where none has one. */
export async function readAsks(tx: Sql, jobs: readonly DueJob[], nowMs: number): Promise<ReadonlyMap<string, DecidedAsk>> {
  const asking = jobs.filter((job) => job.semantic === true).map((job) => job.id);
  return new Map((await readDecided(tx, asking, nowMs)).map((ask) => [ask.jobId, ask]));
}

/**
 * Until when (job ms) a job waits for its question: a moment where it was not looked up yet, and `followMs` where another one is asked which means the
 * same, or a judge whether one was. `null` for one that does not wait.
 */
export function askUntil(
  ask: DecidedAsk | undefined,
  job: DueJob,
  at: { readonly nowMs: number; readonly scale: number; readonly followMs: number },
): number | null {
  if (ask === undefined) return null;
  const until = ask.kind === null ? job.acceptedAtMs + UNDECIDED_MS * at.scale : answerUntil(ask, job, at);
  return until > at.nowMs ? until : null;
}

function answerUntil(ask: DecidedAsk, job: DueJob, { nowMs, followMs }: { readonly nowMs: number; readonly followMs: number }): number {
  if (ask.kind === "judging") return Math.min(followMs, halfTime(job, job.deadlineAtMs ?? nowMs));
  return ask.follows === null ? nowMs : followMs;
}

/** Half of a job's time (job ms instant): who waits for something that may never come has the other half for doing without. */
export const halfTime = (job: Pick<DueJob, "acceptedAtMs">, deadlineAtMs: number): number => job.acceptedAtMs + (deadlineAtMs - job.acceptedAtMs) / 2;

/** The decision with what it gives again, where it gives the answer of a question that means the same. */
export function withReuse(decision: Decision, ask: DecidedAsk | undefined): Decision {
  if (decision.lane !== "cache" || ask?.entryId == null || ask.sourceJobId === null) return decision;
  const { score, threshold, propensity, reasons } = JSON.parse(ask.decision ?? "{}") as SemanticHit;
  return { ...decision, reuse: reuseTaken({ entryId: ask.entryId, jobId: ask.sourceJobId, score, threshold, propensity, reasons }) };
}

const waiting = (ask: DecidedAsk | undefined): boolean => ask?.kind === "reuse" || ask?.kind === "judging";

/** Closes the questions whose answer is given again by these decisions; those that were to be, and are not, become misses. */
export async function closeAsks(
  tx: Sql,
  asks: ReadonlyMap<string, DecidedAsk>,
  placed: readonly { readonly job: DueJob; readonly decision: Decision }[],
  nowMs: number,
): Promise<void> {
  if (asks.size === 0) return;
  const taken = placed.flatMap(({ job, decision }) => (decision.reuse === undefined ? [] : [{ jobId: job.id, entryId: decision.reuse.entry }]));
  const missed = placed.flatMap(({ job, decision }) => (decision.reuse === undefined && waiting(asks.get(job.id)) ? [job.id] : []));
  await closeReused(tx, { taken, missed, nowMs });
}
