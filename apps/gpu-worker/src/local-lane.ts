import { fault } from "@slowboat/kernel";
import type { CallLane, LaneAnswer, LaneRequest } from "@slowboat/lanes";
import { errorAnswer, POOL_MODELS, type PoolAnswer, type PoolApi, type PoolEndpoint } from "./pool-api.ts";

const isServed = (endpoint: string): endpoint is PoolEndpoint => Object.hasOwn(POOL_MODELS, endpoint);

/**
 * The pool as a lane inside this process, for what comes off the queue: the same answers as over HTTP, byte for byte, without the
 * socket, and joined with HTTP's requests into the same batches. An aborted call is `void`: nothing that it computed is charged.
 */
export function createLocalLane(answer: PoolApi): CallLane {
  return {
    id: "pool",
    account: "pool|local",
    emulated: false,
    shape: "call",
    call: async (request, signal) => {
      if (!isServed(request.endpoint)) {
        const message = `The pool serves ${Object.keys(POOL_MODELS).join(" and ")}, not ${request.endpoint}.`;
        return toLaneAnswer(request, errorAnswer(fault("invalid-request", { param: "endpoint", message })));
      }
      const { endpoint, body, model } = request;
      try {
        return toLaneAnswer(request, await answer({ endpoint, body, model }, signal));
      } catch (error) {
        if (!signal.aborted) throw error;
        return { kind: "void", attemptId: request.attemptId, code: "cancelled", message: "the call was given up before the pool had answered" };
      }
    },
    stream: async (request) =>
      toLaneAnswer(request, errorAnswer(fault("invalid-request", { param: "stream", message: "The pool does not stream." }))),
  };
}

function toLaneAnswer({ attemptId }: LaneRequest, { status, body, fault: cause }: PoolAnswer): LaneAnswer {
  if (!cause) return { kind: "answered", attemptId, statusCode: status, body, requestId: null };
  const retry = cause.retryable ? "later" : "never";
  return {
    kind: "refused",
    attemptId,
    statusCode: status,
    body,
    requestId: null,
    code: cause.code.replaceAll("-", "_"),
    retry,
    retryAfterMs: cause.retryable ? 1_000 : null,
  };
}
