import type { Sql } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";

/** A job as it arrived: what a scheduler knew of it, with the tokens that it was billed for where it was answered. Instants are job time. */
export interface ArrivalRow {
  readonly tenant: string;
  readonly model: string;
  readonly endpoint: string;
  readonly accepted_at_ms: number;
  readonly deadline_at_ms: number | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly allow: string[] | null;
  readonly deny: string[] | null;
}

/** The jobs accepted from one instant up to another, all tenants, oldest first; at most `limit`. Synchronous calls, which never waited, and errands are left out. */
export async function readArrivals(
  tx: Sql,
  input: { readonly fromId: string; readonly untilId: string; readonly limit: number },
): Promise<ArrivalRow[]> {
  return await tx<ArrivalRow[]>`
    select j.tenant_id as tenant, j.model, j.endpoint, j.accepted_at_ms, j.deadline_at_ms, j.lanes_allow as allow, j.lanes_deny as deny,
      case when a.usage is null then j.input_tokens_est else coalesce((a.usage::json ->> 'input')::float8, 0) + coalesce((a.usage::json ->> 'cacheRead')::float8, 0)
        + coalesce((a.usage::json ->> 'cacheWrite5m')::float8, 0) + coalesce((a.usage::json ->> 'cacheWrite30m')::float8, 0)
        + coalesce((a.usage::json ->> 'cacheWrite1h')::float8, 0) + coalesce((a.usage::json ->> 'cacheWrite12h')::float8, 0) end as input_tokens,
      case when a.usage is null then j.output_tokens_est else coalesce((a.usage::json ->> 'output')::float8, 0) end as output_tokens
    from (select * from job where id >= ${input.fromId} and id < ${input.untilId} order by id limit ${input.limit}) j
      left join result r on r.job_id = j.id left join attempt a on a.id = r.attempt_id
    where j.surface <> ${ERRAND_SURFACE} and (j.deadline_at_ms is not null or j.batch_id is not null) order by j.id`;
}

/** What was paid for those jobs, by lane, and how many of them missed their deadline; in nano-USD, waste included. */
export async function readPaid(
  tx: Sql,
  input: { readonly fromId: string; readonly untilId: string },
): Promise<{ readonly lanes: { lane: string; nano: bigint }[]; readonly missed: number }> {
  const lanes = await tx<{ lane: string; nano: bigint }[]>`
    select t.lane, coalesce(sum(e.amount_nano), 0)::int8 as nano
    from (select id from job where id >= ${input.fromId} and id < ${input.untilId} and (deadline_at_ms is not null or batch_id is not null)
        and surface <> ${ERRAND_SURFACE}) j
      join ledger_txn t on t.job_id = j.id join ledger_entry e on e.txn_id = t.id and e.account like 'payable.%' group by t.lane order by t.lane`;
  const [late] = await tx<{ n: number }[]>`
    select count(*)::int as n from job where id >= ${input.fromId} and id < ${input.untilId} and deadline_at_ms is not null and surface <> ${ERRAND_SURFACE}
      and (state = 'failed' or (state = 'completed' and ended_at_ms > deadline_at_ms))`;
  return { lanes, missed: late?.n ?? 0 };
}

/** The price book that the newest attempt of those jobs was priced with, as text; `null` where none was. */
export async function readBookOf(tx: Sql, input: { readonly fromId: string; readonly untilId: string }): Promise<string | null> {
  const rows = await tx<{ content: string }[]>`
    select b.content from (select attempt_id from job where id >= ${input.fromId} and id < ${input.untilId} and attempt_id is not null order by id desc limit 1) j
      join attempt a on a.id = j.attempt_id join price_book b on b.version = a.prices_version`;
  return rows[0]?.content ?? null;
}
