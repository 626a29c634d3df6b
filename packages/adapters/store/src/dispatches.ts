import { and, eq, sql } from "drizzle-orm";
import { orm, type Sql } from "./connect.ts";
import type * as schema from "./schema.ts";
import { dispatch } from "./schema.ts";

export type DispatchRow = typeof schema.dispatch.$inferSelect;
export type NewDispatch = Pick<DispatchRow, "id" | "lane" | "account" | "endpoint" | "model" | "jobs" | "inputTokens" | "emulated" | "createdAtMs"> &
  /** Of the pool's, which are served by the first instant at which one of their jobs is due. */
  Partial<Pick<DispatchRow, "dueAtMs" | "workTokens">>;

/** Inserts dispatches: each one a chunk of attempts for a lane, or one provider batch. */
export async function insertDispatches(tx: Sql, rows: readonly NewDispatch[], realMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into dispatch (id, lane, account, endpoint, model, state, jobs, input_tokens, emulated, enqueued_real_ms, created_at_ms, due_at_ms, work_tokens)
    select id, lane, account, endpoint, model, 'queued', jobs, input_tokens, emulated, ${realMs}::float8, created_at_ms, due_at_ms, work_tokens
    from unnest(${rows.map((x) => x.id)}::text[], ${rows.map((x) => x.lane)}::text[], ${rows.map((x) => x.account)}::text[],
      ${rows.map((x) => x.endpoint)}::text[], ${rows.map((x) => x.model)}::text[], ${rows.map((x) => x.jobs)}::int[], ${rows.map((x) => x.inputTokens)}::float8[],
      ${rows.map((x) => String(x.emulated))}::text[]::boolean[], ${rows.map((x) => x.createdAtMs)}::float8[],
      ${rows.map((x) => x.dueAtMs ?? null)}::float8[], ${rows.map((x) => x.workTokens ?? null)}::float8[])
      as t (id, lane, account, endpoint, model, jobs, input_tokens, emulated, created_at_ms, due_at_ms, work_tokens)`;
}

const COLUMNS = `id, lane, account, endpoint, model, state, jobs, emulated, lease_gen as "leaseGen", lease_until_real_ms as "leaseUntilRealMs",
  enqueued_real_ms as "enqueuedRealMs", provider_ref as "providerRef", provider_status as "providerStatus", provider_progress as "providerProgress",
  poll_errors as "pollErrors", next_poll_at_ms as "nextPollAtMs", cancel_at_ms as "cancelAtMs", created_at_ms as "createdAtMs",
  submitted_at_ms as "submittedAtMs", ended_at_ms as "endedAtMs", error, input_tokens as "inputTokens", hinted, due_at_ms as "dueAtMs", work_tokens as "workTokens"`;

/** Takes the lease on a dispatch that still has work; `null` when it is done or another worker holds it. The generation grows by one. */
export async function leaseDispatch(
  tx: Sql,
  input: { readonly id: string; readonly realMs: number; readonly leaseMs: number },
): Promise<DispatchRow | null> {
  const rows = await tx<DispatchRow[]>`
    update dispatch set lease_gen = lease_gen + 1, lease_until_real_ms = ${input.realMs + input.leaseMs}::float8, hinted = false,
      state = case when state = 'queued' then 'running' else state end
    where id = ${input.id} and state in ('queued', 'running', 'submitted') and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8)
    returning ${tx.unsafe(COLUMNS)}`;
  return rows[0] ?? null;
}

/**
 * Takes the lease on the waiting dispatch that is due first of those on the lane that begin with the bell's tenant, whichever of them it rang for: a tenant's own work goes by deadline,
 * tenants among each other by their shares. Where the bell is for one whose worker died, on that. `null` when there is none.
 */
export async function leaseFirstDue(
  tx: Sql,
  input: { readonly lane: string; readonly bellFor: string; readonly realMs: number; readonly leaseMs: number },
): Promise<DispatchRow | null> {
  const rows = await tx<DispatchRow[]>`
    update dispatch set lease_gen = lease_gen + 1, lease_until_real_ms = ${input.realMs + input.leaseMs}::float8, hinted = false, state = 'running'
    where id = (
      select id from dispatch
      where state in ('queued', 'running', 'submitted') and lane = ${input.lane} and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8)
        and (state = 'queued' or (state = 'running' and id = ${input.bellFor}))
        and (select a.tenant_id from attempt a where a.dispatch_id = dispatch.id and a.dispatch_id is not null limit 1)
          is not distinct from (select a.tenant_id from attempt a where a.dispatch_id = ${input.bellFor} and a.dispatch_id is not null limit 1)
      order by (state = 'running') desc, due_at_ms nulls first, id limit 1 for update skip locked)
    returning ${tx.unsafe(COLUMNS)}`;
  return rows[0] ?? null;
}

/** Prolongs a lease that is still ours; false when it was lost. */
export async function renewLease(tx: Sql, held: Pick<DispatchRow, "id" | "leaseGen">, untilRealMs: number): Promise<boolean> {
  const rows =
    await tx`update dispatch set lease_until_real_ms = ${untilRealMs}::float8 where id = ${held.id} and lease_gen = ${held.leaseGen} returning 1`;
  return rows.length > 0;
}

/** Which provider batches of the account are known to be other dispatches', and whether others are being created right now (`crowded`). */
export async function readNeighbours(
  tx: Sql,
  dispatch: Pick<DispatchRow, "id" | "lane" | "account">,
): Promise<{ taken: Set<string>; crowded: boolean }> {
  const rows = await tx<{ ref: string | null }[]>`
    select provider_ref as ref from dispatch
    where lane = ${dispatch.lane} and account = ${dispatch.account} and id <> ${dispatch.id} and (provider_ref is not null or state = 'running')`;
  return { taken: new Set(rows.flatMap((row) => row.ref ?? [])), crowded: rows.some((row) => row.ref === null) };
}

/** The next poll that a handling asks for, or the past where a hint came while it read an older state. */
const orHinted = (atMs: number) => sql`case when ${dispatch.hinted} then 0 else ${atMs}::float8 end`;

/** What changed while the lease was held; absent members stay as they are. The lease is given back. */
export type DispatchPatch = Partial<
  Pick<
    DispatchRow,
    | "state"
    | "providerRef"
    | "providerStatus"
    | "providerProgress"
    | "pollErrors"
    | "nextPollAtMs"
    | "submittedAtMs"
    | "endedAtMs"
    | "error"
    | "inputTokens"
    /** Machine time of the bell that counts as the last one; in the future, no sweep rings before then. */
    | "enqueuedRealMs"
  >
>;

/**
 * Writes the outcome of one handling and gives the lease back, so that the sweep may ring again; false when a younger generation holds it. What its
 * provider hinted at meanwhile is looked at again at once.
 */
export async function releaseDispatch(
  tx: Sql,
  input: { readonly id: string; readonly gen: number; readonly patch: DispatchPatch },
): Promise<boolean> {
  const { nextPollAtMs } = input.patch;
  const rows = await orm(tx)
    .update(dispatch)
    .set({ enqueuedRealMs: 0, ...input.patch, ...(nextPollAtMs == null ? {} : { nextPollAtMs: orHinted(nextPollAtMs) }), leaseUntilRealMs: null })
    .where(and(eq(dispatch.id, input.id), eq(dispatch.leaseGen, input.gen)))
    .returning({ id: dispatch.id });
  return rows.length > 0;
}

/**
 * Finds dispatches whose bell should ring: queued ones whose bell was lost, running ones whose worker died, submitted ones whose
 * poll is due. Stamps them, so that each is rung at most once in `spacingMs` of machine time.
 */
export async function sweepDispatches(
  tx: Sql,
  input: { readonly nowMs: number; readonly realMs: number; readonly lostAfterMs: number; readonly spacingMs: number; readonly limit: number },
): Promise<{ id: string; lane: string }[]> {
  return await tx<{ id: string; lane: string }[]>`
    update dispatch set enqueued_real_ms = ${input.realMs}::float8
    where id in (
      select id from dispatch
      where state in ('queued', 'running', 'submitted') and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8)
        and (
          (state = 'submitted' and enqueued_real_ms < ${input.realMs - input.spacingMs}::float8
            and (next_poll_at_ms <= ${input.nowMs}::float8 or (cancel_at_ms is not null and provider_status is distinct from 'cancelling')))
          or (state <> 'submitted' and enqueued_real_ms < ${input.realMs - input.lostAfterMs}::float8))
      order by enqueued_real_ms limit ${input.limit} for update skip locked)
    returning id, lane`;
}

/** Whose a dispatch is, by its first attempt, and how much it holds; `null` when it has none. */
export async function readDispatchTenant(
  tx: Sql,
  id: string,
): Promise<{ readonly tenantId: string; readonly lane: string; readonly jobs: number; readonly dueAtMs: number } | null> {
  const rows = await tx<{ tenantId: string; lane: string; jobs: number; dueAtMs: number }[]>`
    select a.tenant_id as "tenantId", d.lane, d.jobs, coalesce(d.due_at_ms, d.created_at_ms) as "dueAtMs" from dispatch d
      cross join lateral (select tenant_id from attempt where dispatch_id = d.id and dispatch_id is not null limit 1) a
    where d.id = ${id}`;
  return rows[0] ?? null;
}
