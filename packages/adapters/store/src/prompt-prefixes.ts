import type { Sql } from "./connect.ts";

/** A prompt prefix of one account's batch pool. */
export interface PrefixId {
  readonly lane: string;
  readonly account: string;
  readonly model: string;
  readonly key: string;
}

/** What is known of a prefix: warm until an instant (job ms), or its priming batch is still on its way. */
export interface KnownPrefix extends PrefixId {
  readonly dispatchId: string;
  readonly ttl: string;
  /** When the priming batch was placed. */
  readonly begunAtMs: number;
  readonly warmUntilMs: number | null;
  /** `null` once the dispatch is gone. */
  readonly dispatchState: string | null;
}

const columns = (ids: readonly PrefixId[]) =>
  [ids.map((x) => x.lane), ids.map((x) => x.account), ids.map((x) => x.model), ids.map((x) => x.key)] as const;

/** What is known of these prefixes; unknown ones are left out. */
export async function readPrefixes(tx: Sql, ids: readonly PrefixId[]): Promise<KnownPrefix[]> {
  if (ids.length === 0) return [];
  const [lanes, accounts, models, keys] = columns(ids);
  return await tx<KnownPrefix[]>`
    select p.lane, p.account, p.model, p.key, p.dispatch_id as "dispatchId", p.ttl, p.begun_at_ms as "begunAtMs", p.warm_until_ms as "warmUntilMs",
      d.state as "dispatchState"
    from unnest(${lanes}::text[], ${accounts}::text[], ${models}::text[], ${keys}::text[]) as t (lane, account, model, key)
      join prompt_prefix p on p.lane = t.lane and p.account = t.account and p.model = t.model and p.key = t.key
      left join dispatch d on d.id = p.dispatch_id`;
}

/** Writes down that a priming batch was placed for these prefixes. Commits with its dispatch. */
export async function beginPriming(
  tx: Sql,
  rows: readonly (PrefixId & { readonly dispatchId: string; readonly ttl: string })[],
  nowMs: number,
): Promise<void> {
  if (rows.length === 0) return;
  const [lanes, accounts, models, keys] = columns(rows);
  await tx`
    insert into prompt_prefix (lane, account, model, key, dispatch_id, ttl, begun_at_ms, warm_until_ms)
    select lane, account, model, key, dispatch_id, ttl, ${nowMs}::float8, null
    from unnest(${lanes}::text[], ${accounts}::text[], ${models}::text[], ${keys}::text[], ${rows.map((x) => x.dispatchId)}::text[],
      ${rows.map((x) => x.ttl)}::text[]) as t (lane, account, model, key, dispatch_id, ttl)
    on conflict (lane, account, model, key) do update
      set dispatch_id = excluded.dispatch_id, ttl = excluded.ttl, begun_at_ms = excluded.begun_at_ms, warm_until_ms = null`;
}

/** Writes down that answers of a dispatch wrote or read these prefixes: warm until then, and never shorter than was known. */
export async function keepWarm(
  tx: Sql,
  rows: readonly (PrefixId & { readonly dispatchId: string; readonly ttl: string; readonly warmUntilMs: number })[],
  nowMs: number,
): Promise<void> {
  if (rows.length === 0) return;
  const [lanes, accounts, models, keys] = columns(rows);
  await tx`
    insert into prompt_prefix (lane, account, model, key, dispatch_id, ttl, begun_at_ms, warm_until_ms)
    select lane, account, model, key, dispatch_id, ttl, ${nowMs}::float8, warm_until_ms
    from unnest(${lanes}::text[], ${accounts}::text[], ${models}::text[], ${keys}::text[], ${rows.map((x) => x.dispatchId)}::text[],
      ${rows.map((x) => x.ttl)}::text[], ${rows.map((x) => x.warmUntilMs)}::float8[]) as t (lane, account, model, key, dispatch_id, ttl, warm_until_ms)
    on conflict (lane, account, model, key) do update set warm_until_ms = greatest(prompt_prefix.warm_until_ms, excluded.warm_until_ms)`;
}

/**
 * The end of a dispatch, whatever it brought: what it was to prime and did not is forgotten, and the jobs that waited for it are due
 * now. Returns how many were set free; run twice it frees none.
 */
export async function endPriming(tx: Sql, dispatchId: string, nowMs: number): Promise<number> {
  await tx`delete from prompt_prefix where dispatch_id = ${dispatchId} and warm_until_ms is null`;
  const freed = await tx`
    update job set next_decision_at_ms = ${nowMs}::float8, held_for = null where held_for = ${dispatchId} and state = 'accepted'`;
  return freed.count;
}

/** Forgets prefixes that went cold before `beforeMs`. */
export async function forgetPrefixes(tx: Sql, beforeMs: number): Promise<void> {
  await tx`delete from prompt_prefix where coalesce(warm_until_ms, begun_at_ms) < ${beforeMs}::float8`;
}

/** What the decisions of a dispatch's attempts say of the prompt cache, as JSON; attempts without a word are left out. */
export async function readMarks(tx: Sql, dispatchId: string): Promise<{ attemptId: string; promptCache: string }[]> {
  return await tx<{ attemptId: string; promptCache: string }[]>`
    select id as "attemptId", decision::json ->> 'promptCache' as "promptCache" from attempt
    where dispatch_id = ${dispatchId} and decision::json -> 'promptCache' is not null`;
}
