import type { Endpoint, LaneId } from "@slowboat/contract";
import { assert } from "@slowboat/kernel";
import type { Agent } from "undici";
import type { Assembler } from "./assemble.ts";
import { BOUNDS } from "./bounds.ts";
import { failed, limitHeadersOf, requestIdOf } from "./classify.ts";
import { outgoing } from "./edit.ts";
import { parseObject } from "./json.ts";
import { costOf, endOf, heldAnswer, limitsOf, providerNowMs } from "./paced-call.ts";
import type { LanePace, Paces } from "./paces.ts";
import type { CallLane, LaneAnswer, LaneRequest, LaneStream } from "./port.ts";
import { type Reply, type ReplyHeaders, readText } from "./reply.ts";
import { openStream } from "./stream.ts";
import { isOk, type Limit, limit, openWire, type Wire } from "./wire.ts";

/** What tells one real-time lane from another. */
export interface CallParts {
  readonly id: LaneId;
  readonly account: string;
  readonly emulated: boolean;
  /** A length, or what it is now where the provider's time may change its pace. */
  readonly timeoutMs: number | (() => number);
  readonly endpoints: readonly Endpoint[];
  /** Endpoints that can stream; the others answer at once when asked to. */
  readonly streaming: readonly Endpoint[];
  readonly tier: "flex" | null;
  readonly paces: Paces;
  /** Path of the provider's token counter, where it has one. */
  readonly countPath?: string;
  /** Posts `body` as it is and gives back a 2xx reply; throws for anything else. */
  post(wire: Wire, path: string, body: string, options: { readonly headers: Record<string, string>; readonly signal: AbortSignal }): Promise<Reply>;
  assembler(request: LaneRequest): Assembler;
}

/** The body of an answer once somebody has looked at it, for whoever looks again. */
interface Looked {
  body?: Readonly<Record<string, unknown>>;
}

/** The caller's headers that are passed on; anything else of its request is not the provider's business. */
const PASSED = ["anthropic-version", "anthropic-beta", "openai-beta"];

function headersOf(request: LaneRequest): Record<string, string> {
  const headers: Record<string, string> = { "content-type": "application/json", "x-client-request-id": request.attemptId };
  for (const [name, value] of Object.entries(request.headers ?? {})) if (PASSED.includes(name.toLowerCase())) headers[name.toLowerCase()] = value;
  return headers;
}

