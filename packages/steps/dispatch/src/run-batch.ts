import { type BatchLane, type Lane, type LaneAnswer, LaneError, type LaneProgress } from "@slowboat/lanes";
import { keepLease, LEASE_MS } from "@slowboat/runtime";
import {
  type DispatchPatch,
  type DispatchRow,
  endAttempts,
  leaseDispatch,
  moveAttempts,
  readChunk,
  releaseDispatch,
  renewLease,
  replanJobs,
} from "@slowboat/store";
import { readBodies, toRequest } from "./bodies.ts";
import type { LaneDeps } from "./deps.ts";
import { takeAnswers } from "./take-answers.ts";

/** One step as a whole, in machine ms: the upload of a full file, or the download of its answers. Each call in it has a shorter bound. */
const STEP_MS = 900_000;
const COLLECT_PAGE = 500;
/** Job ms that both providers keep the answers of a batch at least. */
const ANSWERS_KEPT_MS = 29 * 86_400_000;
/** Polls in a row that fail before the batch counts as lost. */
const POLL_ERRORS_MAX = 20;

/**
 * Takes a provider batch one step further: submit, poll, cancel or harvest, whichever its row asks for. Every step leaves the row in a state
 * from which any worker can go on: the intent is committed before the upload, a lost reply is looked for before anything is sent again,
 * and every ending, expired and cancelled ones too, is harvested line by line before a single job is planned anew.
 */
export async function runBatchDispatch(deps: LaneDeps, dispatchId: string, signal: AbortSignal): Promise<void> {
  const dispatch = await leaseDispatch(deps.store.sql, { id: dispatchId, realMs: deps.time.clock.real(), leaseMs: LEASE_MS });
  if (!dispatch) return;
  const lane = deps.lanes.get(dispatch.lane as never);
  const lease = keepLease(() => renewLease(deps.store.sql, dispatch, deps.time.clock.real() + LEASE_MS), signal);
  try {
    const patch = await step(deps, lane, dispatch, AbortSignal.any([lease.signal, AbortSignal.timeout(STEP_MS)]));
    await releaseDispatch(deps.store.sql, { id: dispatch.id, gen: dispatch.leaseGen, patch });
  } finally {
    lease.end();
  }
}

async function step(deps: LaneDeps, lane: Lane | undefined, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  if (lane?.shape !== "batch") return await giveUp(deps, dispatch, `no lane ${dispatch.lane} here`);
  if (lane.account !== dispatch.account)
    return dispatch.providerRef === null ? await giveUp(deps, dispatch, "its account is not here any more") : await wait(deps, dispatch);
  return dispatch.state === "submitted" ? await follow(deps, lane, dispatch, signal) : await submit(deps, lane, dispatch, signal);
}

/** Only its own account can read a batch. It may come back while the provider still has the answers; after that they are in suspense for good. */
async function wait(deps: LaneDeps, dispatch: DispatchRow): Promise<DispatchPatch> {
  const nowMs = deps.time.clock.job();
  const why = "the batch belongs to an account that this installation has no key for";
  if (nowMs - (dispatch.submittedAtMs ?? dispatch.createdAtMs) > ANSWERS_KEPT_MS) return await lose(deps, dispatch, why);
  return { nextPollAtMs: nowMs + 300_000, error: why };
}

