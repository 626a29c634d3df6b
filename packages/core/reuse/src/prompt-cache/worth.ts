import type { CacheTtl } from "@slowboat/contract";
import type { PromptRates } from "@slowboat/pricing";

/** Lifetimes in ms of job time, counted from the start of the request that wrote or read. */
export const CACHE_TTL_MS: Readonly<Record<CacheTtl, number>> = { "5m": 300_000, "30m": 1_800_000, "1h": 3_600_000, "12h": 43_200_000 };

/** What is known, when a request is sent, of others with the same beginning. */
export interface Reuse {
  /** Others that are known to follow within minutes: the rest of the group. */
  readonly waiting: number;
  /** Earlier ones seen, the first of them so long ago (ms). */
  readonly seen: number;
  readonly overMs: number;
  /** The provider is known to hold the prefix now. */
  readonly warm: boolean;
}

/** Watched time that is assumed beside what was seen, so that two requests in a second do not promise a thousand. */
const PRIOR_MS = 900_000;
/** No rush lasts for ever. */
const READS_MAX = 1_000;

/**
 * P(another one comes within `ms`) after `seen` in `overMs`: arrivals are taken as Poisson with a gamma-distributed rate, whose gap
 * is Lomax, P = 1 − (T / (T + ms))^seen. Zero when none was seen.
 */
export function arrivalChance(reuse: Pick<Reuse, "seen" | "overMs">, ms: number): number {
  if (reuse.seen <= 0) return 0;
  const watched = Math.max(0, reuse.overMs) + PRIOR_MS;
  return 1 - (watched / (watched + ms)) ** reuse.seen;
}

/** Reads that one write is expected to bring before the entry lapses: the group, then arrivals until the first gap longer than the lifetime. */
export function expectedReads(reuse: Reuse, ttlMs: number): number {
  const hit = arrivalChance(reuse, ttlMs);
  return Math.min(READS_MAX, reuse.waiting + (hit >= 1 ? READS_MAX : hit / (1 - hit)));
}

/** A lifetime and what a token then costs on average, as a share of the plain input price; below 1 it pays. */
export interface Worth {
  readonly ttl: CacheTtl;
  readonly share: number;
}

/** The share of the plain price that `reads` reads behind one write come to. */
export const shareOf = (rates: PromptRates, write: bigint, reads: number): number =>
  (Number(write) + reads * Number(rates.read ?? rates.input)) / ((1 + reads) * Number(rates.input));

/**
 * The lifetime with the least expected cost a token, or `null` where plain input is cheaper. A prefix that is known to be warm
 * is read, which always pays.
 */
export function bestTtl(rates: PromptRates, reuse: Reuse, allowed: (ttl: CacheTtl) => boolean = () => true): Worth | null {
  if (rates.read === null) return null;
  let best: Worth | null = null;
  for (const [ttl, write] of rates.writes) {
    if (!allowed(ttl)) continue;
    const share = shareOf(rates, write, expectedReads(reuse, CACHE_TTL_MS[ttl]));
    if (best === null || share < best.share) best = { ttl, share };
  }
  if (best === null) return null;
  if (reuse.warm) return { ttl: best.ttl, share: Math.min(best.share, Number(rates.read) / Number(rates.input)) };
  return best.share < 1 ? best : null;
}
