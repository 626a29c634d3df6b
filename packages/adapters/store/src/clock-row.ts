import type { ClockRow } from "@slowboat/kernel";
import type { Sql } from "./connect.ts";

/** The clock with the last machine instant at which the supervisor was seen alive: where job time goes on after a restart. */
export interface StoredClock extends ClockRow {
  readonly seenRealMs: number;
}

/** The relation of job time to machine time; `null` before the first start. */
export async function readClock(tx: Sql): Promise<StoredClock | null> {
  const [row] = await tx<StoredClock[]>`
    select real_anchor_ms as "realAnchorMs", job_anchor_ms as "jobAnchorMs", scale, seen_real_ms as "seenRealMs" from clock where id = 1`;
  return row ?? null;
}

/** Sets the relation; only the supervisor does, before any app runs. */
export async function writeClock(tx: Sql, clock: StoredClock): Promise<void> {
  await tx`
    insert into clock (id, real_anchor_ms, job_anchor_ms, scale, seen_real_ms)
    values (1, ${clock.realAnchorMs}, ${clock.jobAnchorMs}, ${clock.scale}, ${clock.seenRealMs})
    on conflict (id) do update set real_anchor_ms = excluded.real_anchor_ms, job_anchor_ms = excluded.job_anchor_ms,
      scale = excluded.scale, seen_real_ms = excluded.seen_real_ms`;
}

/** The supervisor's heartbeat. */
export async function touchClock(tx: Sql, realMs: number): Promise<void> {
  await tx`update clock set seen_real_ms = greatest(seen_real_ms, ${realMs}::float8) where id = 1`;
}
