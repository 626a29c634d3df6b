import { type BatchLane, type Lane, type LaneAnswer, LaneError, type LaneProgress, QUOTA_FULL } from "@slowboat/lanes";
import { keepLease, LEASE_MS } from "@slowboat/runtime";
import { type DispatchPatch, type DispatchRow, leaseDispatch, placeAttempts, readLines, releaseDispatch, renewLease } from "@slowboat/store";
import type { LaneDeps } from "./deps.ts";
import { endAll } from "./end-all.ts";
import { endPrimed, warmthOf } from "./prompt-cache/warmth.ts";
import { learnFromRefusal } from "./quota/learn.ts";
import { submitBatch } from "./submit-batch.ts";
import { takeAnswers } from "./take-answers.ts";

/** One step as a whole, in machine ms: the upload of a full file, or the download of its answers. Each call in it has a shorter bound. */
const STEP_MS = 900_000;
const COLLECT_PAGE = 500;
/** Characters of answers that are committed together. */
const COLLECT_CHARS = 16 * 1024 * 1024;
/** Job ms that both providers keep the answers of a batch at least. */
const ANSWERS_KEPT_MS = 29 * 86_400_000;
/** Polls in a row that say the batch does not exist, or say nothing that can be read, before it counts as lost. */
const POLL_ERRORS_MAX = 20;
/** A lost batch is still looked for this often (job ms): it may have answers that were paid for. */
const LOST_POLL_MS = 3_600_000;
/** Our own word for a batch that the provider denies. */
const LOST = "lost";

/**
 * Takes a provider batch one step further: submit, poll, cancel or harvest, whichever its row asks for. Every step leaves the row in a state
 * from which any worker can go on: the intent is committed before the upload, a lost reply is looked for before anything is sent again,
 * and every ending, expired and cancelled ones too, is harvested line by line before a single job is planned anew.
 */
export async function runBatchDispatch(deps: LaneDeps, dispatchId: string, signal: AbortSignal): Promise<void> {
  const dispatch = await leaseDispatch(deps.store.sql, { id: dispatchId, realMs: deps.time.clock.real(), leaseMs: LEASE_MS });
  if (!dispatch) return;
  const lane = deps.lanes.get(dispatch.lane);
  const lease = keepLease(() => renewLease(deps.store.sql, dispatch, deps.time.clock.real() + LEASE_MS), signal);
  try {
    const patch = await step(deps, lane, dispatch, AbortSignal.any([lease.signal, AbortSignal.timeout(STEP_MS)]));
    // Before the row says so: a worker that dies in between ends it again.
    if (patch.state === "done" || patch.state === "lost") await endPrimed(deps, dispatch);
    await write(deps, dispatch, patch);
    // What it held of its account's quota is free: the planner looks whether something waits for it.
    if (patch.endedAtMs != null) await deps.queue.ring("plan", [{}]);
  } finally {
    lease.end();
  }
}

/**
 * Writes what a step came to and gives the lease back. That a batch holds the lines and where it is found are committed together: a worker that dies before, or
 * that was overtaken, leaves them `sending`, and the next one looks for the batch.
 */
async function write(deps: LaneDeps, dispatch: DispatchRow, patch: DispatchPatch): Promise<void> {
  const { id, lane } = dispatch;
  const jobs = await deps.store.begin(async (tx) => {
    const kept = await releaseDispatch(tx, { id, gen: dispatch.leaseGen, patch });
    return kept && patch.state === "submitted" ? await placeAttempts(tx, { dispatchId: id, nowMs: deps.time.clock.job() }) : null;
  });
  if (jobs !== null) deps.logger.info({ dispatchId: id, lane, ref: patch.providerRef, jobs, inputTokens: patch.inputTokens }, "batch-submitted");
}

async function step(deps: LaneDeps, lane: Lane | undefined, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  if (lane?.shape === "batch" && lane.account === dispatch.account)
    return dispatch.state === "submitted" ? await follow(deps, lane, dispatch, signal) : await submitBatch(deps, lane, dispatch, signal);
  return dispatch.providerRef === null ? await giveUp(deps, dispatch, "its account is not here any more") : await wait(deps, dispatch);
}

/** Only its own account can read a batch. It may come back while the provider still has the answers; after that they are in suspense for good. */
async function wait(deps: LaneDeps, dispatch: DispatchRow): Promise<DispatchPatch> {
  const why = "the batch belongs to an account that this installation has no key for";
  if (isTooOld(deps, dispatch)) return await lose(deps, dispatch, why);
  return { nextPollAtMs: deps.time.clock.job() + 300_000, error: why };
}

