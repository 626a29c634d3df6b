import { jobNowMs } from "@slowboat/kernel";
import type { StoredClock } from "@slowboat/store";

/** How far two machines' clocks, or one set by hand, may differ before a real provider's night is refused. */
const AHEAD_MS = 2000;
/** A heartbeat a second may be one late when the supervisor is killed; job time goes on after what was handed out since. */
const UNSEEN_MS = 2000;

/**
 * The clock of this start. Job time never goes back: it continues from where the folder's supervisor was last seen, or later. With
 * a provider key (`pinned`) job time is machine time, and a folder that is ahead of it is refused. `notBeforeJobMs` moves the start
 * forward: to an evening, or to the machine's time.
 */
export function planClock(input: {
  readonly stored: StoredClock | null;
  readonly realNowMs: number;
  readonly scale: number;
  readonly pinned: boolean;
  readonly notBeforeJobMs: number;
}): { readonly clock: StoredClock } | { readonly refused: string } {
  const { stored, realNowMs, scale, pinned } = input;
  const seenMs = stored === null ? Number.NEGATIVE_INFINITY : lastJobMs(stored, realNowMs);
  if (!pinned) {
    const jobAnchorMs = Math.max(seenMs, input.notBeforeJobMs);
    return { clock: { realAnchorMs: realNowMs, jobAnchorMs, scale, seenRealMs: realNowMs } };
  }
  if (scale !== 1)
    return {
      refused:
        "With a provider key set the clock runs at --time-scale 1: real providers do not hurry. Leave the option out, or unset the keys to use the emulator.",
    };
  if (seenMs > realNowMs + AHEAD_MS) {
    const ahead = Math.ceil((seenMs - realNowMs) / 60_000);
    return {
      refused: `The job clock of this data folder is ${ahead} min ahead of the machine's, left by accelerated runs; with a provider key it must not be. Keep real work apart, in a fresh folder (npm start -- --data-dir DIR) and, with DATABASE_URL, in a database of its own.`,
    };
  }
  return { clock: { realAnchorMs: realNowMs, jobAnchorMs: Math.max(realNowMs, seenMs), scale: 1, seenRealMs: realNowMs } };
}

/** The latest job instant that the last run can have handed out. */
export const lastJobMs = (stored: StoredClock, realNowMs: number): number =>
  jobNowMs(stored, Math.max(stored.seenRealMs, Math.min(realNowMs, stored.seenRealMs + UNSEEN_MS)));

/** 22:00 local on the day of `nowMs`, or the next day's when `afterMs` is past it. */
export function eveningMs(nowMs: number, afterMs: number): number {
  const evening = new Date(Math.max(nowMs, afterMs));
  evening.setHours(22, 0, 0, 0);
  if (evening.getTime() < afterMs) evening.setDate(evening.getDate() + 1);
  return evening.getTime();
}
