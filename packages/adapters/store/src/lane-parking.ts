import type { Sql } from "./connect.ts";

/** A lane whose account refuses everything until a person acts. */
export interface ParkedLane {
  readonly lane: string;
  readonly account: string;
  readonly code: string;
  readonly untilMs: number;
}

const FIRST_MS = 300_000;
const LONGEST_MS = 3_600_000;

/**
 * Parks a lane (job time): five minutes at first, twice as long each time that it refuses again soon after, an hour at most. A refusal
 * that was sent before the lane was parked changes nothing.
 */
export async function parkLane(
  tx: Sql,
  input: { readonly lane: string; readonly account: string; readonly code: string; readonly nowMs: number },
): Promise<void> {
  const { lane, account, code, nowMs } = input;
  await tx`
    insert into lane_parking as p (lane, account, code, until_ms, times) values (${lane}, ${account}, ${code}, ${nowMs + FIRST_MS}::float8, 1)
    on conflict (lane, account) do update set code = excluded.code,
      times = case when p.until_ms < ${nowMs - LONGEST_MS}::float8 then 1 else p.times + 1 end,
      until_ms = ${nowMs}::float8 + case when p.until_ms < ${nowMs - LONGEST_MS}::float8 then ${FIRST_MS}::float8
        else least(${LONGEST_MS}::float8, ${FIRST_MS}::float8 * power(2, least(p.times, 10))) end
    where p.until_ms <= ${nowMs}::float8`;
}

/** The lanes that are parked now. */
export async function readParked(tx: Sql, nowMs: number): Promise<ParkedLane[]> {
  return await tx<ParkedLane[]>`select lane, account, code, until_ms as "untilMs" from lane_parking where until_ms > ${nowMs}::float8`;
}
