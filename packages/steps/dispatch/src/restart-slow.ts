import { type LaneId, laneProvider } from "@slowboat/contract";
import { restartPays, type Turnaround } from "@slowboat/plan";
import { type ModelRef, type PriceBook, quote } from "@slowboat/pricing";
import { readSlowBatches, requestCancel, type SlowBatchRow } from "@slowboat/store";
import type { PlanDeps } from "./planner-deps.ts";

/**
 * Takes batches back that have been out for so long that new ones are more likely to come in time, well before any rescue: the provider is asked to cancel, what it
 * finished is harvested and kept, and the other lines are planned anew. Returns the batches.
 */
export async function restartSlow(deps: PlanDeps): Promise<string[]> {
  const { sql } = deps.store;
  const nowMs = deps.time.clock.job();
  const due = await deps.meter.slowBatches.due(sql, nowMs);
  if (due.length === 0) return [];
  const turnaround = await deps.meter.lessons.of(sql, deps.lanes, nowMs);
  const slow = (await readSlowBatches(sql, due)).filter((batch) => pays(deps.book, turnaround, batch, nowMs));
  const ids = slow.map(({ id }) => id);
  await requestCancel(sql, ids, nowMs);
  for (const { id, lane, model, open, submittedAtMs } of slow)
    deps.logger.info({ dispatchId: id, lane, model, lines: open, ageMs: nowMs - submittedAtMs }, "batch-taken-back");
  return ids;
}

function pays(book: PriceBook, turnaround: ReadonlyMap<LaneId, Turnaround>, batch: SlowBatchRow, nowMs: number): boolean {
  if (batch.latestStartAtMs === null) return false;
  const { lane, model } = batch;
  const provider = laneProvider(lane);
  const realtime = quote(
    book,
    {
      candidates: [{ provider: provider as ModelRef["provider"], model }],
      inputTokens: Math.round(batch.inputTokens),
      outputTokens: Math.round(batch.outputTokens),
    },
    provider,
    nowMs,
  );
  if (realtime.unpriced) return false;
  return restartPays({
    lane,
    ageMs: nowMs - batch.submittedAtMs,
    lines: batch.lines,
    done: batch.done ?? undefined,
    batchNano: batch.estimateNano,
    realtimeNano: realtime.nano * BigInt(batch.open),
    roomMs: batch.latestStartAtMs - nowMs,
    seen: turnaround.get(lane),
  });
}
