import type { Sql } from "./connect.ts";

/** Decisions that were taken twice: where the live policy sent the job, where a shadow policy would have, and what both expected it to cost. */
export interface ShadowTally {
  readonly lane: string;
  readonly shadowLane: string;
  readonly decisions: number;
  readonly expectedNano: bigint;
  readonly shadowExpectedNano: bigint;
}

/** A shadow policy's tally, and since when and until when it has been counted (job time). */
export interface ShadowRow extends ShadowTally {
  readonly policy: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Adds one look's counts to a policy's tally. `policy` is the text that names it. */
export async function addShadow(
  tx: Sql,
  input: { readonly policy: string; readonly nowMs: number; readonly tallies: readonly ShadowTally[] },
): Promise<void> {
  const { policy, nowMs, tallies } = input;
  if (tallies.length === 0) return;
  await tx`
    insert into shadow_tally as s (policy, lane, shadow_lane, decisions, expected_nano, shadow_expected_nano, from_ms, until_ms)
    select ${policy}, lane, shadow_lane, decisions, expected, shadow_expected, ${nowMs}::float8, ${nowMs}::float8
    from unnest(${tallies.map((x) => x.lane)}::text[], ${tallies.map((x) => x.shadowLane)}::text[], ${tallies.map((x) => x.decisions)}::int[],
      ${tallies.map((x) => String(x.expectedNano))}::text[]::int8[], ${tallies.map((x) => String(x.shadowExpectedNano))}::text[]::int8[])
      as t (lane, shadow_lane, decisions, expected, shadow_expected)
    on conflict (policy, lane, shadow_lane) do update set decisions = s.decisions + excluded.decisions, expected_nano = s.expected_nano + excluded.expected_nano,
      shadow_expected_nano = s.shadow_expected_nano + excluded.shadow_expected_nano, until_ms = excluded.until_ms`;
}

/** All tallies, the one counted last first. */
export async function readShadow(tx: Sql): Promise<ShadowRow[]> {
  return await tx<ShadowRow[]>`
    select policy, lane, shadow_lane as "shadowLane", decisions::float8 as decisions, expected_nano as "expectedNano", shadow_expected_nano as "shadowExpectedNano",
      from_ms as "fromMs", until_ms as "untilMs" from shadow_tally order by until_ms desc, policy, decisions desc`;
}
