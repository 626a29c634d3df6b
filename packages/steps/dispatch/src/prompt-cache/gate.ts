import type { Endpoint, PromptMarks } from "@slowboat/contract";
import type { LaneAnswer } from "@slowboat/lanes";
import { usageOf } from "@slowboat/pricing";
import { CACHE_TTL_MS } from "@slowboat/reuse";
import type { ChunkRow } from "@slowboat/store";
import { KEY_RPM } from "./traffic.ts";

/** What a request waits for: prefixes, each with the lifetime it would be written with. */
export interface Held {
  /** The model caches by itself and writes free: an answer is all the proof there is. Else the answer's usage tells. */
  readonly automatic: boolean;
  /** OpenAI's cache key: asked more than about 15 times a minute, its requests spill to a machine that has to write again. */
  readonly cacheKey: string | null;
  readonly keys: readonly { readonly key: string; readonly ttlMs: number }[];
}

/** A request under way; `answered` must be called once, whatever came of it. */
export interface Pass {
  /** It has left: until then it waits in line like everybody else, and who waits for it loses nothing. */
  sent(): void;
  answered(answer: LaneAnswer | null): void;
}

/**
 * Lets the first request with a prompt prefix go ahead and the others wait until its answer began: requests sent side by side would all pay
 * for the write. One gate serves all chunks of a process. It waits for nobody longer than the bound it was asked with.
 */
export interface PromptGate {
  /**
   * The way is free, and the request counts as under way; `null` while another one writes a prefix of its, or its cache key has been asked
   * often enough just now. `waitMs` is what is left of its patience: at 0 the way is always free. `answerMs` is how long it waits for the answer once the other
   * one has been sent.
   */
  enter(held: Held, endpoint: Endpoint, waitMs: number, answerMs: number): Pass | null;
  /** Resolves when something has changed, or after a moment. */
  changed(): Promise<void>;
}

interface Prefix {
  warmUntilMs: number;
  /** Its writer, and when that was sent (job ms); `null` while nobody writes. */
  writer: { sentAtMs: number | null } | null;
}

const PREFIXES = 20_000;
/** Near its end an entry is not relied on: one request goes ahead and renews it, rather than many that arrive just too late. */
const TRUSTED = 0.9;
/** Requests a minute under one cache key, a little more than the planner lets through, which counts at another moment. */
const KEY_MOST = KEY_RPM + 2;
const MINUTE_MS = 60_000;
/** Machine ms after which a waiting runner looks again by itself: a bound may have run out. */
const LOOK_MS = 100;
/** Models that cache by themselves keep a prefix five to ten minutes. */
const AUTOMATIC_TTL_MS = 300_000;

/** Makes a gate on a clock of job time. */
export function createPromptGate(jobNowMs: () => number): PromptGate {
  const prefixes = new Map<string, Prefix>();
  const asked = new Map<string, readonly number[]>();
  /** True when the key has room now, which is then taken; without patience it is taken anyway. */
  const takeKey = (key: string, nowMs: number, waitMs: number): boolean => {
    const recent = (asked.get(key) ?? []).filter((at) => at > nowMs - MINUTE_MS);
    if (recent.length >= KEY_MOST && waitMs > 0) return false;
    asked.delete(key);
    asked.set(key, [...recent, nowMs]);
    const oldest = asked.size > PREFIXES ? asked.keys().next() : null;
    if (oldest?.done === false) asked.delete(oldest.value);
    return true;
  };
  let bell = Promise.withResolvers<void>();
  const of = (key: string): Prefix => {
    const known = prefixes.get(key) ?? { warmUntilMs: 0, writer: null };
    prefixes.delete(key);
    prefixes.set(key, known);
    const oldest = prefixes.size > PREFIXES ? prefixes.keys().next() : null;
    if (oldest?.done === false) prefixes.delete(oldest.value);
    return known;
  };
  const isBeing = ({ writer }: Prefix, nowMs: number, answerMs: number): boolean =>
    writer !== null && (writer.sentAtMs === null || nowMs - writer.sentAtMs < answerMs);
  return {
    enter: ({ keys, automatic, cacheKey }, endpoint, waitMs, answerMs) => {
      const enteredMs = jobNowMs();
      const mine = keys.map(({ key, ttlMs }) => ({ prefix: of(key), ttlMs }));
      const cold = mine.filter(({ prefix }) => prefix.warmUntilMs <= enteredMs);
      if (waitMs > 0 && cold.some(({ prefix }) => isBeing(prefix, enteredMs, answerMs))) return null;
      if (cacheKey !== null && !takeKey(cacheKey, enteredMs, waitMs)) return null;
      const writer: { sentAtMs: number | null } = { sentAtMs: null };
      for (const { prefix } of cold) prefix.writer = writer;
      return {
        sent: () => {
          writer.sentAtMs ??= jobNowMs();
        },
        answered: (answer) => {
          const held = answer?.kind === "answered" && (automatic || touchedCache(answer.body, endpoint));
          // The lifetime counts from the start of the request that wrote or read.
          const startMs = writer.sentAtMs ?? enteredMs;
          for (const { prefix, ttlMs } of mine) if (held) prefix.warmUntilMs = Math.max(prefix.warmUntilMs, startMs + ttlMs * TRUSTED);
          for (const { prefix } of cold) if (prefix.writer === writer) prefix.writer = null;
          bell.resolve();
          bell = Promise.withResolvers<void>();
        },
      };
    },
    changed: async () => {
      let timer: NodeJS.Timeout | undefined;
      const moment = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LOOK_MS);
      });
      await Promise.race([bell.promise, moment]);
      clearTimeout(timer);
    },
  };
}

/** Whether an answer wrote to the prompt cache or read from it. */
export function touchedCache(body: string, endpoint: Endpoint): boolean {
  const { usage } = usageOf(endpoint, JSON.parse(body));
  return usage !== null && usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite30m + usage.cacheWrite1h + usage.cacheWrite12h > 0;
}

/** What a row's markers make it wait for; `null` for a row that shares nothing. */
export function heldBy(row: Pick<ChunkRow, "promptCache">, scope: string): Held | null {
  if (row.promptCache === null) return null;
  const { breakpoints, group, cacheKey } = JSON.parse(row.promptCache) as PromptMarks;
  const paced = cacheKey === null ? null : `${scope}|${cacheKey}`;
  const id = (key: string): string => `${scope}|${key}|${cacheKey ?? ""}`;
  if (breakpoints.length > 0)
    return { automatic: false, cacheKey: paced, keys: breakpoints.map(({ key, ttl }) => ({ key: id(key), ttlMs: CACHE_TTL_MS[ttl] })) };
  return group === null ? null : { automatic: true, cacheKey: paced, keys: [{ key: id(group), ttlMs: AUTOMATIC_TTL_MS }] };
}
