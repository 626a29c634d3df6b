import type { Decision, LaneId } from "@slowboat/contract";
import { assert, fault, newId, type Rng } from "@slowboat/kernel";
import type { CallLane, Lane, LaneAnswer, LaneStream } from "@slowboat/lanes";
import { admit, decide, retryPlan, type TriedLane, type Verdict } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import type { Clock, Logger } from "@slowboat/runtime";
import type { KeptAnswer, NewAttempt, NewJob, Store } from "@slowboat/store";
import { debouncedBell } from "./bell.ts";
import { type CountReply, type CountRequest, countTokens } from "./count-tokens.ts";
import { keptAnswer } from "./kept-answer.ts";
import { CALLS_MAX, laneBoard } from "./lane-board.ts";
import type { InteractiveReply, InteractiveRequest } from "./request.ts";
import { attemptOf, jobOf, planJobOf } from "./rows.ts";
import { followStream } from "./stream.ts";
import { type Ending, endingOf } from "./ending.ts";
import { interactiveWrites } from "./writes.ts";

/** What an interactive call stands on. */
export interface InteractiveDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly lanes: ReadonlyMap<LaneId, Lane>;
  readonly book: PriceBook;
  readonly time: { readonly clock: Clock; readonly rng: Rng };
  readonly logger: Logger;
}

/** Runs calls whose callers wait. */
export interface Interactive {
  /**
   * Answers one call; `signal` is the caller's line. Throws the fault of a call that was not accepted. A caller who hangs up does not stop what may already be
   * paid for: it is heard to its end, within the lane's own bound, and saved.
   */
  run(request: InteractiveRequest, signal: AbortSignal): Promise<InteractiveReply>;
  /** Counts a message's tokens at the provider: free, and nothing is written. */
  count(request: CountRequest): Promise<CountReply>;
  /** Calls in flight. */
  inFlight(): number;
  /** Waits for calls in flight and the last bell. */
  close(): Promise<void>;
}

const SETTLE_EVERY_MS = 20;
/** Second and third tries of a call that names no deadline. */
const RETRIES_WITHOUT_DEADLINE = 2;

/** Where a call stands between its attempts. */
interface Course {
  readonly request: InteractiveRequest;
  readonly job: NewJob;
  readonly tried: TriedLane[];
  attempt: NewAttempt;
  decision: Decision;
}

