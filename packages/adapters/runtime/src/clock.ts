import { type ClockRow, jobNowMs } from "@slowboat/kernel";

/** Both times. `job` is scaled and shared by the whole system; `real` is this machine's. Whole Unix ms. */
export interface Clock {
  readonly scale: number;
  job(): number;
  real(): number;
}

/** The clock of a running system, from the row that the supervisor wrote. Never runs backwards, though the machine's may. */
export function jobClock(row: ClockRow, machine: () => number = Date.now): Clock {
  let latest = 0;
  return {
    scale: row.scale,
    real: () => Math.floor(machine()),
    job: () => {
      latest = Math.max(latest, jobNowMs(row, machine()));
      return latest;
    },
  };
}

/** Job time equal to machine time. */
export const systemClock = (): Clock => jobClock({ realAnchorMs: 0, jobAnchorMs: 0, scale: 1 });
