import type { Sql } from "./connect.ts";

/** What settlement learned of an attempt. */
export interface SettledAttempt {
  readonly attemptId: string;
  /** Normalised usage as JSON; `null` when the answer carries none. */
  readonly usage: string | null;
  readonly tier: string | null;
}

/** Closes answered attempts. */
export async function settleAttempts(tx: Sql, rows: readonly SettledAttempt[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update attempt a set state = 'settled', usage = t.usage, tier = t.tier, settled_at_ms = ${nowMs}::float8
    from unnest(${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => x.usage)}::text[], ${rows.map((x) => x.tier)}::text[]) as t (id, usage, tier)
    where a.id = t.id and a.state = 'answered'`;
}
