/** Work that arrives, wherever it goes in truth. */
export interface Arrival {
  /** In the unit of the line's rate. */
  readonly work: number;
  readonly deadlineAtMs: number;
  /** The latest instant (job ms) at which it can begin and be in time. */
  readonly startByMs: number;
}

/** What a line is served at: work a second of job time, and what may be used at once. */
export interface LineRate {
  readonly perSecond: number;
  readonly atOnce: number;
}

/** What would become of work with a deadline if all of it went in real time as it came: one line by deadline, behind one rate limit. */
export interface NaiveLine {
  /** Takes it in, and tells whether it would begin there in time, as far as is known by now. */
  arrives(arrival: Arrival, rate: LineRate, nowMs: number): boolean;
}

/** A stretch of the line: work whose deadlines lie close together. */
interface Stretch {
  readonly untilMs: number;
  work: number;
}

const SECOND_MS = 1000;
/** A stretch is so small a part of the time that is left, and a second at least: a day's line has some seven hundred. */
const STRETCH_SHARE = 1 / 64;

/**
 * The line of a house that puts nothing off, which is the measure of a promise: nobody shall fare worse for what was put off than there. Work in the
 * line is a fluid, by stretches of deadlines, and what has its turn begins; a rate that changes holds from the arrival before.
 */
export function createNaiveLine(): NaiveLine {
  const line: Stretch[] = [];
  let level = Number.POSITIVE_INFINITY;
  let levelAtMs = Number.NEGATIVE_INFINITY;
  const forward = ({ perSecond, atOnce }: LineRate, nowMs: number): void => {
    let room = Math.min(level, atOnce) + (perSecond * Math.max(0, nowMs - levelAtMs)) / SECOND_MS;
    levelAtMs = Math.max(levelAtMs, nowMs);
    for (let [first] = line; first !== undefined && room > 0; [first] = line) {
      const served = Math.min(room, first.work);
      room -= served;
      first.work -= served;
      if (first.work === 0) line.shift();
    }
    level = Math.min(atOnce, room);
  };
  return {
    arrives({ work, deadlineAtMs, startByMs }, rate, nowMs) {
      forward(rate, nowMs);
      const untilMs = stretchEnd(deadlineAtMs, nowMs);
      let ahead = 0;
      let at = 0;
      for (let stretch = line[at]; stretch !== undefined && stretch.untilMs <= untilMs; stretch = line[++at]) ahead += stretch.work;
      const last = line[at - 1];
      if (last?.untilMs === untilMs) last.work += work;
      else line.splice(at, 0, { untilMs, work });
      return nowMs + (Math.max(0, ahead - level) / rate.perSecond) * SECOND_MS <= startByMs;
    },
  };
}

function stretchEnd(deadlineAtMs: number, nowMs: number): number {
  const shares = ((deadlineAtMs - nowMs) * STRETCH_SHARE) / SECOND_MS;
  const width = SECOND_MS * 2 ** Math.ceil(Math.log2(Math.max(1, shares)));
  return Math.ceil(deadlineAtMs / width) * width;
}
