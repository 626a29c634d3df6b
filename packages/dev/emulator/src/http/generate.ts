import { setImmediate as nextTurn } from "node:timers/promises";
import type { Asking } from "../model/asking.ts";
import { diceOf } from "../model/dice.ts";
import { Refusal } from "../model/errors.ts";
import type { FaultEffect } from "../model/faults.ts";
import { type Json, textOf } from "../model/json.ts";
import { anthropicLimitHeaders, openAiLimitHeaders } from "../model/limits.ts";
import { streamError } from "../model/presets.ts";
import { pieces } from "../model/tokens.ts";
import type { Answered } from "../model/types.ts";
import { chargeOf } from "../provider.ts";
import { type Ctx, destroySocket, type Face, json, parseBody } from "./face.ts";
import { meetFault } from "./meet-fault.ts";

/** One generating endpoint of one provider. */
export interface Generating {
  readonly path: string;
  answer(asking: Asking, body: Json): Answered;
  /** The payloads of the stream when the request asks for one, else null. */
  stream(answer: Json, body: Json): Json[] | null;
  /** How one payload is framed, and what closes the stream. */
  frame(payload: Json): string;
  readonly closing: string;
}

/** Counts long texts piece by piece with turns between, so that the answering function finds the counts ready. */
async function warm(face: Face, asking: Asking, value: unknown): Promise<void> {
  if (typeof value === "string") {
    if (value.length < 32_768) return;
    for (const piece of pieces(value)) {
      asking.tokens.count(piece);
      await nextTurn();
    }
  } else if (typeof value === "object" && value !== null) for (const member of Object.values(value)) await warm(face, asking, member);
}

/** Refuses flex by chance where the emulator is told to, and any request beyond an enforced rate. */
function checkRate(face: Face, c: Ctx, model: string, tokens: number, serial: string, body: Json): Record<string, string> {
  const { core } = face;
  const provider = c.get("provider");
  const flex = provider === "openai" && body["service_tier"] === "flex";
  if (flex && core.behaviour.flexRefusals > 0 && diceOf(core.behaviour.seed, "flex", serial).float() < core.behaviour.flexRefusals) {
    throw new Refusal("openai", 429, "resource_unavailable", "Resource Unavailable", { code: "resource_unavailable" });
  }
  const allowance = face.limiter(`${provider}|${model}`, tokens, core.nowMs());
  const headers = provider === "openai" ? openAiLimitHeaders(allowance) : anthropicLimitHeaders(allowance, core.nowMs());
  if (!allowance.ok) {
    const [what, part] = allowance.requests.remaining < 1 ? (["requests", allowance.requests] as const) : (["tokens", allowance.tokens] as const);
    const seconds = Math.max(1, part.enoughMs) / 1000;
    // OpenAI's own refusals leave retry-after out; the reset headers and the text say when.
    const told = { ...headers, ...(provider === "anthropic" ? { "retry-after": String(Math.ceil(seconds)) } : {}) };
    throw provider === "openai"
      ? new Refusal(
          "openai",
          429,
          what,
          `Rate limit reached for ${model} in organization org-emulated on ${what} per min: Limit ${part.limit}, Requested ${what === "tokens" ? tokens : 1}. Please try again in ${seconds}s.`,
          { code: "rate_limit_exceeded", headers: told },
        )
      : new Refusal("anthropic", 429, "rate_limit_error", "This request would exceed your organization's rate limit.", { headers: told });
  }
  return headers;
}

