import type { Decision, Endpoint } from "@slowboat/contract";
import type { CallLane, LaneAnswer, LaneStream } from "@slowboat/lanes";
import { decide, isModelsOwn, retryPlan, type TriedLane, withInputs } from "@slowboat/plan";
import { readAnswer } from "@slowboat/reuse";
import type { Reading } from "@slowboat/store";
import { untranslatable } from "../bodies.ts";
import { endingOf as endedAs } from "../retry.ts";
import { type Ending, endingOf } from "./ending.ts";
import { type CallHouse, type Course, laneOf } from "./house.ts";
import { markedDecision } from "./mark-call.ts";
import type { InteractiveReply } from "./request.ts";
import { attemptOf, planJobOf } from "./rows.ts";
import { eventsAsAsked, outgoingCall, saidAsAsked } from "./stand-in.ts";
import { followStream } from "./stream.ts";

/** Second and third tries of a call that names no deadline. */
const RETRIES_WITHOUT_DEADLINE = 2;
/** Machine ms that a call without a deadline is kept waiting for another try: a longer wish of the provider's is told to the caller instead. */
const PATIENCE_MS = 30_000;
/** Tries of each model where the caller named several; the bound on a job's attempts holds besides. */
const TRIES_A_MODEL = 2;
/** Machine ms beyond which a caller who named another model is not kept waiting for the same one. */
const CHAIN_PATIENCE_MS = 2_000;

/** Sends attempt after attempt until there is something to say to the caller. */
export async function pursue(house: CallHouse, course: Course, signal: AbortSignal): Promise<InteractiveReply> {
  for (;;) {
    const lane = laneOf(house, course.decision.lane);
    const leave = house.board.enter(lane.id, course.job.inputTokensEst);
    let streaming = false;
    try {
      const said = await send(course, lane);
      if (said.kind === "stream") {
        streaming = true;
        return streamReply(house, course, lane, said, leave);
      }
      const reply = await answerOrRetry(house, course, lane, said, signal);
      if (reply !== null) return reply;
    } finally {
      if (!streaming) leave();
    }
  }
}

async function send(course: Course, lane: CallLane): Promise<LaneAnswer | LaneStream> {
  const outgoing = outgoingCall(course);
  if (outgoing === null) return untranslatable(course.attempt.id);
  // Never the caller's signal: the lane bounds the call, and what it was paid for is kept whoever still listens.
  const { signal } = new AbortController();
  return course.request.stream ? await lane.stream(outgoing, signal) : await lane.call(outgoing, signal);
}

/** What an answer means: a reply, or `null` after the next attempt was opened. */
async function answerOrRetry(
  house: CallHouse,
  course: Course,
  lane: CallLane,
  answer: LaneAnswer,
  signal: AbortSignal,
): Promise<InteractiveReply | null> {
  const final = answer.kind === "answered" || (answer.kind === "refused" && answer.retry === "never");
  const over = answer.kind === "answered" || answer.kind === "unknown" || (final && !goesOn(course, answer));
  if (!over && (await openNext(house, course, lane, answer, signal))) return null;
  if (final) await save(house, course, answer);
  else await fail(house, course, lane, answer);
  return replyOf(house, course, lane, endingOf(answer, house.time.clock.scale));
}

/** Whether a final refusal was one model's alone, where the caller named others. */
const goesOn = ({ request, decision }: Course, answer: Extract<LaneAnswer, { kind: "refused" }>): boolean =>
  request.fallbacks.length > 0 && isModelsOwn({ ...answer, fallback: decision.fallback !== undefined });

type Saved = Extract<LaneAnswer, { kind: "answered" | "refused" }>;
type Unsaved = Exclude<LaneAnswer, { kind: "answered" }>;