const isTooOld = (deps: LaneDeps, dispatch: DispatchRow): boolean =>
  deps.time.clock.job() - (dispatch.submittedAtMs ?? dispatch.createdAtMs) > ANSWERS_KEPT_MS;

async function follow(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  const ref = dispatch.providerRef ?? "";
  const nowMs = deps.time.clock.job();
  try {
    const toCancel = dispatch.cancelAtMs !== null && dispatch.providerStatus !== "cancelling" && dispatch.providerStatus !== LOST;
    if (toCancel && (await cancelled(deps, lane, dispatch, signal))) return { providerStatus: "cancelling", nextPollAtMs: nowMs + 10_000 };
    const progress = await lane.poll(ref, signal);
    if (progress.phase === "ended") return await harvest(deps, lane, dispatch, progress, signal);
    if (progress.phase === "lost") return await lose(deps, dispatch, progress.status);
    const cancelling = dispatch.cancelAtMs !== null;
    return {
      providerStatus: cancelling && !toCancel ? "cancelling" : progress.status,
      providerProgress: progress.done,
      pollErrors: 0,
      nextPollAtMs: nowMs + (cancelling ? 10_000 : pollPauseMs(deps, dispatch)),
    };
  } catch (error) {
    if (!(error instanceof LaneError)) throw error;
    return await pollFailed(deps, dispatch, error);
  }
}

/** Asks for the cancellation. A provider that fails to take it is asked again later, and polled all the same: the batch may end by itself. */
async function cancelled(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, signal: AbortSignal): Promise<boolean> {
  const facts = { dispatchId: dispatch.id, lane: lane.id, ref: dispatch.providerRef };
  try {
    await lane.cancel(dispatch.providerRef ?? "", signal);
    deps.logger.info(facts, "batch-cancelling");
    return true;
  } catch (error) {
    if (!(error instanceof LaneError)) throw error;
    deps.logger.warn({ ...facts, code: error.code }, "batch-cancel-failed");
    return false;
  }
}

/**
 * A provider that cannot be reached says nothing about the batch, whose rescue has an instant of its own. Only a provider that denies the
 * batch, or says nothing that can be read, counts: its lines are then in suspense and run elsewhere, and it is looked for now and then.
 */
async function pollFailed(deps: LaneDeps, dispatch: DispatchRow, error: LaneError): Promise<DispatchPatch> {
  const denies = error.retry === "never" || error.code === "unrecognised_answer";
  const pollErrors = dispatch.pollErrors + (denies ? 1 : 0);
  deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, code: error.code, pollErrors }, "batch-poll-failed");
  if (dispatch.providerStatus === LOST || pollErrors >= POLL_ERRORS_MAX) return await lose(deps, dispatch, error.message);
  return { pollErrors, nextPollAtMs: deps.time.clock.job() + Math.max(30_000, pollPauseMs(deps, dispatch)), error: error.message };
}

/**
 * Polls densely while most batches end and sparsely after: 15 s at first, a twentieth of the age later, 5 minutes at most (job time), a
 * fifth more or less by chance, so that batches of one minute are not polled in step.
 */
function pollPauseMs(deps: LaneDeps, dispatch: DispatchRow): number {
  const ageMs = deps.time.clock.job() - (dispatch.submittedAtMs ?? dispatch.createdAtMs);
  return Math.min(300_000, Math.max(15_000, ageMs / 20)) * (0.8 + 0.4 * deps.time.rng.float());
}

