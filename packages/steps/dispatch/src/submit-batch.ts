import { type BatchLane, enqueuedLimit, LaneError, QUOTA_FULL } from "@slowboat/lanes";
import { type ChunkRow, type DispatchPatch, type DispatchRow, parkLane, readChunk, readNeighbours, sendAsLines } from "@slowboat/store";
import { readBodies, toRequests, untranslatable } from "./bodies.ts";
import type { LaneDeps } from "./deps.ts";
import { endAll } from "./end-all.ts";
import { hasRoom, learnFromRefusal } from "./quota/learn.ts";
import { takeAnswers } from "./take-answers.ts";

/** How long (job ms) a provider's list may lag behind a create whose reply was lost. */
const LIST_LAG_MS = 60_000;
/** Tries to learn what became of a create before its lines count as unheard. */
const UNSURE_MAX = 12;

/**
 * Uploads and creates a batch, or adopts the one that an earlier worker created and could not tell of. Only lines whose jobs still wait
 * are sent; their order is committed before the upload.
 */
export async function submitBatch(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, signal: AbortSignal): Promise<DispatchPatch> {
  const rows = await readChunk(deps.store.sql, { dispatchId: dispatch.id, states: ["intent", "sending"] });
  if (rows.length === 0) return { state: "done", endedAtMs: deps.time.clock.job() };
  const tokens = rows.reduce((sum, row) => sum + row.inputTokensEst, 0);
  if (rows.every((row) => row.state === "intent") && !(await hasRoom(deps, dispatch, tokens))) return await giveBack(deps, dispatch);
  try {
    const made = (await adopt(deps, lane, dispatch, rows, signal)) ?? (await create(deps, lane, dispatch, rows, signal));
    if (made === null) {
      // Its jobs have gone elsewhere meanwhile; what an earlier create may have sent of them is held in suspense.
      await endAll(deps, dispatch, { states: ["sending"], to: "unknown", code: "not_found_again", outcome: "unheard" });
      return { state: "done", endedAtMs: deps.time.clock.job() };
    }
    const nowMs = deps.time.clock.job();
    const { ref, inputTokens } = made;
    return { state: "submitted", providerRef: ref, inputTokens, submittedAtMs: nowMs, nextPollAtMs: nowMs + 15_000, pollErrors: 0, error: null };
  } catch (error) {
    if (!(error instanceof LaneError)) throw error;
    return await failed(deps, dispatch, error);
  }
}

/** Its quota was learned after it was planned: nothing is sent that would only be refused, and the planner finds its jobs their turn. */
async function giveBack(deps: LaneDeps, dispatch: DispatchRow): Promise<DispatchPatch> {
  await endAll(deps, dispatch, { states: ["intent"], to: "void", code: QUOTA_FULL, outcome: "unsent" });
  deps.logger.info({ dispatchId: dispatch.id, lane: dispatch.lane, model: dispatch.model }, "batch-given-back");
  return { state: "done", endedAtMs: deps.time.clock.job() };
}

interface Made {
  readonly ref: string;
  /** What it holds of its account's quota. */
  readonly inputTokens: number;
}

/** The batch that an earlier worker created of these lines, if there is one. Throws when the provider cannot say yet. */
async function adopt(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, rows: readonly ChunkRow[], signal: AbortSignal): Promise<Made | null> {
  const sent = rows.filter((row) => row.state === "sending").map((row) => row.attemptId);
  if (sent.length === 0) return null;
  const among = { sinceMs: dispatch.createdAtMs, ...(await readNeighbours(deps.store.sql, dispatch)) };
  const found = await lane.find(dispatch.id, sent, among, signal).catch(stillUnsure);
  if (found) deps.logger.warn({ dispatchId: dispatch.id, lane: lane.id, ref: found.ref }, "batch-adopted");
  return found && { ref: found.ref, inputTokens: dispatch.inputTokens };
}

/** A look that fails tells nothing of the create: its lines may be running and must not be given back. */
function stillUnsure(error: unknown): never {
  if (!(error instanceof LaneError)) throw error;
  const { retry, code } = error;
  throw new LaneError(error.message, { outcome: "unknown", retry, code, cause: error });
}

async function create(deps: LaneDeps, lane: BatchLane, dispatch: DispatchRow, rows: readonly ChunkRow[], signal: AbortSignal): Promise<Made | null> {
  const ids = await sendAsLines(
    deps.store.sql,
    rows.map((row) => row.attemptId),
    deps.time.clock.job(),
  );
  const byId = new Map(rows.map((row) => [row.attemptId, row]));
  const lines = ids.flatMap((id) => byId.get(id) ?? []);
  if (lines.length === 0) return null;
  const bodies = await readBodies(deps.blob, lines);
  const made = await toRequests(dispatch, lines, bodies);
  const requests = made.filter((request) => request !== null);
  if (requests.length < lines.length) {
    const left = lines.filter((_, index) => made[index] === null);
    await takeAnswers(
      deps,
      dispatch,
      left.map(({ attemptId }) => untranslatable(attemptId)),
    );
    if (requests.length === 0) return null;
  }
  const { ref } = await lane.submit(dispatch.id, requests, signal);
  return { ref, inputTokens: lines.reduce((sum, row) => sum + row.inputTokensEst, 0) };
}

/** Nothing was created: its jobs go back to planning after a pause. Perhaps it was: it is looked for first, once a list may show it. */
async function failed(deps: LaneDeps, dispatch: DispatchRow, error: LaneError): Promise<DispatchPatch> {
  const { id, lane, account } = dispatch;
  const nowMs = deps.time.clock.job();
  const pollErrors = dispatch.pollErrors + 1;
  deps.logger.warn({ dispatchId: id, lane, code: error.code, outcome: error.outcome, pollErrors }, "batch-submit-failed");
  if (error.outcome === "unknown" && pollErrors < UNSURE_MAX) {
    const pauseMs = LIST_LAG_MS / deps.time.clock.scale;
    return { pollErrors, error: error.message, enqueuedRealMs: deps.time.clock.real() + Math.min(60_000, Math.max(500, pauseMs)) };
  }
  if (error.outcome === "unknown") {
    await endAll(deps, dispatch, { states: ["intent"], to: "void", code: error.code, outcome: "unsent" });
    await endAll(deps, dispatch, { states: ["sending"], to: "unknown", code: error.code, outcome: "unheard" });
    return { state: "lost", endedAtMs: nowMs, error: error.message };
  }
  const park = error.retry === "park";
  // Some providers say it at once instead of as a failed batch.
  const full = error.code === QUOTA_FULL ? await learnFromRefusal(deps, dispatch, enqueuedLimit(error.message)) : null;
  if (park) await parkLane(deps.store.sql, { lane, account, code: error.code, nowMs });
  await endAll(deps, dispatch, {
    states: ["intent", "sending"],
    to: "void",
    code: error.code,
    outcome: park ? "parked" : "refused",
    pauseMs: park ? 0 : (full ?? 30_000),
  });
  return { state: "lost", endedAtMs: nowMs, error: error.message };
}
