import type { DueCalls, LaneRate, Snapshot } from "@slowboat/plan";
import { type BacklogRow, readBacklog, readParked, readPoolLine, type Sql } from "@slowboat/store";
import type { LaneOffer, PlanDeps } from "./planner-deps.ts";
import { openPoolLine, type PoolLine } from "./pool-line.ts";
import { standingOf } from "./standing.ts";

/** What the decisions of this tick may depend on, read once; `pool` is `null` where there is none, and grows by what the tick places there. */
export interface Sighting {
  readonly snapshot: Snapshot;
  readonly pool: PoolLine | null;
}

/** Looks at everything that decisions may depend on. */
export async function readSnapshot(deps: Pick<PlanDeps, "book" | "lanes" | "meter" | "time">, tx: Sql, nowMs: number): Promise<Sighting> {
  const parked = new Map((await readParked(tx, nowMs)).map((row) => [`${row.lane} ${row.account}`, row.code]));
  const backlog = await readBacklog(tx);
  const hasPool = deps.lanes.some((lane) => lane.id === "pool");
  const pool = hasPool ? openPoolLine(deps.time.poolTokensPerSecond, await readPoolLine(tx)) : null;
  const snapshot: Snapshot = {
    book: deps.book,
    lanes: deps.lanes.map((lane) => {
      const code = parked.get(`${lane.id} ${lane.account}`);
      const waiting = backlog.filter((row) => row.lane === lane.id);
      return {
        id: lane.id,
        emulated: lane.emulated,
        ...standingOf(lane.pace?.()),
        ...(code === undefined ? {} : { available: false, away: `its account refuses everything (${code})` }),
        concurrency: lane.concurrency,
        callMs: (deps.meter.callMs(lane.id) ?? 0) * deps.time.clock.scale,
        queued: jobsOf(waiting),
        due: dueCalls(waiting, 0),
        rates: ratesOf(lane, waiting, deps.time.clock.scale),
      };
    }),
    pool: pool?.view() ?? null,
    tickMs: deps.time.tickMs + deps.meter.lookMs(),
    scale: deps.time.clock.scale,
    batchLines: 1,
    turnaround: await deps.meter.lessons.of(tx, deps.lanes, nowMs),
  };
  return { snapshot, pool };
}

/** What the limits of the lane's account let pass of each model (calls a second of job time), as its replies have taught this process, and what waits for them. */
function ratesOf(lane: LaneOffer, waiting: readonly BacklogRow[], scale: number): ReadonlyMap<string, LaneRate> {
  const rates = new Map<string, LaneRate>();
  for (const [model, { perSecond, inFlight }] of lane.pace?.().models ?? []) {
    if (perSecond === null) continue;
    const mine = waiting.filter((row) => row.model === model);
    rates.set(model, { perSecond: perSecond / scale, waiting: Math.max(0, jobsOf(mine) - inFlight), due: dueCalls(mine, inFlight) });
  }
  return rates;
}

const jobsOf = (rows: readonly BacklogRow[]): number => rows.reduce((sum, { jobs }) => sum + jobs, 0);

const MINUTE_MS = 60_000;

/** What waits, by when it is due; `gone` of them, those due first, are out already. */
function dueCalls(rows: readonly BacklogRow[], gone: number): DueCalls[] {
  let sum = -gone;
  return rows.map(({ minute, jobs }) => {
    sum += jobs;
    return { untilMs: minute * MINUTE_MS, calls: Math.max(0, sum) };
  });
}