async function submit(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  const rows = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: ["intent", "sending"] });
  if (rows.length === 0) return { state: "done", endedAtMs: deps.time.clock.job() };
  try {
    // An earlier worker may have created it and died before it could say so.
    const sentBefore = rows.some((row) => row.state === "sending");
    const ids = rows.map((row) => row.attemptId);
    const found = sentBefore ? await lane.find(dispatch.id, ids, dispatch.createdAtMs, signal) : null;
    if (found) deps.logger.warn({ dispatchId: dispatch.id, lane: lane.id, ref: found.ref }, "batch-adopted");
    let ref = found?.ref;
    if (ref === undefined) {
      await moveAttempts(deps.store.sql, { dispatchId: dispatch.id, from: ["intent"], to: "sending", nowMs: deps.time.clock.job() });
      const bodies = await readBodies(deps.blob, rows);
      const requests = rows.map((row, index) => toRequest(dispatch, row, bodies[index] ?? ""));
      ref = (await lane.submit(dispatch.id, requests, signal)).ref;
    }
    const nowMs = deps.time.clock.job();
    await moveAttempts(deps.store.sql, { dispatchId: dispatch.id, from: ["intent", "sending"], to: "placed", nowMs });
    deps.logger.info({ dispatchId: dispatch.id, lane: lane.id, ref, jobs: rows.length }, "batch-submitted");
    return { state: "submitted", providerRef: ref, submittedAtMs: nowMs, nextPollAtMs: nowMs + pollPauseMs(0), error: null };
  } catch (error) {
    return await submitFailed(deps, dispatch, error);
  }
}

/** Nothing was created: its jobs go back to planning. Perhaps it was: the lease runs out and the next worker looks for it first. */
async function submitFailed(deps: LaneDeps, dispatch: DispatchRow, error: unknown): Promise<DispatchPatch> {
  if (!(error instanceof LaneError)) throw error;
  deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, code: error.code, outcome: error.outcome }, "batch-submit-failed");
  if (error.outcome === "unknown") return { error: error.message };
  await replanAll(deps, dispatch, ["intent", "sending"], "void", error.code, error.retry === "park" ? 300_000 : 30_000);
  return { state: "lost", endedAtMs: deps.time.clock.job(), error: error.message };
}

async function follow(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  const ref = dispatch.providerRef ?? "";
  try {
    if (dispatch.cancelAtMs !== null && dispatch.providerStatus !== "cancelling") {
      await lane.cancel(ref, signal);
      deps.logger.info({ dispatchId: dispatch.id, lane: lane.id, ref }, "batch-cancelling");
      return { providerStatus: "cancelling", nextPollAtMs: deps.time.clock.job() + 10_000 };
    }
    const progress = await lane.poll(ref, signal);
    if (progress.phase === "ended") return await harvest(deps, lane, dispatch, progress, signal);
    if (progress.phase === "lost") return await lose(deps, dispatch, progress.status);
    const nowMs = deps.time.clock.job();
    const cancelling = dispatch.cancelAtMs !== null;
    return {
      providerStatus: cancelling ? "cancelling" : progress.status,
      providerProgress: progress.done,
      pollErrors: 0,
      nextPollAtMs: nowMs + (cancelling ? 10_000 : pollPauseMs(nowMs - (dispatch.submittedAtMs ?? nowMs))),
    };
  } catch (error) {
    if (!(error instanceof LaneError)) throw error;
    const pollErrors = dispatch.pollErrors + 1;
    deps.logger.warn({ dispatchId: dispatch.id, lane: lane.id, code: error.code, pollErrors }, "batch-poll-failed");
    if (pollErrors >= POLL_ERRORS_MAX) return await lose(deps, dispatch, error.message);
    return { pollErrors, nextPollAtMs: deps.time.clock.job() + 30_000, error: error.message };
  }
}

/** Polls densely while most batches end and sparsely after: 15 s at first, a twentieth of the age later, 5 minutes at most (job time). */
const pollPauseMs = (ageMs: number): number => Math.min(300_000, Math.max(15_000, ageMs / 20));

