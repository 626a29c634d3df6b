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

/** Puts events into the outbox, due at once; a repeated announcement adds nothing. */
export async function announceEvents(tx: Sql, events: readonly NewEvent[], at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  if (events.length === 0) return;
  await tx`
    insert into webhook_event (id, tenant_id, key_id, subject_id, url, type, payload, state, next_try_real_ms, created_at_ms)
    select id, tenant_id, key_id, subject_id, url, type, payload, 'pending', ${at.realMs}::float8, ${at.nowMs}::float8
    from unnest(${events.map((x) => x.id)}::text[], ${events.map((x) => x.tenantId)}::text[], ${events.map((x) => x.keyId)}::text[],
      ${events.map((x) => x.subjectId)}::text[], ${events.map((x) => x.url)}::text[], ${events.map((x) => x.type)}::text[], ${events.map((x) => x.payload)}::text[])
      as t (id, tenant_id, key_id, subject_id, url, type, payload)
    on conflict (subject_id, type) do nothing`;
}

/** A due event with the sealed secrets of the key it is signed for. */
export type DueEvent = Pick<WebhookEventRow, "id" | "tenantId" | "keyId" | "url" | "type" | "payload" | "tries"> & { readonly secretSealed: string };

/** Takes due events and pushes their next try out by `leaseMs`, so that a crash delays a delivery and never loses it. */
export async function claimEvents(
  tx: Sql,
  input: { readonly realMs: number; readonly leaseMs: number; readonly limit: number },
): Promise<DueEvent[]> {
  return await tx<DueEvent[]>`
    update webhook_event e set next_try_real_ms = ${input.realMs + input.leaseMs}::float8
    from api_key k
    where k.id = e.key_id and e.id in (
      select id from webhook_event where state = 'pending' and next_try_real_ms <= ${input.realMs}::float8
      order by next_try_real_ms limit ${input.limit} for update skip locked)
    returning e.id, e.tenant_id as "tenantId", e.key_id as "keyId", e.url, e.type, e.payload, e.tries, k.webhook_secret_sealed as "secretSealed"`;
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

/** Writes delivery rows and moves their events on, in one statement each. */
export async function recordDeliveries(tx: Sql, rows: readonly DeliveryOutcome[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into webhook_delivery (id, event_id, tenant_id, try_no, at_real_ms, duration_ms, status_code, error)
    select * from unnest(${rows.map((x) => x.deliveryId)}::text[], ${rows.map((x) => x.eventId)}::text[], ${rows.map((x) => x.tenantId)}::text[],
      ${rows.map((x) => x.tryNo)}::int[], ${rows.map((x) => x.atRealMs)}::float8[], ${rows.map((x) => x.durationMs)}::int[],
      ${rows.map((x) => x.statusCode)}::int[], ${rows.map((x) => x.error)}::text[])`;
  await tx`
    update webhook_event e set state = t.state, tries = t.tries, next_try_real_ms = t.next_at
    from unnest(${rows.map((x) => x.eventId)}::text[], ${rows.map((x) => x.state)}::text[], ${rows.map((x) => x.tryNo)}::int[],
      ${rows.map((x) => x.nextTryRealMs)}::float8[]) as t (id, state, tries, next_at)
    where e.id = t.id and e.state = 'pending'`;
}
