import type { Rng } from "@slowboat/kernel";

const S = 1000;
const M = 60 * S;
const H = 60 * M;

/** Pauses before the second, third, … try: 75 hours in all, as the Standard Webhooks specification suggests. */
const PAUSES_MS = [5 * S, 5 * M, 30 * M, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H] as const;

/**
 * When to try again after try `tryNo` (1-based) failed, in machine ms from now, with up to 10 % jitter; `null` when the schedule is
 * spent or the receiver said 410 Gone. A `Retry-After` that asks for longer is honoured up to a day.
 */
export function nextTry(tryNo: number, statusCode: number | null, retryAfterMs: number | null, rng: Rng): number | null {
  const pause = PAUSES_MS[tryNo - 1];
  if (statusCode === 410 || pause === undefined) return null;
  const asked = Math.min(retryAfterMs ?? 0, 24 * H);
  return Math.round(Math.max(pause, asked) * (1 + 0.1 * rng.float()));
}

/** Failures of an endpoint in a row after which it is broken: paused, and then tried with one delivery at a time. */
export const BROKEN_AFTER = 10;

/** How long (machine ms) a broken endpoint rests after its failure number `failures` in a row: five minutes, doubling up to an hour. */
export const restMs = (failures: number): number => Math.min(H, 5 * M * 2 ** Math.min(10, failures - BROKEN_AFTER));

/** An event whose endpoint is broken is given up at this age (machine ms): longer than its own schedule. */
export const GIVE_UP_MS = 5 * 24 * H;

/** What a `Retry-After` header asks for in ms from `nowRealMs`, in seconds or as an HTTP date; `null` when it says neither. */
export function retryAfterMs(header: string | undefined, nowRealMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * S;
  const at = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - nowRealMs);
}
