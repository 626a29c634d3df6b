import type { Sql } from "./connect.ts";

/** One account's quota of enqueued input tokens for one model. */
export interface QuotaId {
  readonly lane: string;
  readonly account: string;
  readonly model: string;
}

/** What is known of a quota; the limit is `null` where no refusal taught one. */
export interface KnownQuota extends QuotaId {
  readonly limitTokens: number | null;
  readonly toldTokens: number | null;
  readonly learnedAtMs: number | null;
  /** The most that had passed validation together since the last refusal. */
  readonly provenTokens: number;
}

/** What our live batches hold of a quota: all, those that the provider has, and those that passed its validation. */
export interface HeldTokens extends QuotaId {
  readonly heldTokens: number;
  readonly sentTokens: number;
  readonly provenTokens: number;
}

/** Job ms after its creation in which a batch counts: the provider ends it within a day. */
const HOLDS_MS = 26 * 3_600_000;
/** Jobs that one look wakes at most; where many tenants wait, so many of each. */
const WAKE = 10_000;
const WAKE_OF_EACH = 100;

/** Dispatches that hold tokens of a quota; literal states, as the index of live ones has them. */
const holding = (tx: Sql, nowMs: number) => tx`
  state in ('queued', 'running', 'submitted') and coalesce(submitted_at_ms, created_at_ms) > ${nowMs - HOLDS_MS}::float8
    and provider_status is distinct from 'lost'`;
/** What orders those who wait, word for word as the index has it: the deadline, or a day after the acceptance of work without one. */
const due = (tx: Sql) => tx`coalesce(deadline_at_ms, accepted_at_ms + 86400000)`;

/** What a job that waits for room carries in `held_for`. */
export const quotaKey = ({ lane, account, model }: QuotaId): string => `quota ${lane} ${account} ${model}`;

/** All quotas that are known or waited for: a few rows. */
export async function readQuotas(tx: Sql): Promise<KnownQuota[]> {
  return await tx<KnownQuota[]>`
    select lane, account, model, limit_tokens as "limitTokens", told_tokens as "toldTokens", learned_at_ms as "learnedAtMs", proven_tokens as "provenTokens" from enqueued_quota`;
}

/** Notes that work waits for these quotas, so that every look finds it. */
export async function noteQuotas(tx: Sql, ids: readonly QuotaId[]): Promise<void> {
  if (ids.length === 0) return;
  await tx`
    insert into enqueued_quota (lane, account, model)
    select lane, account, model from unnest(${ids.map((x) => x.lane)}::text[], ${ids.map((x) => x.account)}::text[], ${ids.map((x) => x.model)}::text[])
      as t (lane, account, model)
    on conflict do nothing`;
}

/** Writes down how much has passed a provider's validation together; less than is known changes nothing. */
export async function noteProven(tx: Sql, { lane, account, model, provenTokens }: HeldTokens): Promise<void> {
  await tx`
    insert into enqueued_quota as q (lane, account, model, proven_tokens) values (${lane}, ${account}, ${model}, ${provenTokens}::float8)
    on conflict (lane, account, model) do update set proven_tokens = excluded.proven_tokens where q.proven_tokens < excluded.proven_tokens`;
}

/** Writes down what a refusal taught. Two workers that learn at once each know what the other's batch held; the later one stands. */
export async function saveQuota(
  tx: Sql,
  quota: QuotaId & { readonly limitTokens: number; readonly toldTokens: number | null; readonly learnedAtMs: number },
): Promise<void> {
  await tx`
    insert into enqueued_quota (lane, account, model, limit_tokens, told_tokens, learned_at_ms)
    values (${quota.lane}, ${quota.account}, ${quota.model}, ${quota.limitTokens}::float8, ${quota.toldTokens}::float8, ${quota.learnedAtMs}::float8)
    on conflict (lane, account, model) do update
      set limit_tokens = excluded.limit_tokens, told_tokens = excluded.told_tokens, learned_at_ms = excluded.learned_at_ms, proven_tokens = 0`;
}

/** Until the transaction ends, nobody else plans for these quotas: what is read after this stays true until it is written down. */
export async function lockQuotas(tx: Sql, ids: readonly QuotaId[]): Promise<void> {
  // One order for all, so that two planners never wait for each other.
  for (const key of ids.map(quotaKey).sort()) await tx`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`;
}

