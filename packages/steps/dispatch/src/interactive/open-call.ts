import { assert, fault } from "@slowboat/kernel";
import { admit, holdNano, type Verdict, withInputs } from "@slowboat/plan";
import type { NewJob, Reservation } from "@slowboat/store";
import { reuseTaken } from "../semantic-reuse.ts";
import { type CallHouse, type Course, laneOf } from "./house.ts";
import { type Hit, type Kept, keptAnswer } from "./kept-answer.ts";
import { markedDecision } from "./mark-call.ts";
import type { InteractiveReply, InteractiveRequest } from "./request.ts";
import { attemptOf, jobOf, planJobOf } from "./rows.ts";

/**
 * Decides where a call goes and commits job and first attempt: an answer that is kept is given at once, anything else has its
 * intent on record before a socket opens. Throws the fault of a call that no lane may run.
 */
export async function openCall(house: CallHouse, request: InteractiveRequest): Promise<{ reply: InteractiveReply } | { course: Course }> {
  const { clock, rng } = house.time;
  const nowMs = clock.job();
  const kept = await keptAnswer(house.store.sql, house.semantic, request, nowMs);
  const job: NewJob = { ...jobOf(request, nowMs, rng, kept.key), semantic: kept.asked === null ? null : true };
  const verdict = firstVerdict(house, request, job, kept.hit !== null, nowMs);
  if (verdict.kind === "refuse") {
    const earliest = verdict.earliestFeasibleAtMs;
    const extra = earliest === null ? {} : { earliest_feasible_deadline: new Date(earliest).toISOString() };
    const backMs = verdict.code === "lane-unavailable" ? house.board.backInMs() : null;
    throw fault(verdict.code, { message: verdict.message, extra, ...(backMs === null ? {} : { retryAfterMs: backMs }) });
  }
  if (verdict.decision.lane === "cache") {
    assert(kept.hit, "a decision for the cache rests on a kept answer");
    const reply = await giveAgain(house, job, verdict.decision, kept.hit, nowMs);
    logAsked(house, kept, job.id, kept.hit.semantic !== null);
    return { reply };
  }
  const decision = markedDecision(house, request, verdict.decision, job.inputTokensEst);
  const lane = laneOf(house, decision.lane);
  const attempt = attemptOf(job, decision, 1, { account: lane.account, emulated: lane.emulated, sourceAttemptId: null }, nowMs, rng);
  const hold = request.budgeted ? holdFor(house, request, job) : undefined;
  const first = { job: { ...job, lane: lane.id, attemptId: attempt.id }, attempt };
  await house.write({ kind: "open", ...first, hold });
  logAsked(house, kept, job.id, false);
  return { course: { request, job, first, tried: [], attempt, decision } };
}

/** What budgets must hold for a call. */
function holdFor(house: CallHouse, { heldOutput }: InteractiveRequest, job: NewJob): Pick<Reservation, "amountNano" | "note"> {
  const of = { lanes: [...house.lanes.keys()], interactive: true, outputTokens: heldOutput?.tokens };
  return { amountNano: holdNano(house.book, job, of, job.acceptedAtMs), note: heldOutput?.note };
}

async function* told(events: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* events;
}

/** The log of a question follows its job: the caller does not wait for it, and what a crash takes of it is one lesson. */
function logAsked(house: CallHouse, { asked }: Kept, jobId: string, given: boolean): void {
  if (asked !== null) house.track(asked.log(jobId, given));
}

/** The first decision; the flex tier is tried alone before everything that is allowed. */
function firstVerdict(house: CallHouse, request: InteractiveRequest, job: NewJob, cached: boolean, nowMs: number): Verdict {
  const judge = (wish: InteractiveRequest): Verdict => {
    const asked = planJobOf(wish, job, { cached, attempts: 0, tried: [], book: house.book });
    const snapshot = house.board.snapshot();
    return withInputs(admit(asked, snapshot, nowMs), asked, snapshot);
  };
  if (request.tier === "flex") {
    const flex = judge({ ...request, allow: ["cache", "openai-flex"], fallbacks: [] });
    if (flex.kind === "place") return flex;
  }
  return judge(request);
}

async function giveAgain(house: CallHouse, job: NewJob, chosen: Course["decision"], hit: Hit, nowMs: number): Promise<InteractiveReply> {
  const decision = hit.semantic === null ? chosen : { ...chosen, reuse: reuseTaken(hit.semantic) };
  const place = { account: "cache", emulated: hit.emulated, sourceAttemptId: hit.attemptId };
  const attempt = attemptOf(job, decision, 1, place, nowMs, house.time.rng);
  await house.write({ kind: "open", job: { ...job, lane: "cache", attemptId: attempt.id }, attempt });
  house.settleSoon();
  const { answer: body, statusCode, requestId, emulated, events } = hit;
  const who = { jobId: job.id, lane: "cache" as const, emulated, fallback: null, requestId, limits: {}, cachedFrom: hit.jobId };
  const said = hit.semantic === null ? who : { ...who, semantic: { entry: hit.semantic.entryId, score: hit.semantic.score } };
  if (events !== null) return { kind: "stream", ...said, events: told(events) };
  return { kind: "answer", ...said, statusCode, body, retryAfterMs: null };
}
