import { listOldBatches, type Sql } from "@slowboat/store";

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
