import type { LaneId } from "@slowboat/contract";
import type { LaneAnswer } from "@slowboat/lanes";
import type { Queue } from "@slowboat/queue";
import { groupCommit, keepLease, LEASE_MS } from "@slowboat/runtime";
import { type DispatchRow, leaseDispatch, leaseFirstDue, markSending, readChunk, releaseDispatch, renewLease, voidLeftovers } from "@slowboat/store";
import { readBodies, toRequest, untranslatable, windows } from "./bodies.ts";
import type { LaneDeps } from "./deps.ts";
import { endAll } from "./end-all.ts";
import type { Gate } from "./gate.ts";
import { debouncedBell } from "./interactive/bell.ts";
import { eachInTurn, turnOf, workOf } from "./prompt-cache/in-turn.ts";
import { takeAnswers } from "./take-answers.ts";

const WINDOW_ROWS = 500;
const SETTLE_PACE = { soonMs: 20, apartMs: 200 };

/** One settle bell a queue: however many chunks run in this process, a ring speaks for the answers of all. */
const bells = new WeakMap<Queue, ReturnType<typeof debouncedBell>>();
function settleBell(queue: Queue): ReturnType<typeof debouncedBell> {
  const known = bells.get(queue) ?? debouncedBell(() => queue.ring("settle", [{ dispatchId: null }]), SETTLE_PACE);
  bells.set(queue, known);
  return known;
}

/**
 * Runs a chunk of attempts on a call lane. Each is marked `sending` in a commit of its own or shared with its neighbours before its socket
 * opens, and its raw answer is committed as it comes. Safe to run twice: what was sent and not heard of is held in suspense, what was not
 * sent yet is sent now. `gateOf` bounds the requests in flight on a lane over all its chunks in this process. Leaves `settle` and `plan`
 * bells behind.
 */
export async function runCallDispatch(deps: LaneDeps, gateOf: (lane: LaneId) => Gate, dispatchId: string, stop: AbortSignal): Promise<void> {
  const dispatch = await leaseDispatch(deps.store.sql, { id: dispatchId, realMs: deps.time.clock.real(), leaseMs: LEASE_MS });
  if (dispatch) await runLeased(deps, gateOf, dispatch, stop);
}

/** The same for the pool, which serves by deadline: a bell for one of its chunks means that of its tenant's that wait the one that is due first is run. */
export async function runPoolDispatch(deps: LaneDeps, gateOf: (lane: LaneId) => Gate, dispatchId: string, stop: AbortSignal): Promise<void> {
  const lease = { lane: "pool", bellFor: dispatchId, realMs: deps.time.clock.real(), leaseMs: LEASE_MS };
  const dispatch = await leaseFirstDue(deps.store.sql, lease);
  if (dispatch) await runLeased(deps, gateOf, dispatch, stop);
}

