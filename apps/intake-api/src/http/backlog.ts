import { fault, LIMITS } from "@slowboat/kernel";
import type { Clock } from "@slowboat/runtime";
import { readDueBacklog, type Sql } from "@slowboat/store";

/** Refuses work for later while more is due than the planner keeps up with. */
export interface Backlog {
  /** Throws `overloaded`, with the time after which there will be room, while the house is too full. Never waits. */
  check(): void;
}

/** How old what is known may be (machine ms): nobody looks while nobody asks. */
const KEPT_MS = 1_000;
const RETRY_MS = { least: 1_000, most: 600_000 };

/**
 * Watches the work that is due and that nobody has planned yet. It is a few thousand jobs in a house that keeps up; beyond `max` nothing more is accepted until it
 * has shrunk, so that what was accepted is planned in time. A look that fails changes nothing.
 */
export function backlogWatch(deps: { readonly sql: Sql; readonly clock: Clock }, max: number = LIMITS.dueBacklog): Backlog {
  const { sql, clock } = deps;
  let known = { jobs: 0, waitedMs: 0 };
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading = false;
  const look = (): void => {
    const nowMs = performance.now();
    if (reading || nowMs - readAtMs < KEPT_MS) return;
    reading = true;
    readDueBacklog(sql, { nowMs: clock.job(), limit: max + Math.ceil(max / 4) + 1 })
      .then(
        (seen) => {
          known = { jobs: seen.jobs, waitedMs: seen.oldestAtMs === null ? 0 : Math.max(0, clock.job() - seen.oldestAtMs) / clock.scale };
        },
        () => undefined,
      )
      .finally(() => {
        reading = false;
        readAtMs = performance.now();
      });
  };
  return {
    check: () => {
      look();
      if (known.jobs <= max) return;
      throw fault("overloaded", {
        message: `More than ${max} jobs wait to be planned; nothing more is accepted until they have gone. What was accepted is kept.`,
        retryAfterMs: roomAfterMs(known, max),
      });
    },
  };
}

/** When what is too much will have gone: by what has been planned since the oldest came (as many as wait leave in the time that they wait). */
export function roomAfterMs({ jobs, waitedMs }: { readonly jobs: number; readonly waitedMs: number }, max: number): number {
  const perMs = jobs / Math.max(1, waitedMs);
  return Math.min(RETRY_MS.most, Math.max(RETRY_MS.least, Math.ceil((jobs - max) / perMs)));
}
