import type { LaneAnswer } from "@slowboat/lanes";
import { groupCommit, keepLease, LEASE_MS } from "@slowboat/runtime";
import {
  type ChunkRow,
  type DispatchRow,
  endAttempts,
  leaseDispatch,
  markSending,
  readChunk,
  releaseDispatch,
  renewLease,
  replanJobs,
} from "@slowboat/store";
import { readBodies, toRequest, windows } from "./bodies.ts";
import type { LaneDeps } from "./deps.ts";
import { takeAnswers } from "./take-answers.ts";

const WINDOW_ROWS = 500;

/** How a call lane is driven. */
export interface CallPolicy {
  /** Requests in flight at a time. */
  readonly concurrency: number;
  /** A single request's time limit in machine ms. */
  readonly timeoutMs: number;
}

/**
 * Runs a chunk of attempts on a call lane. Each is marked `sending` in a commit of its own or shared with its neighbours before its socket
 * opens, and its raw answer is committed as it comes. Safe to run twice: what was sent and not heard of is held in suspense, what was not
 * sent yet is sent now. Leaves `settle` and `plan` bells behind.
 */
export async function runCallDispatch(deps: LaneDeps, policy: CallPolicy, dispatchId: string, stop: AbortSignal): Promise<void> {
  const dispatch = await leaseDispatch(deps.store.sql, { id: dispatchId, realMs: deps.time.clock.real(), leaseMs: LEASE_MS });
  if (!dispatch) return;
  const lane = deps.lanes.get(dispatch.lane as never);
  await suspendOrphans(deps, dispatch);
  if (lane?.shape !== "call") {
    await abandon(deps, dispatch, `no lane ${dispatch.lane} here`);
    return;
  }
  const lease = keepLease(() => renewLease(deps.store.sql, dispatch, deps.time.clock.real() + LEASE_MS), stop);
  const { signal } = lease;
  const totals = { settle: 0, replan: 0 };
  try {
    const rows = await readChunk(deps.store.sql, { dispatchId, states: ["intent"] });
    const mark = groupCommit(
      async (ids: readonly string[]) => {
        const taken = new Set(await markSending(deps.store.sql, ids, deps.time.clock.job()));
        return ids.map((id) => taken.has(id));
      },
      { maxItems: 200, maxInFlight: 1 },
    );
    const save = groupCommit(
      async (answers: readonly LaneAnswer[]) => {
        const counts = await takeAnswers(deps, answers);
        totals.settle += counts.settle;
        totals.replan += counts.replan;
        // Settlement may begin while the chunk is still running.
        if (counts.settle > 0) await deps.queue.ring("settle", [{ dispatchId }]);
        return answers.map(() => undefined);
      },
      { maxItems: 200, maxInFlight: 1 },
    );
    for (const window of windows(rows, WINDOW_ROWS)) {
      const bodies = await readBodies(deps.blob, window);
      await eachBounded(window, policy.concurrency, signal, async (row, index) => {
        if (!(await mark(row.attemptId))) return;
        const request = toRequest(dispatch, row, bodies[index] ?? "");
        const answer = await lane.call(request, AbortSignal.any([signal, AbortSignal.timeout(policy.timeoutMs)]));
        await save(answer);
      });
    }
  } finally {
    lease.end();
  }
  const state = signal.aborted ? "running" : "done";
  await releaseDispatch(deps.store.sql, {
    id: dispatch.id,
    gen: dispatch.leaseGen,
    patch: { state, ...(state === "done" ? { endedAtMs: deps.time.clock.job() } : {}) },
  });
  if (totals.replan > 0) await deps.queue.ring("plan", [{}]);
  deps.logger.info({ dispatchId, lane: dispatch.lane, jobs: dispatch.jobs, ...totals }, "dispatch-ended");
}

/** Attempts that an earlier run marked as sending and never heard of: the request may have been served and charged. */
async function suspendOrphans(deps: LaneDeps, dispatch: DispatchRow): Promise<void> {
  if (dispatch.leaseGen <= 1) return;
  const orphans = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: ["sending"] });
  if (orphans.length === 0) return;
  // Our own machine sends no invoice: work lost in the pool is simply done again.
  await endOrphans(deps, orphans, dispatch.lane === "pool" ? "void" : "unknown", "worker_lost");
  deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, attempts: orphans.length }, "attempts-suspended");
}

async function endOrphans(deps: LaneDeps, rows: readonly ChunkRow[], state: "unknown" | "void", code: string): Promise<void> {
  const nowMs = deps.time.clock.job();
  await deps.store.begin(async (tx) => {
    const gone = await endAttempts(
      tx,
      rows.map((row) => ({ attemptId: row.attemptId, state, code })),
      nowMs,
    );
    await replanJobs(
      tx,
      gone.map((row) => ({ jobId: row.jobId, attemptId: row.id, atMs: nowMs })),
    );
  });
  await deps.queue.ring("plan", [{}]);
}

/** Gives a dispatch up whose lane does not exist in this installation any more: nothing was sent. */
async function abandon(deps: LaneDeps, dispatch: DispatchRow, error: string): Promise<void> {
  await endOrphans(deps, await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: ["intent"] }), "void", "unsent");
  await releaseDispatch(deps.store.sql, {
    id: dispatch.id,
    gen: dispatch.leaseGen,
    patch: { state: "lost", error, endedAtMs: deps.time.clock.job() },
  });
}

/** Runs `work` over items with at most `width` at a time; stops handing out new ones once aborted. The first error is thrown at the end. */
async function eachBounded<T>(
  items: readonly T[],
  width: number,
  signal: AbortSignal,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const errors: unknown[] = [];
  const runner = async (): Promise<void> => {
    for (let index = next++; index < items.length && !signal.aborted; index = next++) {
      try {
        await work(items[index] as T, index);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, runner));
  if (errors.length > 0) throw errors[0];
}