/** Commits what the provider said: an answer that is paid for, or the refusal that is the caller's answer. */
async function save(house: CallHouse, course: Course, answer: Saved): Promise<void> {
  const { attemptId, statusCode, requestId, body } = answer;
  const errorCode = answer.kind === "refused" ? answer.code : null;
  const reading = answer.kind === "refused" ? null : readingOf(course, answer);
  await house.write({ kind: "answer", first: course.first, answer: { attemptId, statusCode, body, requestId, errorCode, reading } });
  house.settleSoon();
  const { lane, model } = course.decision;
  house.logger.debug({ jobId: course.job.id, attemptId, lane, model, statusCode }, "call-answered");
}

/** What the answer says of itself, for its settlement: read where its body is at hand. */
function readingOf({ attempt, job }: Course, answer: Extract<Saved, { kind: "answered" }>): Reading | null {
  if (answer.statusCode < 200 || answer.statusCode >= 300) return null;
  const said = readAnswer((attempt.endpoint ?? job.endpoint) as Endpoint, answer.looked ?? answer.body);
  return { ...said, usage: said.usage === null ? null : JSON.stringify(said.usage) };
}

/** Ends attempt and job without an answer; what may have been charged stays in suspense. */
async function fail(house: CallHouse, course: Course, lane: CallLane, answer: Unsaved): Promise<void> {
  const { job, attempt } = course;
  await house.write({
    kind: "fail",
    first: course.first,
    ended: { ...endedAs(answer, {}), attemptId: attempt.id },
    job: { jobId: job.id, state: "failed", error: JSON.stringify(endingOf(answer, house.time.clock.scale).error) },
  });
  house.logger.warn({ jobId: job.id, attemptId: attempt.id, lane: lane.id, outcome: answer.kind, code: answer.code }, "call-failed");
}

/** Opens the next attempt if the plan has one in time; false when this one was the last. */
async function openNext(
  house: CallHouse,
  course: Course,
  lane: CallLane,
  answer: Exclude<Unsaved, { kind: "unknown" }>,
  signal: AbortSignal,
): Promise<boolean> {
  const { job, attempt } = course;
  const { clock, rng } = house.time;
  const next = nextDecision(house, course, lane, answer);
  if (next === null || !(await waited(next.afterMs / clock.scale, signal))) return false;
  const onto = laneOf(house, next.decision.lane);
  const place = { account: onto.account, emulated: onto.emulated, sourceAttemptId: null };
  const following = attemptOf(job, next.decision, attempt.seq + 1, place, clock.job(), rng);
  await house.write({
    kind: "again",
    first: course.first,
    ended: { ...endedAs(answer, {}), attemptId: attempt.id },
    attempt: following,
    placed: { jobId: job.id, lane: onto.id, attemptId: following.id, nextDecisionAtMs: null },
  });
  house.logger.info({ jobId: job.id, attemptId: following.id, lane: onto.id, after: answer.code }, "call-retried");
  course.attempt = following;
  course.decision = next.decision;
  return true;
}

interface Next {
  readonly decision: Decision;
  readonly afterMs: number;
}

function nextDecision(house: CallHouse, course: Course, lane: CallLane, answer: Exclude<Unsaved, { kind: "unknown" }>): Next | null {
  const { request, attempt, tried, decision } = course;
  const nowMs = house.time.clock.job();
  const model = decision.fallback === undefined ? null : decision.model;
  const chain = request.fallbacks.length > 0 && answer.kind === "refused" ? { chain: { code: answer.code, statusCode: answer.statusCode } } : {};
  const failed = {
    kind: answer.kind,
    ...(answer.kind === "refused" ? { retry: answer.retry, retryAfterMs: answer.retryAfterMs } : {}),
    ...chain,
    lane: lane.id,
    model,
    attempts: attempt.seq,
    laneTries: tried.filter((one) => one.lane === lane.id && (one.model ?? null) === model).length + 1,
    deadlineAtMs: request.deadlineAtMs,
  };
  const plan = retryPlan(failed, nowMs, house.time.rng);
  const retries = request.fallbacks.length === 0 ? RETRIES_WITHOUT_DEADLINE : TRIES_A_MODEL * (1 + request.fallbacks.length) - 1;
  if (plan.kind === "fail" || (request.deadlineAtMs === null && attempt.seq > retries)) return null;
  // Flex refuses for want of capacity, which lasts: a caller who waits is served in real time at once.
  const flexLeft = lane.id === "openai-flex";
  const afterMs = flexLeft ? 0 : plan.afterMs;
  const onward = (pauseMs: number, outcome: TriedLane["outcome"]): Next | null => {
    const after: TriedLane = { ...plan.tried, outcome };
    const next = decideNext(house, course, { tried: [...tried, after], flexLeft, atMs: nowMs + pauseMs });
    if (next === null) return null;
    tried.push(after);
    // The pause is for going back to the same model.
    return { decision: next, afterMs: next.fallback?.name === decision.fallback?.name ? pauseMs : 0 };
  };
  const { scale } = house.time.clock;
  const kept = afterMs > CHAIN_PATIENCE_MS * scale && request.fallbacks.length > 0 ? onward(0, "busy") : null;
  if (kept !== null) return kept;
  const inTime = nowMs + afterMs < (request.deadlineAtMs ?? nowMs + PATIENCE_MS * scale);
  return inTime ? onward(afterMs, plan.tried.outcome) : null;
}

