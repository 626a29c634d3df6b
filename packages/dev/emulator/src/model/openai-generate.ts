import { instanceOf } from "./answer-json.ts";
import { answerText } from "./answer-text.ts";
import type { Asking } from "./asking.ts";
import { diceOf, digest } from "./dice.ts";
import { type Json, textOf } from "./json.ts";

/** What the emulated model says, cut at stop words and at the token limit. */
export interface Said {
  readonly text: string;
  readonly tokens: number;
  readonly reasoningTokens: number;
  readonly cut: boolean;
  readonly stop: string | null;
}

export interface SayRequest {
  readonly model: string;
  readonly instruction: string;
  readonly material: string;
  /** `{}` for any JSON object, a schema for a structured one, null for text. */
  readonly schema: Json | null;
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly effort: string | null;
  readonly choice: number;
}

const EFFORT_TOKENS: Record<string, number> = { low: 64, medium: 256, high: 1_024, xhigh: 2_048, max: 4_096 };

/** Reasoning is spent only where the caller names an effort: then a seeded number of tokens around that effort's usual one. */
function reasoning(asking: Asking, request: SayRequest): number {
  const usual = request.effort === null ? 0 : (EFFORT_TOKENS[request.effort] ?? 0);
  if (usual === 0) return 0;
  const rng = diceOf(asking.seed, "reasoning", request.model, digest(request.material));
  return Math.min(request.maxTokens, 64 * Math.max(1, Math.round((usual / 64) * (0.5 + rng.float()))));
}

export function say(asking: Asking, request: SayRequest): Said {
  const reasoningTokens = reasoning(asking, request);
  let text = answerText(asking.seed, request.instruction, request.material, request.choice);
  if (request.schema !== null) {
    const rng = diceOf(asking.seed, "schema", request.model, digest(request.material), request.choice);
    const free = Object.keys(request.schema).length === 0;
    text = JSON.stringify(
      free ? { answer: text } : instanceOf(request.schema, text, `${request.instruction}\n${request.material.slice(0, 24_000)}`, rng),
    );
  }
  let stop: string | null = null;
  for (const word of request.stops) {
    const at = word === "" ? -1 : text.indexOf(word);
    if (at < 0) continue;
    text = text.slice(0, at);
    stop = word;
  }
  const room = Math.max(0, request.maxTokens - reasoningTokens);
  const whole = asking.tokens.head(text, room);
  const cut = whole.text.length < text.length;
  return { text: whole.text, tokens: whole.tokens + reasoningTokens, reasoningTokens, cut, stop: cut ? null : stop };
}

/** The words of `stop`: one text or up to four. */
export const stopsOf = (value: unknown): string[] => (typeof value === "string" ? [value] : Array.isArray(value) ? value.map((v) => textOf(v)) : []);