/** Answers a generating request: fault, work, wait, charge, reply. The charge is journalled before the first byte leaves. */
export async function generate(face: Face, c: Ctx, endpoint: Generating): Promise<Response> {
  const { core } = face;
  const startedAt = performance.now();
  const provider = c.get("provider");
  const body = parseBody(provider, await c.req.text());
  const model = textOf(body["model"]);
  const probe = { path: endpoint.path, model, serviceTier: textOf(body["service_tier"]) || null, stream: body["stream"] === true };
  const { effect, reply } = await meetFault(face, c, probe);
  if (reply !== null) return reply;
  const asked = effect?.servedTier === undefined ? body : { ...body, service_tier: undefined };
  const serial = core.serial("answer", 29);
  const kind = endpoint.path === "/v1/embeddings" ? "embedding" : asked["service_tier"] === "flex" ? "flex" : "text";
  const asking = core.asking({ serial, beginsMs: core.wait(serial, kind, 0).firstMs });
  await warm(face, asking, body);
  const answered = endpoint.answer(asking, asked);
  const { classes } = answered;
  const limits = checkRate(face, c, answered.model, classes.input + classes.write + classes.writeLong + classes.output, serial, asked);
  const wait = core.wait(serial, kind, classes.output);
  const payloads = endpoint.stream(answered.body, asked);
  await face.sleep(payloads === null ? wait.totalMs : wait.firstMs);
  // An overload before any output costs nothing.
  if (payloads !== null && effect?.stream?.end === "error" && !payloads.slice(0, effect.stream.afterEvents).some(isOutput))
    return streamed(face, c, endpoint, payloads, 0, effect, limits);
  const clientRequestId = c.req.header("x-client-request-id") ?? null;
  core.commit({
    kind: "charged",
    charge: chargeOf(answered, { nowMs: core.nowMs(), provider, endpoint: endpoint.path, requestId: c.get("requestId"), clientRequestId }),
  });
  if (effect?.drop === "after-commit" || (payloads !== null && effect?.stream !== undefined) || c.env.incoming.socket.destroyed) core.faults.lose(1);
  if (effect?.drop === "after-commit") return destroySocket(c);
  const headers = { ...limits, ...(provider === "openai" ? { "openai-processing-ms": String(Math.round(performance.now() - startedAt)) } : {}) };
  if (payloads === null) return json(answered.body, 200, headers);
  return streamed(face, c, endpoint, payloads, wait.totalMs - wait.firstMs, effect, headers);
}

/** Events that open a stream and say nothing yet. */
const OPENING = new Set(["message_start", "ping", "response.created", "response.in_progress"]);
const isOutput = (payload: Json): boolean => !OPENING.has(String(payload["type"]));

const STEPS = 24;

/** Server-sent events paced over the time that generating takes, cut short where a fault says so. */
function streamed(
  face: Face,
  c: Ctx,
  endpoint: Generating,
  payloads: readonly Json[],
  overMs: number,
  effect: FaultEffect | null,
  headers: Record<string, string>,
): Response {
  const text = new TextEncoder();
  const cut = effect?.stream;
  const frames = payloads.map(endpoint.frame);
  const sent = cut === undefined ? frames : frames.slice(0, cut.afterEvents);
  const step = Math.max(1, Math.ceil(frames.length / STEPS));
  let at = 0;
  const end = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    if (cut?.end === "reset") {
      destroySocket(c, true);
      return;
    }
    if (cut?.end === "half-line") controller.enqueue(text.encode((frames[at] ?? endpoint.frame({ id: "cut" })).slice(0, -12)));
    else if (cut?.end === "error") controller.enqueue(text.encode(endpoint.frame(streamError(c.get("provider"), endpoint.path, at))));
    else if (cut === undefined) controller.enqueue(text.encode(endpoint.closing));
    controller.close();
  };
  const source = new ReadableStream<Uint8Array>({
    // Nobody hears the rest, and it is charged.
    cancel: () => {
      if (cut === undefined) face.core.faults.lose(1);
    },
    pull: async (controller) => {
      const slice = sent.slice(at, at + step);
      at += slice.length;
      if (slice.length > 0) controller.enqueue(text.encode(slice.join("")));
      if (at >= sent.length) return end(controller);
      await face.sleep(overMs / STEPS);
    },
  });
  return new Response(source, { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...headers } });
}