/** One request, one answer: the guarantees that every real-time lane shares, around one provider's way of posting. */
export function callLane(agent: Agent, parts: CallParts): CallLane {
  const flex = parts.tier === "flex";
  const { clock } = parts.paces.settings;
  const check = (request: LaneRequest): void => assert(parts.endpoints.includes(request.endpoint), `lane ${parts.id} serves ${request.endpoint}`);

  const nowMs = (headers: ReplyHeaders | null): number => providerNowMs(headers, parts.emulated, clock);

  /** Posts and hands the 2xx reply to `read`; every failure on the way is an answer too. `read` says whether the limit is still needed. */
  async function exchange<T>(
    request: LaneRequest,
    send: { readonly path: string; readonly body: string; readonly onHead?: (reply: Reply) => void },
    signal: AbortSignal,
    read: (response: Reply, bound: Limit) => Promise<T>,
  ): Promise<T | LaneAnswer> {
    const wire = openWire(agent, send.onHead);
    const bound = limit(signal, typeof parts.timeoutMs === "function" ? parts.timeoutMs() : parts.timeoutMs);
    try {
      return await read(await parts.post(wire, send.path, send.body, { headers: headersOf(request), signal: bound.signal }), bound);
    } catch (error) {
      bound.clear();
      return failed(request.attemptId, wire, bound, error, { flex, nowMs: nowMs(wire.refusal?.headers ?? null) });
    }
  }

  /** An exchange at the account's pace: it waits for its turn before anything is sent, and holds its place until the answer or the stream has ended. */
  async function paced<T extends LaneAnswer | LaneStream>(
    request: LaneRequest,
    mode: "call" | "stream",
    signal: AbortSignal,
    read: (response: Reply, bound: Limit, looked: Looked) => Promise<T>,
  ): Promise<T | LaneAnswer> {
    check(request);
    const entered = parts.paces.gate(parts.account, request.model).enter(() => costOf(request), signal, request.turn);
    const pass = entered instanceof Promise ? await entered : entered;
    if (pass.kind !== "go") return heldAnswer(request.attemptId, pass, clock.scale);
    let heardOk = false;
    let wishMs: number | null = null;
    const looked: Looked = {};
    const end = (answer: LaneAnswer): void => pass.end(endOf(answer, { aborted: signal.aborted, heardOk, wishMs, parsed: looked.body }));
    const onHead = (reply: Reply): void => {
      const limits = limitsOf(reply.headers, nowMs(reply.headers));
      heardOk = isOk(reply);
      wishMs = limits.wishMs;
      pass.heard(heardOk, limits);
    };
    request.onSent?.();
    try {
      const send = { path: request.endpoint, body: outgoing(request, mode, parts.tier), onHead };
      const said = await exchange(request, send, signal, (response, bound) => read(response, bound, looked));
      if (said.kind === "stream") void said.final.then(end);
      else end(said);
      return said;
    } catch (error) {
      pass.end({ outcome: "silent" });
      throw error;
    }
  }

  const whole =
    (request: LaneRequest, isAnswer: (body: Record<string, unknown>) => boolean) =>
    async (response: Reply, bound: Limit, looked: Looked = {}): Promise<LaneAnswer> => {
      const text = await readText(response, BOUNDS.answerChars);
      bound.clear();
      const body = parseObject(text);
      if (body !== null) looked.body = body;
      return answered(request, response, text, body !== null && isAnswer(body) ? body : null);
    };

  const call = async (request: LaneRequest, signal: AbortSignal): Promise<LaneAnswer> =>
    paced(request, "call", signal, whole(request, isAnswerOf(request.endpoint)));

  const stream: CallLane["stream"] = async (request, signal) => {
    if (!parts.streaming.includes(request.endpoint)) return call(request, signal);
    return paced<LaneAnswer | LaneStream>(request, "stream", signal, (response, bound, looked) =>
      response.headers.get("content-type")?.includes("application/json")
        ? whole(request, isAnswerOf(request.endpoint))(response, bound, looked)
        : openStream(request.attemptId, response, parts.assembler(request), bound),
    );
  };

  const { countPath } = parts;
  // Counting is free and has a limit of its own.
  const count = async (request: LaneRequest, signal: AbortSignal): Promise<LaneAnswer> => {
    check(request);
    const send = { path: countPath ?? "", body: outgoing(request, "call", null) };
    return exchange(
      request,
      send,
      signal,
      whole(request, (body) => typeof body["input_tokens"] === "number"),
    );
  };

  const { id, account, emulated } = parts;
  const pace = (): LanePace => parts.paces.view(account);
  return { shape: "call", id, account, emulated, call, stream, pace, ...(countPath === undefined ? {} : { count }) };
}

/** The member that makes a body an answer of its endpoint. */
const ANSWER_LIST: Record<Endpoint, string> = {
  "/v1/chat/completions": "choices",
  "/v1/embeddings": "data",
  "/v1/responses": "output",
  "/v1/messages": "content",
  "/v1/classifications": "data",
};

const isAnswerOf =
  (endpoint: Endpoint) =>
  (body: Record<string, unknown>): boolean =>
    Array.isArray(body[ANSWER_LIST[endpoint]]);

/** A 2xx body is an answer only when it looks like one; anything else (a proxy's page) may still have been charged. */
function answered(request: LaneRequest, response: Reply, text: string, looked: Record<string, unknown> | null): LaneAnswer {
  const { attemptId } = request;
  if (looked !== null)
    return {
      kind: "answered",
      attemptId,
      statusCode: response.status,
      body: text,
      looked,
      requestId: requestIdOf(response.headers),
      limits: limitHeadersOf(response.headers),
    };
  return {
    kind: "unknown",
    attemptId,
    code: "unrecognised_answer",
    message: `status ${response.status} with a body that is no answer of ${request.endpoint}`,
  };
}
