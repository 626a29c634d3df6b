import { type ClockRow, jobNowMs } from "@slowboat/kernel";

/** Both times. `job` is scaled and shared by the whole system; `real` is this machine's. Whole Unix ms. */
export interface Clock {
  readonly scale: number;
  job(): number;
  real(): number;
}

/** A clock whose pace may be changed. */
export interface FollowingClock extends Clock {
  /** Takes another row from its machine anchor on, and the present one until then: so all processes change at one instant. */
  follow(row: ClockRow): void;
}

/** The clock of a running system, from the row that the supervisor wrote. Never runs backwards, though the machine's may. */
export function jobClock(row: ClockRow, machine: () => number = Date.now): FollowingClock {
  let latest = 0;
  let current = row;
  let next: ClockRow | null = null;
  const at = (realMs: number): ClockRow => {
    if (next !== null && realMs >= next.realAnchorMs) {
      current = next;
      next = null;
    }
    return current;
  };
  return {
    get scale() {
      return at(machine()).scale;
    },
    real: () => Math.floor(machine()),
    job: () => {
      const realMs = machine();
      latest = Math.max(latest, jobNowMs(at(realMs), realMs));
      return latest;
    },
    follow: (row) => {
      at(machine());
      next = row;
    },
  };
}

/**
 * The clock of an app: it follows the rows that the supervisor sends over the channel of the fork. What was sent before this call
 * waits in the channel, so a row that was read from the store just before a change is no row missed.
 */
export function supervisedClock(row: ClockRow): FollowingClock {
  const clock = jobClock(row);
  process.on("message", (message) => {
    const told = message as { readonly kind?: unknown; readonly row?: ClockRow } | null;
    if (told?.kind === "clock" && told.row !== undefined) clock.follow(told.row);
  });
  return clock;
}

/** Job time equal to machine time. */
export const systemClock = (): Clock => jobClock({ realAnchorMs: 0, jobAnchorMs: 0, scale: 1 });
