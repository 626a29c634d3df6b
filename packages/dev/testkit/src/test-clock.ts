import { type Rng, seededRng } from "@slowboat/kernel";
import type { Clock } from "@slowboat/runtime";

/** A clock that moves when told. */
export interface TestClock extends Clock {
  /** Moves job time by `jobMs`, and machine time by that over the scale. */
  advance(jobMs: number): void;
}

/** Both times start at `startMs` (2026-11-01T00:00:00Z when left out) and stand still. */
export function testClock(startMs = Date.UTC(2026, 10, 1), scale = 1): TestClock {
  let passedJobMs = 0;
  return {
    scale,
    job: () => startMs + passedJobMs,
    real: () => Math.floor(startMs + passedJobMs / scale),
    advance: (jobMs) => {
      passedJobMs += jobMs;
    },
  };
}

/** Dice that fall the same way in every run; another `seed`, another way. */
export const testRng = (seed = 1): Rng => seededRng(seed);
