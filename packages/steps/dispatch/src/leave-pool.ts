import { laneClass } from "@slowboat/contract";
import { type LaneView, onModel, POLICY, poolBefore, queueMs, type Snapshot, turnIsLost } from "@slowboat/plan";
import { resolveModel } from "@slowboat/pricing";
import { readPoolStanders, type Sql, wakeStanders } from "@slowboat/store";
import type { Sighting } from "./snapshot.ts";

/** Work of the pool's line that is looked at, the earliest due first. */
const LOOKED_AT = 1_000;

/**
 * While real-time lines are long, work of short slack that stands in the pool's line with one of them as its rescue, but whose turn does not come before the rescue would have to
 * begin, is made due for the next look: it gains nothing by staying. What a worker has in hand stays, and who left once is not asked again. Returns how many jobs that were.
 */
export async function leavePool(tx: Sql, { snapshot, pool }: Sighting, nowMs: number): Promise<number> {
  if (pool === null || !snapshot.lanes.some((lane) => isLong(lane, snapshot.scale))) return 0;
  const line = pool.view();
  const tokensPerJobSecond = line.tokensPerSecond / snapshot.scale;
  let leftTokens = 0;
  const lost: string[] = [];
  for (const stander of await readPoolStanders(tx, { untilMs: nowMs + POLICY.shortSlackMs, limit: LOOKED_AT })) {
    const aheadTokens = Math.max(stander.tokens, poolBefore(line, stander.deadlineAtMs).backlogTokens - leftTokens);
    if (!countsOnLong(stander.model, snapshot) || !turnIsLost({ ...stander, aheadTokens }, tokensPerJobSecond, nowMs)) continue;
    leftTokens += stander.tokens;
    lost.push(stander.jobId);
  }
  await wakeStanders(tx, lost, nowMs);
  return lost.length;
}

/** Whether every real-time lane that could rescue the model has a long line. */
function countsOnLong(model: string, snapshot: Snapshot): boolean {
  const candidates = resolveModel(snapshot.book, model)?.candidates ?? [];
  const rescues = candidates.flatMap((one) =>
    snapshot.lanes.filter((lane) => lane.id === one.provider && laneClass(lane.id) === "realtime").map((lane) => onModel(lane, one.model)),
  );
  return rescues.length > 0 && rescues.every((lane) => queueMs(lane, 0, snapshot.scale) >= POLICY.burstMs);
}

/** Whether the lane's line is long, by itself or at the limit of some model. */
function isLong(lane: LaneView, scale: number): boolean {
  if (laneClass(lane.id) !== "realtime") return false;
  const models = [...(lane.rates?.keys() ?? [])].map((model) => onModel(lane, model));
  return [lane, ...models].some((view) => queueMs(view, 0, scale) >= POLICY.burstMs);
}
