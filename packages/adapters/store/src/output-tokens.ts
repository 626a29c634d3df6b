import type { Sql } from "./connect.ts";

/** How long one answer was. */
export interface OutputTokensRow {
  /** The exact model that gave it. */
  readonly model: string;
  readonly tokens: number;
}

/** The lengths of a tenant's last settled answers, newest first, up to job instant `untilMs`; answers in numbers, which have none, and answers given again are left out. */
export async function readOutputTokens(
  tx: Sql,
  input: { readonly tenantId: string; readonly limit: number; readonly untilMs?: number },
): Promise<OutputTokensRow[]> {
  return await tx<OutputTokensRow[]>`
    select model, tokens from (
      select t.model, coalesce((a.usage::json->>'output')::float8, 0) as tokens
      from (select model, attempt_id from ledger_txn where tenant_id = ${input.tenantId} and kind = 'settle' and lane <> 'cache' and at_ms <= ${input.untilMs ?? Number.POSITIVE_INFINITY}::float8
        order by at_ms desc limit ${input.limit}) t
        join attempt a on a.id = t.attempt_id
      where a.usage is not null) x
    where tokens > 0`;
}
