/**
 * The one relation between machine time and job time. The supervisor writes it to Postgres; every process and the
 * emulator read it. Job time carries deadlines, turnaround, prices and retention; machine time carries leases and timeouts.
 */
export interface ClockRow {
  /** Machine instant (Unix ms) at which the relation was set. */
  readonly realAnchorMs: number;
  /** Job instant (Unix ms) at that machine instant. */
  readonly jobAnchorMs: number;
  /** Job milliseconds that pass in one machine millisecond; at least 1, and 1 wherever a provider key is set. */
  readonly scale: number;
}

/** The job instant, in whole Unix ms, at machine instant `realMs`. Monotone in `realMs`; never before the anchor. */
export const jobNowMs = (clock: ClockRow, realMs: number): number =>
  Math.floor(clock.jobAnchorMs + Math.max(0, realMs - clock.realAnchorMs) * clock.scale);

/** Machine milliseconds from `realMs` until job instant `jobMs`; 0 when it has passed. */
export const realMsUntil = (clock: ClockRow, jobMs: number, realMs: number): number => Math.max(0, (jobMs - jobNowMs(clock, realMs)) / clock.scale);