function decideNext(
  house: CallHouse,
  { request, job, attempt }: Course,
  after: { readonly tried: readonly TriedLane[]; readonly flexLeft: boolean; readonly atMs: number },
): Decision | null {
  const wish = after.flexLeft ? { ...request, deny: [...(request.deny ?? []), "openai-flex" as const] } : request;
  const asked = planJobOf(wish, job, { cached: false, attempts: attempt.seq, tried: after.tried, book: house.book });
  const snapshot = house.board.snapshot();
  const verdict = withInputs(decide(asked, snapshot, after.atMs), asked, snapshot);
  return verdict.kind === "place" ? markedDecision(house, request, verdict.decision, job.inputTokensEst) : null;
}

/** A stream that has begun cannot be tried again: whatever it comes to is committed, whether or not somebody still listens. */
function streamReply(house: CallHouse, course: Course, lane: CallLane, stream: LaneStream, leave: () => void): InteractiveReply {
  const commit = (async (): Promise<Ending> => {
    try {
      const answer = await stream.final;
      if (answer.kind === "answered") await save(house, course, answer);
      // Output had begun: a refusal after that may have been charged as well.
      else await fail(house, course, lane, answer.kind === "refused" ? { ...answer, kind: "unknown", message: "refused after it began" } : answer);
      return endingOf(answer, house.time.clock.scale);
    } catch (error) {
      house.logger.error({ err: error, jobId: course.job.id, attemptId: course.attempt.id }, "call-unsaved");
      throw error;
    } finally {
      leave();
    }
  })();
  house.track(commit);
  const { events, whole } = eventsAsAsked(course, stream, house.time.clock.job());
  return {
    kind: "stream",
    jobId: course.job.id,
    lane: lane.id,
    emulated: lane.emulated,
    fallback: standIn(course),
    requestId: null,
    limits: stream.limits,
    events: followStream(events, commit, whole),
  };
}

const standIn = ({ decision }: Course): string | null => (decision.fallback === undefined ? null : decision.model);

function replyOf(house: CallHouse, course: Course, lane: CallLane, ending: Ending): InteractiveReply {
  const { requestId, retryAfterMs, limits } = ending;
  const who = { jobId: course.job.id, lane: lane.id, emulated: lane.emulated, fallback: standIn(course), requestId, limits };
  if (ending.fault !== null) return { kind: "failed", ...who, fault: ending.fault };
  const { statusCode, body } = saidAsAsked(course, ending, house.time.clock.job());
  return { kind: "answer", ...who, statusCode, body, cachedFrom: null, retryAfterMs };
}

/** Waits `ms` machine milliseconds; false when the caller hung up meanwhile. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (ms <= 0) return true;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), ms);
  const onAbort = (): void => resolve(false);
  signal.addEventListener("abort", onAbort, { once: true });
  const kept = await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  return kept;
}
