import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

export type WebhookEventRow = typeof schema.webhookEvent.$inferSelect;

/** An announcement, written in the transaction that changed the state it tells of. */
export interface NewEvent {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  /** The job or batch; with the type it is announced once. */
  readonly subjectId: string;
  readonly url: string;
  readonly type: string;
  readonly payload: string;
}

/** What is delivered to together: a host and port for one tenant, so that one tenant's bad address pauses no other's. */
const endpointOf = (event: NewEvent): string => `${URL.canParse(event.url) ? new URL(event.url).host : event.url} ${event.tenantId}`;

/** Puts events into the outbox, due at once; a repeated announcement adds nothing. */
export async function announceEvents(tx: Sql, events: readonly NewEvent[], at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  if (events.length === 0) return;
  await tx`
    insert into webhook_event (id, tenant_id, key_id, subject_id, url, type, payload, endpoint, state, next_try_real_ms, created_at_ms, created_real_ms)
    select id, tenant_id, key_id, subject_id, url, type, payload, endpoint, 'pending', ${at.realMs}::float8, ${at.nowMs}::float8, ${at.realMs}::float8
    from unnest(${events.map((x) => x.id)}::text[], ${events.map((x) => x.tenantId)}::text[], ${events.map((x) => x.keyId)}::text[],
      ${events.map((x) => x.subjectId)}::text[], ${events.map((x) => x.url)}::text[], ${events.map((x) => x.type)}::text[], ${events.map((x) => x.payload)}::text[],
      ${events.map(endpointOf)}::text[])
      as t (id, tenant_id, key_id, subject_id, url, type, payload, endpoint)
    on conflict (subject_id, type) do nothing`;
}

/** A due event with the sealed secret of the key it is signed for. */
export type DueEvent = Pick<WebhookEventRow, "id" | "tenantId" | "keyId" | "url" | "type" | "payload" | "tries" | "endpoint"> & {
  readonly secretSealed: string;
};

/** What a deliverer may take. */
export interface EventClaim {
  readonly realMs: number;
  /** Longer than a delivery can take. */
  readonly leaseMs: number;
  /** Deliveries that can start now. */
  readonly limit: number;
  /** Deliveries that one host may have at a time, over all tenants. */
  readonly perHost: number;
  /** Failures in a row after which an endpoint gets one delivery at a time. */
  readonly brokenAfter: number;
  /** What this deliverer is delivering now. */
  readonly busy: readonly Pick<DueEvent, "id" | "endpoint">[];
}

/**
 * Takes due events of endpoints that are not paused and whose host has room, and pushes their next try out by `leaseMs`, so that a crash delays a
 * delivery and never loses it. Endpoints are hopped through by the index `webhook_by_endpoint`: a long queue of one costs the others nothing.
 */
export async function claimEvents(tx: Sql, input: EventClaim): Promise<DueEvent[]> {
  const due =
    await tx`select 1 from webhook_event where state = 'pending' and next_try_real_ms <= ${input.realMs}::float8 order by next_try_real_ms limit 1`;
  if (due.length === 0) return [];
  const busy = input.busy.map((event) => event.id);
  return await tx<DueEvent[]>`
    with recursive hop as (
      (select endpoint from webhook_event where state = 'pending' order by endpoint limit 1)
      union all
      select (select w.endpoint from webhook_event w where w.state = 'pending' and w.endpoint > hop.endpoint order by w.endpoint limit 1)
      from hop where hop.endpoint is not null),
    busy as (
      select endpoint, split_part(endpoint, ' ', 1) as host from unnest(${input.busy.map((event) => event.endpoint)}::text[]) as t (endpoint)),
    ready as (
      select d.*, coalesce(p.failures, 0) >= ${input.brokenAfter} as broken,
        row_number() over (partition by hop.endpoint order by d.next_try_real_ms, d.id) + (select count(*) from busy where busy.endpoint = hop.endpoint) as nth
      from hop left join webhook_endpoint p on p.endpoint = hop.endpoint
        cross join lateral (
          select w.id, w.endpoint, w.next_try_real_ms from webhook_event w
          where w.state = 'pending' and w.endpoint = hop.endpoint and w.next_try_real_ms <= ${input.realMs}::float8 and not w.id = any(${busy}::text[])
          order by w.next_try_real_ms limit ${input.perHost}) d
      where p.paused_until_real_ms is null or p.paused_until_real_ms <= ${input.realMs}::float8),
    roomy as (
      select r.*, row_number() over (partition by split_part(r.endpoint, ' ', 1) order by r.next_try_real_ms, r.id)
        + (select count(*) from busy where busy.host = split_part(r.endpoint, ' ', 1)) as nth_of_host
      from ready r where r.nth <= case when r.broken then 1 else ${input.perHost} end),
    taken as (
      select w.id from webhook_event w join roomy on roomy.id = w.id
      where roomy.nth_of_host <= ${input.perHost} and w.state = 'pending' and w.next_try_real_ms <= ${input.realMs}::float8
      order by roomy.next_try_real_ms limit ${input.limit} for update of w skip locked)
    update webhook_event e set next_try_real_ms = ${input.realMs + input.leaseMs}::float8
    from api_key k
    where k.id = e.key_id and e.id in (select id from taken)
    returning e.id, e.tenant_id as "tenantId", e.key_id as "keyId", e.url, e.type, e.payload, e.tries, e.endpoint, k.webhook_secret_sealed as "secretSealed"`;
}

