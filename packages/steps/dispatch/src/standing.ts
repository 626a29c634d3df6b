import type { Lane, LanePace } from "@slowboat/lanes";
import type { LaneView } from "@slowboat/plan";

/** How a lane stands for planning, from its account's pace in this process; a lane that is not paced serves everything. */
export function standingOf(pace: LanePace | undefined): Pick<LaneView, "available" | "away" | "awayModels"> {
  if (pace === undefined) return { available: true };
  const awayModels = [...pace.models].filter(([, model]) => model.breaker === "open").map(([name]) => name);
  return pace.parkedMs === 0 ? { available: true, awayModels } : { available: false, away: "its account refuses everything", awayModels };
}

/** Machine ms until the first of these lanes that are away, wholly or for a model, is tried again; `null` when none is. */
export function backInMs(lanes: Iterable<Lane>): number | null {
  let least: number | null = null;
  for (const lane of lanes) {
    const pace = lane.pace?.();
    if (pace === undefined) continue;
    const open = [...pace.models.values()].filter((model) => model.breaker === "open").map((model) => model.waitMs);
    for (const ms of [pace.parkedMs, ...open]) if (ms > 0) least = Math.min(least ?? ms, ms);
  }
  return least;
}