/** What live batches hold, from the moment that their place in the plan is committed until they are harvested. `butDispatch` is left out. */
export async function readHeldTokens(tx: Sql, input: { readonly nowMs: number; readonly butDispatch?: string }): Promise<HeldTokens[]> {
  return await tx<HeldTokens[]>`
    select lane, account, model, sum(input_tokens) as "heldTokens", coalesce(sum(input_tokens) filter (where state = 'submitted'), 0) as "sentTokens",
      coalesce(sum(input_tokens) filter (where state = 'submitted' and provider_status not in ('validating', 'failed')), 0) as "provenTokens"
    from dispatch
    where ${holding(tx, input.nowMs)} and input_tokens > 0 and id <> ${input.butDispatch ?? ""}
    group by lane, account, model`;
}

/** What batches hold that were sent or are being sent before this one; of two that are sent at once, the older goes first. */
export async function readTokensBefore(tx: Sql, input: QuotaId & { readonly id: string; readonly nowMs: number }): Promise<number> {
  const rows = await tx<{ tokens: number }[]>`
    select coalesce(sum(input_tokens), 0) as tokens from dispatch
    where (state = 'submitted' or (state = 'running' and id < ${input.id})) and id <> ${input.id}
      and lane = ${input.lane} and account = ${input.account} and model = ${input.model} and ${holding(tx, input.nowMs)}`;
  return rows[0]?.tokens ?? 0;
}

/** What one tenant has waiting for a quota in one minute of the instants that order it. */
export interface WaitingRow {
  readonly tenant: string;
  readonly minute: number;
  readonly tokens: number;
  readonly lines: number;
}

/** Tokens that wait for a quota, by tenant and by the minute of what orders them, earliest first. */
export async function readWaitingTokens(tx: Sql, id: QuotaId): Promise<WaitingRow[]> {
  return await tx<WaitingRow[]>`
    select tenant_id as tenant, floor(${due(tx)} / 60000) as minute, sum(input_tokens_est)::float8 as tokens, count(*)::int as lines
    from job where held_for = ${quotaKey(id)} and held_for is not null and state = 'accepted' group by 1, 2 order by 2`;
}

/** The tenants that wait for a quota, found by a step of the index for each. */
export async function readWaitingTenants(tx: Sql, id: QuotaId): Promise<string[]> {
  const key = quotaKey(id);
  const rows = await tx<{ tenant: string }[]>`
    with recursive known as (
      (select tenant_id from job where held_for = ${key} and held_for is not null order by tenant_id limit 1)
      union all
      select (select tenant_id from job where held_for = ${key} and held_for is not null and tenant_id > known.tenant_id order by tenant_id limit 1)
      from known where known.tenant_id is not null)
    select tenant_id as tenant from known where tenant_id is not null`;
  return rows.map(({ tenant }) => tenant);
}

/** Where a tenant stands at a quota: what it has been let through, over its weight, and its weight. */
export interface TenantStake {
  readonly tenant: string;
  readonly served: number;
  readonly weight: number;
}

/**
 * Makes the first jobs that wait for a quota due now, as many as `roomTokens` hold, by fair shares between these tenants and the earliest deadline first within one;
 * with `empty`, the first one in any case, since it may be larger than the quota. Returns how many there were.
 */
export async function wakeWaiting(
  tx: Sql,
  input: {
    readonly id: QuotaId;
    readonly stakes: readonly TenantStake[];
    readonly roomTokens: number;
    readonly empty: boolean;
    readonly nowMs: number;
  },
): Promise<number> {
  if (input.stakes.length === 0) return 0;
  const key = quotaKey(input.id);
  const { stakes } = input;
  const most = Math.max(WAKE_OF_EACH, Math.ceil(WAKE / stakes.length));
  const woken = await tx`
    update job set next_decision_at_ms = ${input.nowMs}::float8
    where id in (
        select id from (
          select id, sum(tokens) over w as upto, row_number() over w as place
          from (
            select j.id, j.tokens,
              s.served + (sum(j.tokens) over (partition by s.tenant order by j.due_at_ms, j.id) - j.tokens) / s.weight as start
            from unnest(${stakes.map((one) => one.tenant)}::text[], ${stakes.map((one) => one.served)}::float8[], ${stakes.map((one) => one.weight)}::float8[])
                as s (tenant, served, weight)
              cross join lateral (
                select id, input_tokens_est as tokens, ${due(tx)} as due_at_ms
                from job where held_for = ${key} and held_for is not null and tenant_id = s.tenant and state = 'accepted'
                order by ${due(tx)}, id limit ${most}) j
          ) first
          window w as (order by start, id)
        ) t where upto <= ${input.roomTokens}::float8 or (place = 1 and ${input.empty ? 1 : 0}::int = 1))
      and held_for = ${key} and state = 'accepted' and next_decision_at_ms > ${input.nowMs}::float8`;
  return woken.count;
}