/** The outcome of one delivery and what follows from it. */
export interface DeliveryOutcome {
  readonly deliveryId: string;
  readonly eventId: string;
  readonly tenantId: string;
  readonly tryNo: number;
  readonly atRealMs: number;
  readonly durationMs: number;
  readonly statusCode: number | null;
  readonly error: string | null;
  readonly state: "pending" | "delivered" | "dead";
  readonly nextTryRealMs: number | null;
}

/** Writes a delivery row and moves its event on; the outcome of a try that another deliverer has overtaken moves nothing. */
export async function recordDelivery(tx: Sql, row: DeliveryOutcome): Promise<void> {
  await tx`
    insert into webhook_delivery (id, event_id, tenant_id, try_no, at_real_ms, duration_ms, status_code, error)
    values (${row.deliveryId}, ${row.eventId}, ${row.tenantId}, ${row.tryNo}, ${row.atRealMs}, ${row.durationMs}, ${row.statusCode}, ${row.error})`;
  await tx`
    update webhook_event set state = ${row.state}, tries = ${row.tryNo}, next_try_real_ms = ${row.nextTryRealMs}::float8
    where id = ${row.eventId} and state = 'pending' and tries = ${row.tryNo - 1}`;
}

/** Forgets the failures of an endpoint that works again. */
export async function clearEndpoint(tx: Sql, endpoint: string): Promise<void> {
  await tx`delete from webhook_endpoint where endpoint = ${endpoint}`;
}

/** Counts a failure of an endpoint; returns how many it had in a row. */
export async function countFailure(tx: Sql, endpoint: string): Promise<number> {
  const [row] = await tx<{ failures: number }[]>`
    insert into webhook_endpoint (endpoint, failures) values (${endpoint}, 1)
    on conflict (endpoint) do update set failures = webhook_endpoint.failures + 1 returning failures`;
  return row?.failures ?? 1;
}

/**
 * Pauses an endpoint that is broken: nothing of it is claimed until `untilRealMs`, and what was announced before `bornBeforeRealMs` is given
 * up, since a pause must not keep an event for ever that its own schedule would have ended. Events in `busy` are left to their delivery.
 */
export async function pauseEndpoint(
  tx: Sql,
  input: { readonly endpoint: string; readonly untilRealMs: number; readonly bornBeforeRealMs: number; readonly busy: readonly string[] },
): Promise<void> {
  await tx`update webhook_endpoint set paused_until_real_ms = ${input.untilRealMs}::float8 where endpoint = ${input.endpoint}`;
  await tx`
    update webhook_event set state = 'dead', next_try_real_ms = null
    where endpoint = ${input.endpoint} and state = 'pending' and created_real_ms < ${input.bornBeforeRealMs}::float8
      and not id = any(${input.busy as string[]}::text[])`;
}
