import type { Assembler } from "./assemble.ts";
import { BOUNDS } from "./bounds.ts";
import { classify, failureCode, limitHeadersOf, messageOf, refused, requestIdOf } from "./classify.ts";
import type { LaneAnswer, LaneStream } from "./port.ts";
import { type Reply, textOf } from "./reply.ts";
import { type SseEvent, sseEvents } from "./sse.ts";
import type { Limit } from "./wire.ts";

/**
 * Turns a 200 response into a lane stream. The first event is read before it is handed out, so that a refusal inside a
 * 200 (an overload) comes back as an answer. The consumer sets the pace; when it leaves early the rest is read for the
 * usage, within the drain bound. `bound` is cleared at the end, whichever way the stream ends.
 */
export async function openStream(attemptId: string, response: Reply, assembler: Assembler, bound: Limit): Promise<LaneStream | LaneAnswer> {
  const source = sseEvents(textOf(response))[Symbol.asyncIterator]();
  const requestId = requestIdOf(response.headers);
  let resolve: (answer: LaneAnswer) => void = () => {};
  const final = new Promise<LaneAnswer>((done) => {
    resolve = done;
  });
  let settled = false;
  const settle = (failure: unknown): LaneAnswer => {
    const answer = endOf(attemptId, assembler, requestId, bound, failure);
    if (!settled) {
      settled = true;
      bound.signal.removeEventListener("abort", onAbort);
      bound.clear();
      resolve(answer);
    }
    return answer;
  };
  // A consumer that neither reads nor leaves must not keep the answer open for ever.
  const onAbort = (): void => void settle(bound.signal.reason ?? new Error("aborted"));
  bound.signal.addEventListener("abort", onAbort, { once: true });

  /** The next event that the consumer may see, or `null` at the end, when the answer is settled. */
  const next = async (): Promise<SseEvent | null> => {
    try {
      for (;;) {
        const step = await source.next();
        if (step.done) {
          settle(null);
          return null;
        }
        if (assembler.push(step.value)) return step.value;
      }
    } catch (error) {
      settle(error);
      return null;
    }
  };
  const drain = async (): Promise<void> => {
    bound.renew(BOUNDS.drainMs);
    while ((await next()) !== null);
  };

  const first = await next();
  if (first === null) return final;
  if (assembler.end().kind === "error") {
    await source.return?.(undefined);
    return settle(null);
  }
  const left = (): void => {
    if (!settled) void drain();
  };
  return { kind: "stream", events: following(first, next, left), final, limits: limitHeadersOf(response.headers) };
}

/** A stream's events as its consumer reads them; `left` is told when no more are read. No closure: each would have a hidden class of its own. */
async function* following(first: SseEvent, next: () => Promise<SseEvent | null>, left: () => void): AsyncGenerator<string> {
  try {
    for (let event: SseEvent | null = first; event !== null; event = await next()) yield event.raw;
  } finally {
    left();
  }
}

function endOf(attemptId: string, assembler: Assembler, requestId: string | null, bound: Limit, failure: unknown): LaneAnswer {
  const end = assembler.end();
  if (end.kind === "whole") return { kind: "answered", attemptId, statusCode: 200, body: end.body, requestId };
  if (end.kind === "error") {
    const refusal = { status: end.status, headers: null, text: end.text };
    const verdict = classify(refusal, Date.now());
    if (!end.started) return refused(attemptId, refusal, verdict, requestId);
    return { kind: "unknown", attemptId, code: verdict.code, message: "the provider broke off a stream that had begun" };
  }
  if (failure !== null) return { kind: "unknown", attemptId, code: failureCode(bound, failure), message: messageOf(failure) };
  return { kind: "unknown", attemptId, code: "stream_truncated", message: "the stream ended before its last event" };
}
