import type { Said } from "./meter.ts";

/** Limits that a provider counts apart. */
export const METERS = ["requests", "tokens", "project-tokens", "input-tokens", "output-tokens"] as const;
export type MeterName = (typeof METERS)[number];

/** What a reply's headers say of the limits. Lengths in ms of the provider's own time. */
export interface Limits {
  readonly meters: Partial<Record<MeterName, Said>>;
  /** The provider's wish with a refusal. */
  readonly wishMs: number | null;
  /** The reset of a limit that is used up and says no more than that. */
  readonly emptyMs: number | null;
}

/** The headers in which a provider counts one limit. */
interface LimitNames {
  readonly name: MeterName;
  readonly limit: string;
  readonly remaining: string;
  readonly reset: string;
}

const OPENAI_LIMITS = (["requests", "tokens", "project-tokens"] as const).map(
  (name): LimitNames => ({
    name,
    limit: `x-ratelimit-limit-${name}`,
    remaining: `x-ratelimit-remaining-${name}`,
    reset: `x-ratelimit-reset-${name}`,
  }),
);
const anthropicNames = (name: MeterName): LimitNames => {
  const prefix = `anthropic-ratelimit-${name}`;
  return { name, limit: `${prefix}-limit`, remaining: `${prefix}-remaining`, reset: `${prefix}-reset` };
};
const ANTHROPIC_LIMITS = (["requests", "input-tokens", "output-tokens"] as const).map(anthropicNames);
const ANTHROPIC_TOKENS = anthropicNames("tokens");

/** One header's value by its lower-case name. */
export type HeaderOf = (name: string) => string | null;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DAY_MS = 86_400_000;

/** Reads Go's way of writing a length: `1s`, `6m0s`, `20ms`, `1h2m`; `null` when it is none. */
export function goDurationMs(text: string): number | null {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h)){1,8}$/.test(text)) return null;
  let total = 0;
  for (const part of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) total += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? 0);
  return Number.isFinite(total) ? total : null;
}

/** A reset header as ms from `nowMs` (an instant of the provider's time): a length, or an RFC 3339 instant; `null` when it is neither. */
export function resetMs(text: string | null, nowMs: number): number | null {
  if (text === null) return null;
  const length = goDurationMs(text);
  if (length !== null) return length;
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(at) ? Math.max(0, at - nowMs) : null;
}

/** What `retry-after-ms` or `retry-after` (seconds or a date) asks for, in ms; `null` without a readable one. */
export function retryAfterMs(header: HeaderOf, nowMs: number): number | null {
  const ms = amount(header("retry-after-ms"));
  if (ms !== null) return ms;
  const after = header("retry-after");
  if (after === null || after.trim() === "") return null;
  const seconds = amount(after);
  if (seconds !== null) return seconds * 1000;
  const at = /[a-z]/i.test(after) ? Date.parse(after) : Number.NaN;
  return Number.isFinite(at) ? Math.max(0, at - nowMs) : null;
}

/**
 * Reads the limits of both providers' replies; `nowMs` is the instant in the provider's time. What is missing or unreadable says nothing.
 * Limits count a minute, both say; a request limit of OpenAI's kind counts a day where its reset fits that and nothing shorter.
 */
export function readLimits(header: HeaderOf, nowMs: number): Limits {
  const meters: Partial<Record<MeterName, Said>> = {};
  let emptyMs: number | null = null;
  const read = (names: LimitNames): void => {
    const limit = amount(header(names.limit));
    const remaining = amount(header(names.remaining));
    const resetText = header(names.reset);
    const reset = resetMs(resetText, nowMs);
    if (limit !== null && limit > 0)
      meters[names.name] = { limit, remaining, daily: names.name === "requests" && isDaily(limit, remaining, resetText) };
    else if (remaining === 0 && reset !== null) emptyMs = Math.max(emptyMs ?? 0, reset);
  };
  OPENAI_LIMITS.forEach(read);
  ANTHROPIC_LIMITS.forEach(read);
  // `tokens` repeats the tighter of the two, and would count cached tokens that the input limit leaves out.
  if (meters["input-tokens"] === undefined && meters["output-tokens"] === undefined) read(ANTHROPIC_TOKENS);
  return { meters, wishMs: retryAfterMs(header, nowMs), emptyMs };
}

/** A count of zero or more; `null` for anything else. */
function amount(text: string | null): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

/** Whether what was used comes back over about a day: limit · reset / used. An instant, rounded to seconds, is no evidence. */
function isDaily(limit: number, remaining: number | null, resetText: string | null): boolean {
  const reset = resetText === null ? null : goDurationMs(resetText);
  const used = remaining === null ? 0 : limit - remaining;
  if (reset === null || used < 1) return false;
  const window = (limit * reset) / used;
  return window > DAY_MS / 2 && window < DAY_MS * 1.5;
}
