import type { Sql } from "./connect.ts";

/** Decisions that were taken twice: where the live policy sent the job, where a shadow policy would have, and what both expected it to cost. */
export interface ShadowTally {
  readonly lane: string;
  readonly shadowLane: string;
  readonly decisions: number;
  readonly expectedNano: bigint;
  readonly shadowExpectedNano: bigint;
}

/** One tenant's part of a look. */
export type TenantTally = ShadowTally & { readonly tenantId: string };

/** A shadow policy's tally, and since when and until when it has been counted (job time). */
export interface ShadowRow extends ShadowTally {
  readonly policy: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Adds one look's counts to a policy's tallies. `policy` is the text that names it. */
export async function addShadow(
  tx: Sql,
  input: { readonly policy: string; readonly nowMs: number; readonly tallies: readonly TenantTally[] },
): Promise<void> {
  const { policy, nowMs, tallies } = input;
  if (tallies.length === 0) return;
  await tx`
    insert into shadow_tally as s (tenant_id, policy, lane, shadow_lane, decisions, expected_nano, shadow_expected_nano, from_ms, until_ms)
    select tenant_id, ${policy}, lane, shadow_lane, decisions, expected, shadow_expected, ${nowMs}::float8, ${nowMs}::float8
    from unnest(${tallies.map((x) => x.tenantId)}::text[], ${tallies.map((x) => x.lane)}::text[], ${tallies.map((x) => x.shadowLane)}::text[],
      ${tallies.map((x) => x.decisions)}::int[], ${tallies.map((x) => String(x.expectedNano))}::text[]::int8[],
      ${tallies.map((x) => String(x.shadowExpectedNano))}::text[]::int8[]) as t (tenant_id, lane, shadow_lane, decisions, expected, shadow_expected)
    on conflict (tenant_id, policy, lane, shadow_lane) do update set decisions = s.decisions + excluded.decisions,
      expected_nano = s.expected_nano + excluded.expected_nano, shadow_expected_nano = s.shadow_expected_nano + excluded.shadow_expected_nano,
      until_ms = excluded.until_ms`;
}

/** All tallies, the policy counted last first: of one tenant, or of the whole installation. */
export async function readShadow(tx: Sql, tenantId?: string): Promise<ShadowRow[]> {
  return await tx<ShadowRow[]>`
    select policy, lane, shadow_lane as "shadowLane", sum(decisions)::float8 as decisions, sum(expected_nano)::int8 as "expectedNano",
      sum(shadow_expected_nano)::int8 as "shadowExpectedNano", min(from_ms) as "fromMs", max(until_ms) as "untilMs"
    from shadow_tally ${tenantId === undefined ? tx`` : tx`where tenant_id = ${tenantId}`}
    group by policy, lane, shadow_lane order by max(max(until_ms)) over (partition by policy) desc, policy, sum(decisions) desc, lane, shadow_lane`;
}

/** What a shadow policy came to beside the live one. */
export interface ShadowReport {
  readonly policy: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly decisions: number;
  /** Decisions on which both chose the same lane. */
  readonly agreed: number;
  readonly expectedNano: bigint;
  readonly shadowExpectedNano: bigint;
  /** Where they differ, the most frequent first. */
  readonly differ: readonly ShadowRow[];
}

/** Sums tallies to one report a policy, in the order in which the policies come. */
export const shadowReports = (rows: readonly ShadowRow[]): ShadowReport[] =>
  [...Map.groupBy(rows, (row) => row.policy)].map(([policy, own]) => ({
    policy,
    fromMs: Math.min(...own.map((row) => row.fromMs)),
    untilMs: Math.max(...own.map((row) => row.untilMs)),
    decisions: own.reduce((sum, row) => sum + row.decisions, 0),
    agreed: own.reduce((sum, row) => sum + (row.lane === row.shadowLane ? row.decisions : 0), 0),
    expectedNano: own.reduce((sum, row) => sum + row.expectedNano, 0n),
    shadowExpectedNano: own.reduce((sum, row) => sum + row.shadowExpectedNano, 0n),
    differ: own.filter((row) => row.lane !== row.shadowLane),
  }));
