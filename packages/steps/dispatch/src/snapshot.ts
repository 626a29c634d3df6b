import type { Snapshot } from "@slowboat/plan";
import { readBacklog, readParked, type Sql } from "@slowboat/store";
import type { PlanDeps } from "./planner-deps.ts";
import { standingOf } from "./standing.ts";

/** A typical request's tokens, to turn the pool's backlog of jobs into tokens. */
const TOKENS_PER_POOL_JOB = 300;

/** What the decisions of this tick may depend on, read once. */
export async function readSnapshot(deps: Pick<PlanDeps, "book" | "lanes" | "meter" | "time">, tx: Sql, nowMs: number): Promise<Snapshot> {
  const parked = new Map((await readParked(tx, nowMs)).map((row) => [`${row.lane} ${row.account}`, row.code]));
  const backlog = new Map((await readBacklog(tx)).map((row) => [row.lane, row.jobs]));
  const hasPool = deps.lanes.some((lane) => lane.id === "pool");
  return {
    book: deps.book,
    lanes: deps.lanes.map((lane) => {
      const code = parked.get(`${lane.id} ${lane.account}`);
      return {
        id: lane.id,
        emulated: lane.emulated,
        ...standingOf(lane.pace?.()),
        ...(code === undefined ? {} : { available: false, away: `its account refuses everything (${code})` }),
        concurrency: lane.concurrency,
        callMs: (deps.meter.callMs(lane.id) ?? 0) * deps.time.clock.scale,
        queued: backlog.get(lane.id) ?? 0,
      };
    }),
    pool: hasPool ? { tokensPerSecond: deps.time.poolTokensPerSecond, backlogTokens: (backlog.get("pool") ?? 0) * TOKENS_PER_POOL_JOB } : null,
    tickMs: deps.time.tickMs + deps.meter.lookMs(),
    scale: deps.time.clock.scale,
    batchLines: 1,
    turnaround: await deps.meter.lessons.of(tx, deps.lanes, nowMs),
  };
}
