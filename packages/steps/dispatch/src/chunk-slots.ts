import { createFairLine, type FairTurn } from "@slowboat/plan";
import { readDispatchTenant, type Store } from "@slowboat/store";

/** Bounds the chunks that run at a time in a process, so that no tenant's flood of them keeps another's waiting. */
export interface ChunkSlots {
  /** Runs `work` once the chunk may; a chunk that is in hand already is left alone. */
  run(dispatchId: string, work: () => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** The first chunk of a tenant on a lane starts beside the others; as many in all, at most. */
const FIRSTS_MAX = 64;

/**
 * `width` chunks at a time, by fair shares of the tenants that they begin with; and of every tenant one on each lane at once, so that who comes to a
 * lane where others have flooded it is at its gate immediately, where calls go by fair shares.
 */
export function createChunkSlots(store: Store, width: number, weight?: (tenant: string) => number): ChunkSlots {
  const line = createFairLine<FairTurn & { go(): void }>(weight);
  const inHand = new Set<string>();
  const running = new Map<string, number>();
  let active = 0;
  const start = (who: string): void => {
    active++;
    running.set(who, (running.get(who) ?? 0) + 1);
  };
  const end = (who: string): void => {
    active--;
    const left = (running.get(who) ?? 1) - 1;
    if (left === 0) running.delete(who);
    else running.set(who, left);
    for (let next = line.peek(); next !== null && active < width; next = line.peek()) {
      line.serve(next);
      next.go();
    }
  };
  const enter = async (dispatchId: string, signal: AbortSignal): Promise<string | null> => {
    // Where there is room nobody asks whose it is.
    if (active < width) {
      start("");
      return "";
    }
    const rider = await readDispatchTenant(store.sql, dispatchId);
    if (rider === null || signal.aborted) return null;
    const who = `${rider.lane} ${rider.tenantId}`;
    if (active < width || (!running.has(who) && active < width + FIRSTS_MAX)) {
      line.charge(rider.tenantId, rider.jobs);
      start(who);
      return who;
    }
    return await new Promise<string | null>((resolve) => {
      const turn = {
        ...{ tenant: rider.tenantId, work: rider.jobs, dueAtMs: rider.dueAtMs, urgent: false },
        go: () => {
          signal.removeEventListener("abort", onAbort);
          start(who);
          resolve(who);
        },
      };
      const onAbort = (): void => {
        line.leave(turn);
        resolve(null);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      line.join(turn);
    });
  };
  return {
    run: async (dispatchId, work, signal) => {
      // Its bell may have been rung twice.
      if (inHand.has(dispatchId)) return;
      inHand.add(dispatchId);
      try {
        const who = await enter(dispatchId, signal);
        if (who === null) return;
        await work().finally(() => end(who));
      } finally {
        inHand.delete(dispatchId);
      }
    },
  };
}