export function createInteractive(deps: InteractiveDeps): Interactive {
  const { clock, rng } = deps.time;
  const write = interactiveWrites(deps.store, clock);
  const board = laneBoard(deps.lanes, deps.book, clock);
  const bell = debouncedBell(() => deps.queue.ring("settle", [{ dispatchId: null }]), SETTLE_EVERY_MS);
  const running = new Set<Promise<unknown>>();

  const laneOf = (id: LaneId): CallLane => {
    const lane = deps.lanes.get(id);
    assert(lane?.shape === "call", `${id} is a lane that answers while one waits`);
    return lane;
  };

  async function run(request: InteractiveRequest, signal: AbortSignal): Promise<InteractiveReply> {
    if (board.inFlight() >= CALLS_MAX) throw fault("lane-unavailable", { message: "Too many calls are open; try again shortly." });
    const nowMs = clock.job();
    const kept = await keptAnswer(deps.store.sql, request, nowMs);
    const job = jobOf(request, nowMs, rng, kept.key);
    const verdict = first(request, job, kept.hit !== null, nowMs);
    if (verdict.kind === "refuse") {
      const extra = verdict.earliestFeasibleAtMs === null ? {} : { earliest_feasible_deadline: new Date(verdict.earliestFeasibleAtMs).toISOString() };
      throw fault(verdict.code, { message: verdict.message, extra });
    }
    const { decision } = verdict;
    if (decision.lane === "cache" && kept.hit !== null) return await giveAgain(job, decision, kept.hit, nowMs);
    const lane = laneOf(decision.lane);
    const attempt = attemptOf(job, decision, 1, { account: lane.account, emulated: lane.emulated, sourceAttemptId: null }, nowMs, rng);
    await write({ kind: "open", job: { ...job, lane: lane.id, attemptId: attempt.id }, attempt });
    return await pursue({ request, job, tried: [], attempt, decision }, signal);
  }

  /** The first decision; the flex tier is tried alone before everything that is allowed. */
  function first(request: InteractiveRequest, job: NewJob, cached: boolean, nowMs: number): Verdict {
    const judge = (wish: InteractiveRequest): Verdict => admit(planJobOf(wish, job, { cached, attempts: 0, tried: [] }), board.snapshot(), nowMs);
    if (request.tier === "flex") {
      const flex = judge({ ...request, allow: ["cache", "openai-flex"] });
      if (flex.kind === "place") return flex;
    }
    return judge(request);
  }

  async function giveAgain(job: NewJob, decision: Decision, hit: KeptAnswer & { attemptId: string }, nowMs: number): Promise<InteractiveReply> {
    const attempt = attemptOf(job, decision, 1, { account: "cache", emulated: hit.emulated, sourceAttemptId: hit.attemptId }, nowMs, rng);
    await write({ kind: "open", job: { ...job, lane: "cache", attemptId: attempt.id }, attempt });
    bell.ring();
    const { answer: body, statusCode, requestId, emulated } = hit;
    return { kind: "answer", jobId: job.id, lane: "cache", emulated, requestId, statusCode, body, cachedFrom: hit.jobId, retryAfterMs: null };
  }

  /** Attempt after attempt until there is something to say to the caller. */
  async function pursue(course: Course, signal: AbortSignal): Promise<InteractiveReply> {
    for (;;) {
      const lane = laneOf(course.decision.lane);
      const leave = board.enter(lane.id, course.job.inputTokensEst);
      let streaming = false;
      try {
        const said = await send(course, lane);
        if (said.kind === "stream") {
          streaming = true;
          return streamReply(course, lane, said, leave);
        }
        const reply = await settleOrRetry(course, lane, said, signal);
        if (reply !== null) return reply;
      } finally {
        if (!streaming) leave();
      }
    }
  }

  async function send(course: Course, lane: CallLane): Promise<LaneAnswer | LaneStream> {
    const { request, attempt, decision } = course;
    const outgoing = {
      attemptId: attempt.id,
      endpoint: request.endpoint,
      model: decision.model,
      body: request.body,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
    };
    // Never the caller's signal: the lane bounds the call, and what it was paid for is kept whoever still listens.
    const signal = new AbortController().signal;
    return request.stream ? await lane.stream(outgoing, signal) : await lane.call(outgoing, signal);
  }

  /** What an answer means: a reply, or `null` after the next attempt was opened. */
  async function settleOrRetry(course: Course, lane: CallLane, answer: LaneAnswer, signal: AbortSignal): Promise<InteractiveReply | null> {
    if (answer.kind === "answered" || (answer.kind === "refused" && answer.retry === "never")) {
      await save(course, answer);
      return replyOf(course, lane, endingOf(answer));
    }
    if (answer.kind === "refused" && answer.retry === "park") board.park(lane.id);
    if (answer.kind !== "unknown" && (await again(course, lane, answer, signal))) return null;
    const ending = endingOf(answer);
    await write({
      kind: "fail",
      ended: { attemptId: course.attempt.id, state: answer.kind === "unknown" ? "unknown" : "void", code: answer.code },
      job: { jobId: course.job.id, state: "failed", error: JSON.stringify(ending.error) },
    });
    deps.logger.warn({ jobId: course.job.id, attemptId: course.attempt.id, lane: lane.id, outcome: answer.kind, code: answer.code }, "call-failed");
    return replyOf(course, lane, ending);
  }

  async function save(course: Course, answer: Extract<LaneAnswer, { kind: "answered" | "refused" }>): Promise<void> {
    const { attemptId, statusCode, requestId } = answer;
    // Postgres takes no NUL in a text, and only a body that is no JSON can have one.
    const body = answer.body.replaceAll("\0", "");
    await write({ kind: "answer", answer: { attemptId, statusCode, body, requestId, errorCode: answer.kind === "refused" ? answer.code : null } });
    bell.ring();
    deps.logger.info({ jobId: course.job.id, attemptId, lane: course.decision.lane, model: course.decision.model, statusCode }, "call-answered");
  }

  /** Opens the next attempt if the plan has one in time; false when this one was the last. */
  async function again(course: Course, lane: CallLane, answer: Extract<LaneAnswer, { kind: "refused" | "void" }>, signal: AbortSignal): Promise<boolean> {
    const { request, job, attempt } = course;
    const nowMs = clock.job();
    const plan = retryPlan(
      {
        kind: answer.kind,
        ...(answer.kind === "refused" ? { retry: answer.retry, retryAfterMs: answer.retryAfterMs } : {}),
        lane: lane.id,
        attempts: attempt.seq,
        laneTries: course.tried.filter((tried) => tried.lane === lane.id).length + 1,
        deadlineAtMs: request.deadlineAtMs,
      },
      nowMs,
      rng,
    );
    if (plan.kind === "fail" || (request.deadlineAtMs === null && attempt.seq > RETRIES_WITHOUT_DEADLINE)) return false;
    course.tried.push(plan.tried);
    // Flex refuses for want of capacity, which lasts: a caller who waits is served in real time at once.
    const flexLeft = lane.id === "openai-flex";
    const deny = flexLeft ? [...(request.deny ?? []), "openai-flex" as const] : request.deny;
    const afterMs = flexLeft ? 0 : plan.afterMs;
    const atMs = nowMs + afterMs;
    if (request.deadlineAtMs !== null && atMs >= request.deadlineAtMs) return false;
    const verdict = decide(planJobOf({ ...request, deny }, job, { cached: false, attempts: attempt.seq, tried: course.tried }), board.snapshot(), atMs);
    if (verdict.kind === "refuse") return false;
    if (!(await waited(afterMs / clock.scale, signal))) return false;
    const next = laneOf(verdict.decision.lane);
    const startMs = clock.job();
    const following = attemptOf(job, verdict.decision, attempt.seq + 1, { account: next.account, emulated: next.emulated, sourceAttemptId: null }, startMs, rng);
    await write({
      kind: "again",
      ended: { attemptId: attempt.id, state: "void", code: answer.code },
      attempt: following,
      placed: { jobId: job.id, lane: next.id, attemptId: following.id, nextDecisionAtMs: null },
    });
    deps.logger.info({ jobId: job.id, attemptId: following.id, lane: next.id, after: answer.code }, "call-retried");
    course.attempt = following;
    course.decision = verdict.decision;
    return true;
  }

  function streamReply(course: Course, lane: CallLane, stream: LaneStream, leave: () => void): InteractiveReply {
    const commit = stream.final.then(async (answer): Promise<Ending> => {
      try {
        // A stream that has begun cannot be retried: whatever it came to is final.
        if (answer.kind === "answered") await save(course, answer);
        else {
          const ending = endingOf(answer);
          const state = answer.kind === "void" ? "void" : "unknown";
          await write({ kind: "fail", ended: { attemptId: course.attempt.id, state, code: answer.code }, job: { jobId: course.job.id, state: "failed", error: JSON.stringify(ending.error) } });
          deps.logger.warn({ jobId: course.job.id, attemptId: course.attempt.id, lane: lane.id, outcome: answer.kind, code: answer.code }, "call-failed");
        }
        return endingOf(answer);
      } finally {
        leave();
      }
    });
    track(commit);
    return { kind: "stream", jobId: course.job.id, lane: lane.id, emulated: lane.emulated, requestId: null, events: followStream(stream.events, commit) };
  }

  function track<T>(work: Promise<T>): Promise<T> {
    const entry = work.then(
      () => undefined,
      (error: unknown) => deps.logger.error({ err: error }, "call-unsaved"),
    );
    running.add(entry);
    void entry.finally(() => running.delete(entry));
    return work;
  }

  return {
    run: (request, signal) => {
      const work = run(request, signal);
      const entry = work.then(
        () => undefined,
        () => undefined,
      );
      running.add(entry);
      void entry.finally(() => running.delete(entry));
      return work;
    },
    count: (request) => countTokens(deps.lanes, request, newId("request", clock.real(), rng)),
    inFlight: () => board.inFlight(),
    close: async () => {
      while (running.size > 0) await Promise.all(running);
      await bell.close();
    },
  };
}

function replyOf(course: Course, lane: CallLane, ending: Ending): InteractiveReply {
  const { statusCode, body, requestId, retryAfterMs } = ending;
  const who = { jobId: course.job.id, lane: lane.id, emulated: lane.emulated, requestId };
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
