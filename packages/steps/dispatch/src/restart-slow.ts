import { type LaneId, laneProvider } from "@slowboat/contract";
import { restartPays, type Turnaround } from "@slowboat/plan";
import { type ModelRef, type PriceBook, quote } from "@slowboat/pricing";
import { listOldBatches, readSlowBatches, requestCancel, type SlowBatchRow, type Sql } from "@slowboat/store";
import type { PlanDeps } from "./planner-deps.ts";

/** When (job ms after its submission) a batch is first asked whether it had better be sent again, and by how much later each time. */
const FIRST_ASK_MS = 15 * 60_000;
const ASK_AGAIN = 1.25;
/** How often (job ms) the list of batches that are out is read. */
const LIST_MS = 60_000;
/** Batches asked in one look: each means reading its lines. */
const ASKED_AT_ONCE = 4;

/** When each batch is asked next, as one process remembers it; after a restart each is asked once more, which changes nothing. */
export interface SlowBatchWatch {
  /** Batches whose turn has come, at most a few; notes that they were asked. */
  due(tx: Sql, nowMs: number): Promise<string[]>;
}

export function createSlowBatchWatch(): SlowBatchWatch {
  let asks = new Map<string, number>();
  let listAtMs = Number.NEGATIVE_INFINITY;
  const ages = new Map<string, number>();
  return {
    async due(tx, nowMs) {
      if (nowMs >= listAtMs) {
        listAtMs = nowMs + LIST_MS;
        const out = await listOldBatches(tx, nowMs - FIRST_ASK_MS);
        asks = new Map(out.map(({ id, submittedAtMs }) => [id, asks.get(id) ?? submittedAtMs + FIRST_ASK_MS]));
        ages.clear();
        for (const { id, submittedAtMs } of out) ages.set(id, submittedAtMs);
      }
      const due = [...asks].filter(([, atMs]) => atMs <= nowMs).sort(([, a], [, b]) => a - b);
      const asked = due.slice(0, ASKED_AT_ONCE).map(([id]) => id);
      for (const id of asks.keys())
        if (asked.includes(id)) asks.set(id, nowMs + Math.max(LIST_MS, (nowMs - (ages.get(id) ?? nowMs)) * (ASK_AGAIN - 1)));
      return asked;
    },
  };
}

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
