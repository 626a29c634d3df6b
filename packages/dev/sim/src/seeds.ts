import type { Plant } from "./spec.ts";

/**
 * Seeds in which something broke once; they are lived through in every run of the tests. 1, 3, 25, 33: a job that waited for a pool that was not there, for
 * ever. 6416: a pool went down while a rescue was taking jobs out of it. 6498, 9073: a hedge on a lane that hedges nothing. 7517, 9315: a tenant
 * that came back to a line while others were served out of turn.
 */
export const FAILED_ONCE: readonly number[] = [1, 3, 25, 33, 6416, 6498, 7517, 9073, 9315];

/** The first seed, counted from 1, in which each planted bug shows. */
export const PLANTED: Readonly<Record<Plant, number>> = {
  "lose-line": 1,
  "answer-twice": 1,
  overspend: 6,
  "first-come": 11,
  "forget-deny": 1,
  "one-legged": 6,
  "sleep-in": 17,
  "stale-view": 1,
  overfill: 175,
  unbooked: 1,
};
