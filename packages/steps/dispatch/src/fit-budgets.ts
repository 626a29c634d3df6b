import { extendHolds, type Sql } from "@slowboat/store";
import type { Delayed } from "./decisions/delays.ts";
import type { Placement } from "./place.ts";
import { isPastPatience } from "./plan-job.ts";
import type { PlanDeps } from "./planner-deps.ts";

/** When (job ms) it is asked again whether there is room for another attempt. */
const AGAIN_MS = 30_000;

/** What of the placements may be written, and what becomes of the others. */
export interface Fitted {
  readonly ready: readonly Placement[];
  readonly delayed: readonly Delayed[];
  readonly refused: readonly { readonly job: Placement["job"]; readonly verdict: { readonly code: "budget-exceeded"; readonly message: string } }[];
}

/**
 * Lets another attempt of a job out only where the budgets that hold for it have room for what it may come to, beside what may still be charged for the last ones. A job
 * without room waits until its deadline, or a day where it has none: for the answer of what is out, or to be tried again; where nothing is out by then, it is refused.
 * The first attempt of a job was held for when it was accepted.
 */
export async function fitBudgets(tx: Sql, deps: Pick<PlanDeps, "time">, placements: readonly Placement[], nowMs: number): Promise<Fitted> {
  const again = placements.filter(({ job, decision }) => job.attempts > 0 && decision.lane !== "cache");
  const without = await extendHolds(
    tx,
    again.map(({ job }) => job.id),
    { nowMs, realMs: deps.time.clock.real() },
  );
  if (without.size === 0) return { ready: placements, delayed: [], refused: [] };
  const delayed: Delayed[] = [];
  const refused: Fitted["refused"][number][] = [];
  for (const { job, decision } of placements) {
    const message = without.get(job.id);
    if (message === undefined) continue;
    const isOver = job.deadlineAtMs === null ? isPastPatience(job, nowMs) : nowMs >= job.deadlineAtMs;
    if (isOver && job.state === "accepted") {
      refused.push({ job, verdict: { code: "budget-exceeded", message } });
      continue;
    }
    const atMs = isOver ? null : Math.min(nowMs + AGAIN_MS, Math.max(nowMs + 1, job.deadlineAtMs ?? Number.POSITIVE_INFINITY));
    delayed.push({ jobId: job.id, atMs, waitReason: message, why: { kind: "budget", reason: message, decision } });
  }
  return { ready: placements.filter(({ job }) => !without.has(job.id)), delayed, refused };
}