async function harvest(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, progress: LaneProgress, signal: AbortSignal): Promise<DispatchPatch> {
  const totals = { settle: 0, replan: 0 };
  if (progress.failure) return await wholeFailed(deps, dispatch, progress.failure);
  const flush = async (answers: readonly LaneAnswer[]): Promise<void> => {
    const counts = await takeAnswers(deps, answers);
    totals.settle += counts.settle;
    totals.replan += counts.replan;
    if (counts.settle > 0) await deps.queue.ring("settle", [{ dispatchId: dispatch.id }]);
  };
  let page: LaneAnswer[] = [];
  for await (const answer of lane.collect(dispatch.providerRef ?? "", signal)) {
    page.push(answer);
    if (page.length < COLLECT_PAGE) continue;
    await flush(page);
    page = [];
  }
  if (page.length > 0) await flush(page);
  // A line in neither file may have run: it is held in suspense, not called failed.
  const missing = await replanAll(deps, dispatch, ["placed", "sending"], "unknown", "line_missing", 0);
  if (totals.replan + missing > 0) await deps.queue.ring("plan", [{}]);
  deps.logger.info(
    { dispatchId: dispatch.id, lane: lane.id, ref: dispatch.providerRef, status: progress.status, ...totals, missing },
    "batch-harvested",
  );
  return { state: "done", providerStatus: progress.status, providerProgress: progress.done, endedAtMs: deps.time.clock.job() };
}

/** The provider refused the whole file: nothing ran. Lines that it names as bad are refused for good; the others are planned again. */
async function wholeFailed(deps: LaneDeps, dispatch: DispatchRow, failure: NonNullable<LaneProgress["failure"]>): Promise<DispatchPatch> {
  const rows = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: ["placed", "sending"] });
  const refused: LaneAnswer[] = failure.hold
    ? []
    : failure.lines.flatMap((line) => {
        const row = line.line === null ? undefined : rows[line.line - 1];
        if (!row) return [];
        const body = JSON.stringify({ error: { message: line.message, type: "invalid_request_error", param: null, code: line.code } });
        return [
          {
            kind: "refused" as const,
            attemptId: row.attemptId,
            statusCode: 400,
            body,
            requestId: null,
            code: line.code,
            retry: "never" as const,
            retryAfterMs: null,
          },
        ];
      });
  await takeAnswers(deps, refused);
  if (refused.length > 0) await deps.queue.ring("settle", [{ dispatchId: dispatch.id }]);
  await replanAll(deps, dispatch, ["placed", "sending"], "void", failure.hold ? "quota_full" : "batch_failed", failure.hold ? 120_000 : 5_000);
  deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, code: failure.code, refused: refused.length }, "batch-refused");
  return { state: "done", providerStatus: "failed", error: failure.message, endedAtMs: deps.time.clock.job() };
}

async function lose(deps: LaneDeps, dispatch: DispatchRow, why: string): Promise<DispatchPatch> {
  await replanAll(deps, dispatch, ["placed", "sending"], "unknown", "batch_lost", 0);
  deps.logger.error({ dispatchId: dispatch.id, lane: dispatch.lane, ref: dispatch.providerRef, why }, "batch-lost");
  return { state: "lost", error: why, endedAtMs: deps.time.clock.job() };
}

async function giveUp(deps: LaneDeps, dispatch: DispatchRow, why: string): Promise<DispatchPatch> {
  await replanAll(deps, dispatch, ["intent"], "void", "unsent", 0);
  await replanAll(deps, dispatch, ["sending", "placed"], "unknown", "lane_gone", 0);
  return { state: "lost", error: why, endedAtMs: deps.time.clock.job() };
}

/** Ends all attempts of a dispatch that stand in `states` and sends their jobs back to planning after `pauseMs` of job time. */
async function replanAll(
  deps: LaneDeps,
  dispatch: DispatchRow,
  states: readonly string[],
  to: "void" | "unknown",
  code: string,
  pauseMs: number,
): Promise<number> {
  const rows = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states });
  if (rows.length === 0) return 0;
  const nowMs = deps.time.clock.job();
  await deps.store.begin(async (tx) => {
    const gone = await endAttempts(
      tx,
      rows.map((row) => ({ attemptId: row.attemptId, state: to, code })),
      nowMs,
    );
    await replanJobs(
      tx,
      gone.map((row) => ({ jobId: row.jobId, attemptId: row.id, atMs: nowMs + pauseMs })),
    );
  });
  await deps.queue.ring("plan", [{}]);
  return rows.length;
}
