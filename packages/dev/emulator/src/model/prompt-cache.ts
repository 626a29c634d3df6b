import { digest } from "./dice.ts";

/** Entries kept at most, the least recently used forgotten first. */
const ENTRIES = 100_000;
/** Automatic prefixes grow in steps of this many tokens. */
const STEP = 128;

interface Entry {
  /** From this instant on others may read it: the response of the request that wrote it has begun. */
  readonly readableAtMs: number;
  readonly expiresAtMs: number;
  /** The batch whose line wrote it; its other lines run beside that one and do not see it. */
  readonly batchId: string | null;
}

/** Prompt prefixes that the provider remembers, by model and content, and when each cache key was asked of late. */
export interface PromptCache {
  readonly entries: Map<string, Entry>;
  readonly asked: Map<string, number[]>;
}

export const createPromptCache = (): PromptCache => ({ entries: new Map(), asked: new Map() });

const MINUTE_MS = 60_000;
/** Requests a minute that one machine takes for one cache key and beginning. */
const KEY_RPM = 15;
const KEYS = 10_000;

/** The machine that a request of this routing key lands on: beyond about 15 in the last minute they overflow to the next, which has a cache of its own. */
export function machineOf(cache: PromptCache, key: string, nowMs: number): number {
  const recent = (cache.asked.get(key) ?? []).filter((at) => at > nowMs - MINUTE_MS && at <= nowMs);
  const machine = Math.floor(recent.length / KEY_RPM);
  recent.push(nowMs);
  cache.asked.delete(key);
  cache.asked.set(key, recent);
  if (cache.asked.size > KEYS) {
    const oldest = cache.asked.keys().next();
    if (oldest.done !== true) cache.asked.delete(oldest.value);
  }
  return machine;
}

/** When a request looks and until when what it touches lives. */
export interface CacheTime {
  readonly nowMs: number;
  /** The instant at which this request's response begins. */
  readonly beginsAtMs: number;
  /** False for a request that happens to land on a machine without the entry. */
  readonly mayRead: boolean;
  /** The batch that the request is a line of, or null. */
  readonly batchId: string | null;
  /** True for a line that finds what earlier lines of its own batch wrote. */
  readonly seesBatch: boolean;
}

const alive = (cache: PromptCache, key: string, time: CacheTime): boolean => {
  const entry = cache.entries.get(key);
  if (entry === undefined || entry.readableAtMs > time.nowMs || time.nowMs >= entry.expiresAtMs) return false;
  return entry.batchId === null || entry.batchId !== time.batchId || time.seesBatch;
};

/** Writes or refreshes; the lifetime counts from the start of the request, and a readable entry stays readable. */
function touch(cache: PromptCache, key: string, ttlMs: number, time: CacheTime): void {
  const before = cache.entries.get(key);
  const living = before !== undefined && time.nowMs < before.expiresAtMs ? before : null;
  const readableAtMs = Math.min(living?.readableAtMs ?? time.beginsAtMs, time.beginsAtMs);
  const batchId = living === null ? time.batchId : living.batchId;
  cache.entries.delete(key);
  cache.entries.set(key, { readableAtMs, expiresAtMs: Math.max(time.nowMs + ttlMs, before?.expiresAtMs ?? 0), batchId });
  if (cache.entries.size > ENTRIES) {
    const oldest = cache.entries.keys().next();
    if (oldest.done !== true) cache.entries.delete(oldest.value);
  }
}

/** Automatic caching of models before GPT-5.6: the longest known prefix in steps of 128 tokens, at least 1,024. Returns the tokens read. */
export function readPrefix(cache: PromptCache, scope: string, ids: readonly number[], ttlMs: number, minTokens: number, time: CacheTime): number {
  const keys: { key: string; tokens: number }[] = [];
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? 0;
    a = Math.imul(a ^ id, 0x01000193);
    b = Math.imul(b ^ (id + i), 0x85ebca6b);
    const tokens = i + 1;
    if (tokens % STEP === 0 && tokens >= minTokens) keys.push({ key: `${scope}|${tokens}|${a >>> 0}|${b >>> 0}`, tokens });
  }
  let read = 0;
  if (time.mayRead) for (const { key, tokens } of keys) if (alive(cache, key, time)) read = tokens;
  for (const { key } of keys) touch(cache, key, ttlMs, time);
  return read;
}

/** One block of a prompt, in the order in which prefixes are built. */
export interface Block {
  /** What identifies the block: its content and whatever setting invalidates it. */
  readonly text: string;
  readonly tokens: number;
  /** The lifetime of the breakpoint after this block, or null where there is none. */
  readonly breakpointTtlMs: number | null;
  /** A run of blocks that counts as one position when looking back, such as consecutive tool results. */
  readonly joinsPrevious?: boolean;
  /** A place where an earlier turn had its breakpoint: read from, never written. */
  readonly readable?: boolean;
}

/** What the cache did for one prompt: read + short + long + the uncached remainder is the whole prompt. */
export interface CacheSplit {
  readonly read: number;
  readonly short: number;
  readonly long: number;
}

export interface BreakpointRules {
  readonly minTokens: number;
  /** Positions looked back from each breakpoint, counting itself. */
  readonly lookback: number;
  /** A breakpoint living at least this long is billed as a long write. */
  readonly longFromMs: number;
}

/**
 * Caching at breakpoints. A = the highest known prefix within the look-back of a breakpoint, B = the last long-lived
 * breakpoint after A, C = the last breakpoint: reads A, long-writes B−A, short-writes C−B (Anthropic, prompt caching, mixed lifetimes).
 */
export function splitAtBreakpoints(cache: PromptCache, scope: string, blocks: readonly Block[], rules: BreakpointRules, time: CacheTime): CacheSplit {
  const points = chain(scope, blocks);
  const marks = points.filter((point) => point.block.breakpointTtlMs !== null && point.tokens >= rules.minTokens);
  if (marks.length === 0) return { read: 0, short: 0, long: 0 };
  let hit: Point | undefined;
  if (time.mayRead) {
    for (const point of points) {
      if (point.tokens < rules.minTokens || !alive(cache, point.key, time)) continue;
      const seen = marks.some((mark) => point.index <= mark.index && mark.position - point.position < rules.lookback);
      if (seen || point.block.readable === true) hit = point;
    }
  }
  const read = hit?.tokens ?? 0;
  let long = read;
  let last = read;
  for (const mark of marks) {
    const ttlMs = mark.block.breakpointTtlMs ?? 0;
    touch(cache, mark.key, ttlMs, time);
    if (mark.tokens > read && ttlMs >= rules.longFromMs) long = mark.tokens;
    if (mark.tokens > last) last = mark.tokens;
  }
  if (hit !== undefined)
    touch(cache, hit.key, marks.find((mark) => mark.index >= (hit?.index ?? 0))?.block.breakpointTtlMs ?? marks[0]?.block.breakpointTtlMs ?? 0, time);
  return { read, long: long - read, short: last - long };
}

interface Point {
  readonly index: number;
  readonly position: number;
  readonly key: string;
  readonly tokens: number;
  readonly block: Block;
}

function chain(scope: string, blocks: readonly Block[]): Point[] {
  const points: Point[] = [];
  let key = scope;
  let tokens = 0;
  let position = -1;
  blocks.forEach((block, index) => {
    key = `${scope}|${digest(`${key}\n${block.text}`)}`;
    tokens += block.tokens;
    if (block.joinsPrevious !== true) position++;
    points.push({ index, position, key, tokens, block });
  });
  return points;
}
