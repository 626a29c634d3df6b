import { attemptSourcesOf } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/** What settlement learned of an attempt. */
export interface SettledAttempt {
  readonly attemptId: string;
  /** Normalised usage as JSON; `null` when the answer carries none. */
  readonly usage: string | null;
  readonly tier: string | null;
  /** False drops the answer: its job's content has been forgotten, or it was never asked for again. */
  readonly keep: boolean;
}

/** Closes answered attempts: they wait no more. */
export async function settleAttempts(tx: Sql, rows: readonly SettledAttempt[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    with done as (delete from unsettled where attempt_id = any(${rows.map((x) => x.attemptId)}::text[]))
    update attempt a set state = 'settled', usage = t.usage, tier = t.tier, settled_at_ms = ${nowMs}::float8,
      answer = case when t.keep = 'true' then a.answer end
    from unnest(${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => x.usage)}::text[], ${rows.map((x) => x.tier)}::text[],
      ${rows.map((x) => String(x.keep))}::text[]) as t (id, usage, tier, keep)
    where a.id = t.id and a.state = any(${attemptSourcesOf("settled")}::text[])`;
}
