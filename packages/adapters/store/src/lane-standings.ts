import type { Sql } from "./connect.ts";

/** How a planner found a lane, as JSON. */
export interface LaneStandingRow {
  readonly lane: string;
  readonly account: string;
  readonly content: string;
  /** Machine ms. */
  readonly atRealMs: number;
}

/** Writes down how lanes stand, in place of what was known; the order is one for all planners, so that two never wait for each other. */
export async function keepStandings(tx: Sql, rows: readonly LaneStandingRow[]): Promise<void> {
  if (rows.length === 0) return;
  const sorted = [...rows].sort((a, b) => (`${a.lane} ${a.account}` < `${b.lane} ${b.account}` ? -1 : 1));
  await tx`
    insert into lane_standing as s (lane, account, content, at_real_ms)
    select * from unnest(${sorted.map((x) => x.lane)}::text[], ${sorted.map((x) => x.account)}::text[], ${sorted.map((x) => x.content)}::text[],
      ${sorted.map((x) => x.atRealMs)}::float8[])
    on conflict (lane, account) do update set content = excluded.content, at_real_ms = excluded.at_real_ms where s.at_real_ms <= excluded.at_real_ms`;
}

/** How lanes stood at the last look of a planner since machine instant `sinceRealMs`. */
export async function readStandings(tx: Sql, sinceRealMs: number): Promise<LaneStandingRow[]> {
  return await tx<LaneStandingRow[]>`
    select lane, account, content, at_real_ms as "atRealMs" from lane_standing where at_real_ms >= ${sinceRealMs}::float8`;
}
