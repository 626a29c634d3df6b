import { memberSpans } from "@slowboat/kernel";
import { type Cost, type Limits, readLimits } from "@slowboat/pace";
import { estimateTokens } from "@slowboat/plan";
import type { Held, PassEnd } from "./gate.ts";
import { asRecord, parseObject } from "./json.ts";
import type { PaceSettings } from "./paces.ts";
import type { LaneAnswer, LaneRequest } from "./port.ts";
import type { ReplyHeaders } from "./reply.ts";

/** Output counted before it is known. Providers take off what came, and bounds are set far above it. */
const OUTPUT_TOKENS = 512;
/** A run of packed bytes (an image, a document) is no text: it counts as one large image does. */
const PACKED = /[A-Za-z0-9+/=_-]{2048,}/g;
const PACKED_TOKENS = 1_600;

/** What a call will probably take of the limits. */
export function costOf(request: LaneRequest): Cost {
  const { body, endpoint } = request;
  let packed = 0;
  let packedChars = 0;
  for (const [run] of body.matchAll(PACKED)) {
    packed++;
    packedChars += run.length;
  }
  const spans = memberSpans(body);
  const bound = ["max_completion_tokens", "max_output_tokens", "max_tokens"].map((name) => spans.get(name)).find((span) => span !== undefined);
  const most = bound === undefined ? null : Number(body.slice(bound.start, bound.end));
  const { inputTokens, outputTokens } = estimateTokens(endpoint, body.length - packedChars, most);
  return { requests: 1, input: inputTokens + packed * PACKED_TOKENS, output: Math.min(outputTokens, OUTPUT_TOKENS) };
}

/** What an answer's usage says it took: tokens read from Anthropic's cache are counted apart there, and do not count. */
function spentOf(body: Readonly<Record<string, unknown>> | null): { input: number; output: number } | null {
  const usage = asRecord(body?.["usage"]);
  if (!usage) return null;
  const count = (...names: string[]): number | null => {
    const value = names.map((name) => usage[name]).find((one) => typeof one === "number");
    return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
  };
  const input = count("input_tokens", "prompt_tokens");
  if (input === null) return null;
  return { input: input + (count("cache_creation_input_tokens") ?? 0), output: count("output_tokens", "completion_tokens") ?? 0 };
}

/** Now, in a provider's time: an emulated one lives in job time, a real one tells by its own Date. */
export function providerNowMs(headers: ReplyHeaders | null, emulated: boolean, clock: PaceSettings["clock"]): number {
  const date = emulated ? Number.NaN : Date.parse(headers?.get("date") ?? "");
  return Number.isFinite(date) ? date : clock.job();
}

/** What a reply's headers say of the limits. */
export const limitsOf = (headers: ReplyHeaders, nowMs: number): Limits => readLimits((name) => headers.get(name), nowMs);

/** What is known of a call at its end. `heardOk`: a 2xx had begun; `parsed`: its answer's body where somebody has looked at it. */
interface EndFacts {
  readonly aborted: boolean;
  readonly heardOk: boolean;
  readonly wishMs: number | null;
  readonly parsed: Readonly<Record<string, unknown>> | undefined;
}

/** What a call's end tells the pace. */
export function endOf(answer: LaneAnswer, facts: EndFacts): PassEnd {
  switch (answer.kind) {
    case "answered":
      return { outcome: "ok", spent: spentOf(facts.parsed ?? parseObject(answer.body)) };
    case "refused":
      if (answer.retry === "park") return { outcome: "parked" };
      if (answer.retry === "never") return { outcome: "refused" };
      if (answer.code === "resource_unavailable") return { outcome: "silent" };
      if (answer.statusCode === 429) return { outcome: "limited", wishMs: facts.wishMs };
      if (answer.statusCode === 503 || answer.statusCode === 529) return { outcome: "overloaded", wishMs: facts.wishMs };
      return { outcome: answer.statusCode >= 500 || answer.statusCode < 400 ? "failed" : "silent" };
    case "void":
    case "unknown":
      // What breaks off after it began says less of the provider than of the way to it.
      return { outcome: facts.aborted || facts.heardOk ? "silent" : "failed" };
  }
}

const SAID: Record<Exclude<Held, { kind: "aborted" }>["code"], { statusCode: number; retry: "later" | "park" }> = {
  paced: { statusCode: 429, retry: "later" },
  circuit_open: { statusCode: 503, retry: "later" },
  account_parked: { statusCode: 503, retry: "park" },
};

/** The answer to a call that the gate kept back: nothing left this house. */
export function heldAnswer(attemptId: string, held: Held, scale: number): LaneAnswer {
  if (held.kind === "aborted") return { kind: "void", attemptId, code: "unsent", message: "aborted: given up before its turn" };
  const { statusCode, retry } = SAID[held.code];
  const retryAfterMs = Math.ceil(held.retryAfterMs * scale);
  return { kind: "refused", attemptId, statusCode, body: "", requestId: null, code: held.code, retry, retryAfterMs, held: true };
}
