import type { Reuse } from "@slowboat/reuse";

/** Prefixes remembered, the least recently seen forgotten first. */
const PREFIXES = 20_000;
/** Past this many sightings the older half of them is let go, so that a rate follows its time. */
const SIGHTINGS = 64;
/** A prefix unseen for so long (job ms) begins anew. */
const FORGET_MS = 12 * 3_600_000;
/** How often one cache key is asked in a minute: OpenAI's overflow begins at about 15. */
export const KEY_RPM = 12;
const MINUTE_MS = 60_000;
/**
 * Work that can wait asks a key three times in a quarter of a minute: small bursts stay below the overflow even where some requests of
 * one minute arrive in the next.
 */
export const KEY_BURST_MS = 15_000;
export const KEY_BURST = (KEY_RPM * KEY_BURST_MS) / MINUTE_MS;

interface Seen {
  count: number;
  firstMs: number;
  lastMs: number;
}

/** What this process has seen of prompt prefixes: how often each comes, and how often each cache key was asked of late. All instants are job time. */
export interface PromptTraffic {
  /** Notes that a prompt with this beginning is sent. */
  saw(scope: string, nowMs: number): void;
  evidence(scope: string, nowMs: number): Pick<Reuse, "seen" | "overMs">;
  /** The first of `keys` numbered cache keys that has room now, which is then taken; `null` when none has. */
  takeKey(scope: string, keys: number, patient: boolean, nowMs: number): number | null;
}

/** A map that forgets what was touched longest ago. */
function remembered<T>(): { get(key: string): T | undefined; set(key: string, value: T): void } {
  const all = new Map<string, T>();
  return {
    get: (key) => all.get(key),
    set: (key, value) => {
      all.delete(key);
      all.set(key, value);
      if (all.size <= PREFIXES) return;
      const oldest = all.keys().next();
      if (oldest.done !== true) all.delete(oldest.value);
    },
  };
}

/** Makes an empty memory. It is a hint: lost with the process, and then a prefix is at worst written once more. */
export function createPromptTraffic(): PromptTraffic {
  const seen = remembered<Seen>();
  const sends = remembered<number[]>();
  return {
    saw: (scope, nowMs) => {
      const before = seen.get(scope);
      if (before === undefined || nowMs - before.lastMs > FORGET_MS) return void seen.set(scope, { count: 1, firstMs: nowMs, lastMs: nowMs });
      const next = { count: before.count + 1, firstMs: before.firstMs, lastMs: nowMs };
      if (next.count > SIGHTINGS) {
        next.count /= 2;
        next.firstMs = (next.firstMs + nowMs) / 2;
      }
      seen.set(scope, next);
    },
    evidence: (scope, nowMs) => {
      const known = seen.get(scope);
      if (known === undefined || nowMs - known.lastMs > FORGET_MS) return { seen: 0, overMs: 0 };
      return { seen: known.count, overMs: Math.max(0, nowMs - known.firstMs) };
    },
    takeKey: (scope, keys, patient, nowMs) => {
      for (let shard = 0; shard < keys; shard++) {
        const recent = (sends.get(`${scope}|${shard}`) ?? []).filter((at) => at > nowMs - MINUTE_MS);
        if (recent.length >= KEY_RPM) continue;
        if (patient && recent.filter((at) => at > nowMs - KEY_BURST_MS).length >= KEY_BURST) continue;
        sends.set(`${scope}|${shard}`, [...recent, nowMs]);
        return shard;
      }
      return null;
    },
  };
}
