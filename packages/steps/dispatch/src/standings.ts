import type { LaneId } from "@slowboat/contract";
import type { LaneRate, LaneView, Snapshot } from "@slowboat/plan";
import { keepStandings, type Sql } from "@slowboat/store";

/** How often (machine ms) the lanes' standing is written down. */
const KEPT_MS = 10_000;

/** A lane as a planner wrote it down. */
export type Standing = Pick<LaneView, "available" | "away" | "awayModels" | "callMs"> & { readonly rates: Readonly<Record<string, LaneRate>> };

/** What the planner of one process writes down of the lanes, at most every ten seconds. */
export interface Standings {
  keep(
    tx: Sql,
    of: { readonly snapshot: Snapshot; readonly lanes: readonly { readonly id: LaneId; readonly account: string }[] },
    realMs: number,
  ): Promise<void>;
}

/** With `keep`: by the process that decides. */
export function createStandings(options: { readonly keep: boolean }): Standings {
  let keptMs = Number.NEGATIVE_INFINITY;
  return {
    async keep(tx, { snapshot, lanes }, realMs) {
      if (!options.keep || realMs - keptMs < KEPT_MS) return;
      keptMs = realMs;
      const rows = snapshot.lanes.flatMap((view) => {
        const account = lanes.find((lane) => lane.id === view.id)?.account;
        return account === undefined ? [] : [{ lane: view.id, account, content: JSON.stringify(standingOf(view)), atRealMs: realMs }];
      });
      await keepStandings(tx, rows);
    },
  };
}

const standingOf = ({ available, away, awayModels, callMs, rates }: LaneView): Standing => ({
  available,
  ...(away === undefined ? {} : { away }),
  ...(awayModels === undefined ? {} : { awayModels }),
  ...(callMs === undefined ? {} : { callMs }),
  rates: Object.fromEntries([...(rates ?? [])].map(([model, { perSecond, waiting }]) => [model, { perSecond, waiting }])),
});