async function harvest(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, progress: LaneProgress, signal: AbortSignal): Promise<DispatchPatch> {
  const totals = { settle: 0, replan: 0 };
  const warmth = await warmthOf(deps, dispatch);
  if (progress.failure) return await wholeFailed(deps, dispatch, progress.failure);
  const flush = async (answers: readonly LaneAnswer[]): Promise<void> => {
    const counts = await takeAnswers(deps, dispatch, answers);
    totals.settle += counts.settle;
    totals.replan += counts.replan;
    if (counts.settle > 0) await deps.queue.ring("settle", [{ dispatchId: dispatch.id }]);
  };
  let page: LaneAnswer[] = [];
  let chars = 0;
  for await (const answer of lane.collect(dispatch.providerRef ?? "", signal)) {
    page.push(answer);
    warmth.look(answer);
    chars += "body" in answer ? answer.body.length : 0;
    if (page.length < COLLECT_PAGE && chars < COLLECT_CHARS) continue;
    await flush(page);
    page = [];
    chars = 0;
  }
  if (page.length > 0) await flush(page);
  await warmth.keep();
  // A line in neither file may have run: it is held in suspense, not called failed.
  const missing = await endAll(deps, dispatch, { states: ["placed", "sending"], to: "unknown", code: "line_missing", outcome: "unheard" });
  if (totals.replan + missing > 0) await deps.queue.ring("plan", [{}]);
  deps.logger.info(
    { dispatchId: dispatch.id, lane: lane.id, ref: dispatch.providerRef, status: progress.status, ...totals, missing },
    "batch-harvested",
  );
  return { state: "done", providerStatus: progress.status, providerProgress: progress.done, endedAtMs: deps.time.clock.job() };
}

/**
 * The provider refused the whole file: nothing ran. Lines that it names as bad are refused for good; the others are planned again. Where
 * it names none, the bad one is among them, and each runs by itself.
 */
async function wholeFailed(deps: LaneDeps, dispatch: DispatchRow, failure: NonNullable<LaneProgress["failure"]>): Promise<DispatchPatch> {
  const lines = await readLines(deps.store.sql, dispatch.id);
  const refused: LaneAnswer[] = failure.hold
    ? []
    : failure.lines.flatMap((bad) => {
        const line = bad.line === null ? undefined : lines[bad.line - 1];
        if (!line) return [];
        const body = JSON.stringify({ error: { message: bad.message, type: "invalid_request_error", param: null, code: bad.code } });
        const { attemptId } = line;
        return [
          {
            kind: "refused" as const,
            attemptId,
            statusCode: 400,
            body,
            requestId: null,
            code: bad.code,
            retry: "never" as const,
            retryAfterMs: null,
          },
        ];
      });
  const pauseMs = failure.hold ? await learnFromRefusal(deps, dispatch, failure.limitTokens) : 0;
  await takeAnswers(deps, dispatch, refused);
  if (refused.length > 0) await deps.queue.ring("settle", [{ dispatchId: dispatch.id }]);
  const states = ["placed", "sending"] as const;
  if (failure.hold) await endAll(deps, dispatch, { states, to: "void", code: QUOTA_FULL, outcome: "refused", pauseMs });
  // Nothing is wrong with the lines: they are uploaded again while there is time, and run elsewhere when there is none.
  else if (failure.fileLost) await endAll(deps, dispatch, { states, to: "void", code: "file_lost", outcome: "refused", pauseMs: 60_000 });
  else await endAll(deps, dispatch, { states, to: "void", code: "batch_failed", outcome: refused.length > 0 ? "unsent" : "missed", pauseMs: 5_000 });
  deps.logger.warn({ dispatchId: dispatch.id, lane: dispatch.lane, code: failure.code, refused: refused.length }, "batch-refused");
  return { state: "done", providerStatus: "failed", error: failure.message, endedAtMs: deps.time.clock.job() };
}

/** The batch's lines go into suspense and their jobs elsewhere; what it answers after all is still taken. */
async function lose(deps: LaneDeps, dispatch: DispatchRow, why: string): Promise<DispatchPatch> {
  await endAll(deps, dispatch, { states: ["placed", "sending"], to: "unknown", code: "batch_lost", outcome: "unheard" });
  if (dispatch.providerStatus !== LOST)
    deps.logger.error({ dispatchId: dispatch.id, lane: dispatch.lane, ref: dispatch.providerRef, why }, "batch-lost");
  const nowMs = deps.time.clock.job();
  if (isTooOld(deps, dispatch)) return { state: "lost", error: why, endedAtMs: nowMs };
  return { providerStatus: LOST, error: why, nextPollAtMs: nowMs + LOST_POLL_MS };
}

async function giveUp(deps: LaneDeps, dispatch: DispatchRow, why: string): Promise<DispatchPatch> {
  await endAll(deps, dispatch, { states: ["intent"], to: "void", code: "unsent", outcome: "unsent" });
  await endAll(deps, dispatch, { states: ["sending", "placed"], to: "unknown", code: "lane_gone", outcome: "unheard" });
  return { state: "lost", error: why, endedAtMs: deps.time.clock.job() };
}