async function runLeased(deps: LaneDeps, gateOf: (lane: LaneId) => Gate, dispatch: DispatchRow, stop: AbortSignal): Promise<void> {
  const dispatchId = dispatch.id;
  const lane = deps.lanes.get(dispatch.lane);
  await suspendOrphans(deps, dispatch);
  if (lane?.shape !== "call") {
    await abandon(deps, dispatch, `no lane ${dispatch.lane} here`);
    return;
  }
  const lease = keepLease(() => renewLease(deps.store.sql, dispatch, deps.time.clock.real() + LEASE_MS), stop);
  const { signal } = lease;
  // An account that refuses one request for good refuses them all: nobody knocks 500 times.
  const refusing = new AbortController();
  const sending = AbortSignal.any([signal, refusing.signal]);
  const totals = { settle: 0, replan: 0 };
  // Settlement begins while the chunk is still running; no answer waits for its bell.
  const bell = settleBell(deps.queue);
  try {
    const rows = await readChunk(deps.store.sql, { dispatchId, states: ["intent"] });
    const mark = groupCommit(
      async (ids: readonly string[]) => {
        const taken = new Set(await markSending(deps.store.sql, ids, deps.time.clock.job()));
        return ids.map((id) => taken.has(id));
      },
      { maxItems: 250, maxInFlight: 2 },
    );
    const save = groupCommit(
      async (answers: readonly LaneAnswer[]) => {
        const counts = await takeAnswers(deps, dispatch, answers);
        totals.settle += counts.settle;
        totals.replan += counts.replan;
        if (counts.settle > 0) bell.ring();
        return answers.map(() => undefined);
      },
      { maxItems: 250, maxInFlight: 2 },
    );
    const gate = gateOf(lane.id);
    for (const window of windows(rows, WINDOW_ROWS)) {
      const bodies = await readBodies(deps.blob, window);
      await eachInTurn(deps, { dispatch, rows: window, gate, signal: sending }, async (row, index, pass) => {
        let answer: LaneAnswer | null = null;
        const startedMs = performance.now();
        try {
          if (!(await mark(row.attemptId))) return;
          const request = toRequest(dispatch, row, bodies[index] ?? "");
          answer =
            request === null ? untranslatable(row.attemptId) : await lane.call({ ...request, turn: turnOf(row), onSent: () => pass?.sent() }, signal);
        } finally {
          pass?.answered(answer);
        }
        if (answer.kind === "answered") {
          deps.meter.noteCall(lane.id, performance.now() - startedMs);
          // Charged was an estimate, with all the output that was allowed for.
          gate.correct(row.tenantId, (tokensOf(answer.body) ?? workOf(row)) - workOf(row));
        }
        if (answer.kind === "refused" && answer.retry === "park") refusing.abort();
        if (answer.kind === "answered") {
          // While it waits for its commit the text alone is held.
          const { looked: _looked, ...kept } = answer;
          answer = kept;
        }
        await save(answer);
      });
    }
    // What was not sent goes elsewhere; so does nothing of a chunk that only stops here.
    if (refusing.signal.aborted && !signal.aborted)
      totals.replan += await endAll(deps, dispatch, { states: ["intent"], to: "void", code: "lane_parked", outcome: "unsent" });
    if (!signal.aborted) await voidLeftovers(deps.store.sql, dispatch.id, deps.time.clock.job());
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

/** Where an answer's usage stands: at its end. */
const USAGE_CHARS = 1_500;
const INPUT = /"(?:prompt|input)_tokens"\s*:\s*(\d{1,9})/;
const OUTPUT = /"(?:completion|output)_tokens"\s*:\s*(\d{1,9})/;

/** The tokens that an answer says it took, near enough for fair shares and without reading it whole; `null` where it says none there. */
function tokensOf(body: string): number | null {
  const end = body.slice(-USAGE_CHARS);
  const input = INPUT.exec(end)?.[1];
  return input === undefined ? null : Number(input) + Number(OUTPUT.exec(end)?.[1] ?? 0);
}

/** Attempts that an earlier run marked as sending and never heard of: the request may have been served and charged. */
async function suspendOrphans(deps: LaneDeps, dispatch: DispatchRow): Promise<void> {
  if (dispatch.leaseGen <= 1) return;
  // Our own machine sends no invoice: work lost in the pool is simply done again.
  const own = dispatch.lane === "pool";
  const attempts = await endAll(deps, dispatch, {
    states: ["sending"],
    to: own ? "void" : "unknown",
    code: "worker_lost",
    outcome: own ? "missed" : "unheard",
  });
  if (attempts > 0) deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, attempts }, "attempts-suspended");
}

/** Gives a dispatch up whose lane does not exist in this installation any more: nothing was sent. */
async function abandon(deps: LaneDeps, dispatch: DispatchRow, error: string): Promise<void> {
  await endAll(deps, dispatch, { states: ["intent"], to: "void", code: "unsent", outcome: "unsent" });
  await releaseDispatch(deps.store.sql, {
    id: dispatch.id,
    gen: dispatch.leaseGen,
    patch: { state: "lost", error, endedAtMs: deps.time.clock.job() },
  });
}
