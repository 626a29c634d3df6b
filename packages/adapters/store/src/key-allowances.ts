import { type Allowance, type AllowanceAsk, type AllowanceLimits, type AllowanceStanding, refilled, refusedBy } from "@slowboat/pace";
import type { Sql } from "./connect.ts";

/** A request of a key that has limits. */
export interface KeyAsk extends AllowanceAsk {
  /** Its id, by which a call is counted until it ends. */
  readonly id: string;
  readonly keyId: string;
  readonly limits: AllowanceLimits;
}

/** Whether a request may go, and what stood before it. */
export interface KeyGrant {
  readonly granted: boolean;
  readonly standing: AllowanceStanding;
}

/**
 * Takes requests of keys with limits, in the order given, off what the keys have left over all processes; calls that are granted count until they end, or
 * until `untilRealMs` where their process dies. The counters need no disk: a database that crashes starts them full.
 */
export async function takeAllowances(
  tx: Sql,
  asks: readonly KeyAsk[],
  at: { readonly realMs: number; readonly untilRealMs: number },
): Promise<KeyGrant[]> {
  await tx`set local synchronous_commit = off`;
  const keyIds = [...new Set(asks.map((ask) => ask.keyId))].sort();
  await tx`
    insert into key_allowance (key_id, requests, tokens, at_real_ms) select id, -1, -1, -1 from unnest(${keyIds}::text[]) as t (id) order by id
    on conflict do nothing`;
  const rows = await tx<{ id: string; requests: number; tokens: number; atMs: number }[]>`
    select key_id as id, requests, tokens, at_real_ms as "atMs" from key_allowance where key_id = any(${keyIds}::text[]) order by key_id for update`;
  const running = new Map<string, number>();
  const bounded = asks.flatMap((ask) => (ask.limits.concurrency === null ? [] : [ask.keyId]));
  if (bounded.length > 0) {
    const open = await tx<{ id: string; n: number }[]>`
      select key_id as id, count(*)::int as n from key_call where key_id = any(${bounded}::text[]) and until_real_ms > ${at.realMs}::float8 group by 1`;
    for (const { id, n } of open) running.set(id, n);
  }
  const levels = new Map(rows.map(({ id, ...level }): [string, Allowance | null] => [id, level.atMs < 0 ? null : level]));
  const calls: KeyAsk[] = [];
  const grants = asks.map((ask): KeyGrant => {
    const left = refilled(levels.get(ask.keyId) ?? null, ask.limits, at.realMs);
    const standing = { requests: left.requests, tokens: left.tokens, running: running.get(ask.keyId) ?? 0 };
    const granted = refusedBy(ask.limits, standing, ask) === null;
    levels.set(ask.keyId, granted ? { ...left, requests: left.requests - 1, tokens: left.tokens - ask.tokens } : left);
    if (granted && ask.call && ask.limits.concurrency !== null) {
      running.set(ask.keyId, standing.running + 1);
      calls.push(ask);
    }
    return { granted, standing };
  });
  await saveLevels(tx, levels);
  if (calls.length > 0)
    await tx`
      insert into key_call (id, key_id, until_real_ms) select id, key_id, ${at.untilRealMs}::float8
      from unnest(${calls.map((call) => call.id)}::text[], ${calls.map((call) => call.keyId)}::text[]) as t (id, key_id) on conflict do nothing`;
  return grants;
}

async function saveLevels(tx: Sql, levels: ReadonlyMap<string, Allowance | null>): Promise<void> {
  const rows = [...levels].flatMap(([id, level]) => (level === null ? [] : [{ id, ...level }]));
  await tx`
    update key_allowance k set requests = t.requests, tokens = t.tokens, at_real_ms = t.at_ms
    from unnest(${rows.map((row) => row.id)}::text[], ${rows.map((row) => row.requests)}::float8[], ${rows.map((row) => row.tokens)}::float8[],
      ${rows.map((row) => row.atMs)}::float8[]) as t (id, requests, tokens, at_ms)
    where k.key_id = t.id`;
}

/** Counts these calls no longer. */
export async function endKeyCalls(sql: Sql, ids: readonly string[]): Promise<void> {
  await sql`delete from key_call where id = any(${ids as string[]}::text[])`;
}

/** Forgets calls whose process died; returns how many. */
export async function sweepKeyCalls(sql: Sql, realMs: number): Promise<number> {
  return (await sql`delete from key_call where until_real_ms < ${realMs}::float8`).count;
}

/** Counts calls that still run on. */
export async function renewKeyCalls(sql: Sql, ids: readonly string[], untilRealMs: number): Promise<void> {
  if (ids.length === 0) return;
  await sql`update key_call set until_real_ms = ${untilRealMs}::float8 where id = any(${ids as string[]}::text[])`;
}
