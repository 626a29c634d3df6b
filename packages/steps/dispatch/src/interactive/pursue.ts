import type { Decision } from "@slowboat/contract";
import type { CallLane, LaneAnswer, LaneStream } from "@slowboat/lanes";
import { decide, retryPlan } from "@slowboat/plan";
import { markPrompt } from "@slowboat/reuse";
import { endingOf as endedAs } from "../retry.ts";
import { type Ending, endingOf } from "./ending.ts";
import { type CallHouse, type Course, laneOf } from "./house.ts";
import { markedDecision } from "./mark-call.ts";
import type { InteractiveReply } from "./request.ts";
import { attemptOf, planJobOf } from "./rows.ts";
import { followStream } from "./stream.ts";

/** Second and third tries of a call that names no deadline. */
const RETRIES_WITHOUT_DEADLINE = 2;
/** Machine ms that a call without a deadline is kept waiting for another try: a longer wish of the provider's is told to the caller instead. */
const PATIENCE_MS = 30_000;

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
  const { request, attempt, decision } = course;
  const body = decision.promptCache === undefined ? request.body : markPrompt(request.endpoint, request.body, decision.promptCache);
  const headers = request.headers === undefined ? {} : { headers: request.headers };
  const outgoing = { attemptId: attempt.id, endpoint: request.endpoint, model: decision.model, body, ...headers };
  // Never the caller's signal: the lane bounds the call, and what it was paid for is kept whoever still listens.
  const { signal } = new AbortController();
  return request.stream ? await lane.stream(outgoing, signal) : await lane.call(outgoing, signal);
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
  if (final) await save(house, course, answer);
  else {
    if (answer.kind !== "unknown" && (await openNext(house, course, lane, answer, signal))) return null;
    await fail(house, course, lane, answer);
  }
  return replyOf(course, lane, endingOf(answer, house.time.clock.scale));
}

type Saved = Extract<LaneAnswer, { kind: "answered" | "refused" }>;
type Unsaved = Exclude<LaneAnswer, { kind: "answered" }>;

/** Commits what the provider said: an answer that is paid for, or the refusal that is the caller's answer. */
async function save(house: CallHouse, course: Course, answer: Saved): Promise<void> {
  const { attemptId, statusCode, requestId } = answer;
  // Postgres takes no NUL in a text, and only a body that is no JSON can have one.
  const body = answer.body.replaceAll("\0", "");
  const errorCode = answer.kind === "refused" ? answer.code : null;
  await house.write({ kind: "answer", answer: { attemptId, statusCode, body, requestId, errorCode } });
  house.settleSoon();
  const { lane, model } = course.decision;
  house.logger.info({ jobId: course.job.id, attemptId, lane, model, statusCode }, "call-answered");
}

/** Ends attempt and job without an answer; what may have been charged stays in suspense. */
async function fail(house: CallHouse, course: Course, lane: CallLane, answer: Unsaved): Promise<void> {
  const { job, attempt } = course;
  await house.write({
    kind: "fail",
    ended: { ...endedAs(answer), attemptId: attempt.id },
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
    ended: { ...endedAs(answer), attemptId: attempt.id },
    attempt: following,
    placed: { jobId: job.id, lane: onto.id, attemptId: following.id, nextDecisionAtMs: null },
  });
  house.logger.info({ jobId: job.id, attemptId: following.id, lane: onto.id, after: answer.code }, "call-retried");
  course.attempt = following;
  course.decision = next.decision;
  return true;
}

function nextDecision(
  house: CallHouse,
  course: Course,
  lane: CallLane,
  answer: Exclude<Unsaved, { kind: "unknown" }>,
): { decision: Decision; afterMs: number } | null {
  const { request, job, attempt, tried } = course;
  const nowMs = house.time.clock.job();
  const failed = {
    kind: answer.kind,
    ...(answer.kind === "refused" ? { retry: answer.retry, retryAfterMs: answer.retryAfterMs } : {}),
    lane: lane.id,
    attempts: attempt.seq,
    laneTries: tried.filter((one) => one.lane === lane.id).length + 1,
    deadlineAtMs: request.deadlineAtMs,
  };
  const plan = retryPlan(failed, nowMs, house.time.rng);
  if (plan.kind === "fail" || (request.deadlineAtMs === null && attempt.seq > RETRIES_WITHOUT_DEADLINE)) return null;
  tried.push(plan.tried);
  // Flex refuses for want of capacity, which lasts: a caller who waits is served in real time at once.
  const flexLeft = lane.id === "openai-flex";
  const afterMs = flexLeft ? 0 : plan.afterMs;
  if (nowMs + afterMs >= (request.deadlineAtMs ?? nowMs + PATIENCE_MS * house.time.clock.scale)) return null;
  const wish = flexLeft ? { ...request, deny: [...(request.deny ?? []), "openai-flex" as const] } : request;
  const verdict = decide(planJobOf(wish, job, { cached: false, attempts: attempt.seq, tried }), house.board.snapshot(), nowMs + afterMs);
  return verdict.kind === "place" ? { decision: markedDecision(house, request, verdict.decision, job.inputTokensEst), afterMs } : null;
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
  return {
    kind: "stream",
    jobId: course.job.id,
    lane: lane.id,
    emulated: lane.emulated,
    requestId: null,
    limits: stream.limits,
    events: followStream(stream.events, commit),
  };
}

function replyOf(course: Course, lane: CallLane, ending: Ending): InteractiveReply {
  const { statusCode, body, requestId, retryAfterMs, limits } = ending;
  const who = { jobId: course.job.id, lane: lane.id, emulated: lane.emulated, requestId, limits };
  if (ending.fault !== null) return { kind: "failed", ...who, fault: ending.fault };
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
