import type { Sql } from "./connect.ts";

/** One request that must happen once: what it will answer if it is the first. `fingerprint` is a hash of its body. */
export interface IdempotencyClaim {
  readonly tenantId: string;
  readonly route: string;
  readonly key: string;
  readonly fingerprint: string;
  readonly responseId: string;
  readonly nowMs: number;
}

/** Who owns a key after the claim: `responseId` is ours when we were first. */
export interface IdempotencyOwner {
  readonly fingerprint: string;
  readonly responseId: string;
}

/**
 * Claims keys in one transaction with what they stand for, so that a claim without its object cannot exist. Returns the owner of
 * each claim in order. A claim older than `ttlMs` is forgotten first. Waits for a concurrent claim of the same key to commit.
 */
export async function claimIdempotency(tx: Sql, claims: readonly IdempotencyClaim[], ttlMs: number): Promise<IdempotencyOwner[]> {
  if (claims.length === 0) return [];
  // One order for all, so that two groups with the same keys cannot wait for each other.
  const sorted = [...claims].sort((a, b) => (a.tenantId + a.route + a.key < b.tenantId + b.route + b.key ? -1 : 1));
  const tenants = sorted.map((c) => c.tenantId);
  const routes = sorted.map((c) => c.route);
  const keys = sorted.map((c) => c.key);
  await tx`
    delete from idempotency i using unnest(${tenants}::text[], ${routes}::text[], ${keys}::text[], ${sorted.map((c) => c.nowMs - ttlMs)}::float8[])
      as t (tenant_id, route, key, before_ms)
    where i.tenant_id = t.tenant_id and i.route = t.route and i.key = t.key and i.created_at_ms < t.before_ms`;
  await tx`
    insert into idempotency (tenant_id, route, key, fingerprint, response_id, created_at_ms)
    select * from unnest(${tenants}::text[], ${routes}::text[], ${keys}::text[], ${sorted.map((c) => c.fingerprint)}::text[],
      ${sorted.map((c) => c.responseId)}::text[], ${sorted.map((c) => c.nowMs)}::float8[])
    on conflict do nothing`;
  const rows = await tx<(IdempotencyOwner & { tenantId: string; route: string; key: string })[]>`
    select i.tenant_id as "tenantId", i.route, i.key, i.fingerprint, i.response_id as "responseId"
    from idempotency i join unnest(${tenants}::text[], ${routes}::text[], ${keys}::text[]) as t (tenant_id, route, key)
      on i.tenant_id = t.tenant_id and i.route = t.route and i.key = t.key`;
  const owners = new Map(rows.map((row) => [`${row.tenantId}\n${row.route}\n${row.key}`, row]));
  return claims.map((c) => owners.get(`${c.tenantId}\n${c.route}\n${c.key}`) ?? { fingerprint: c.fingerprint, responseId: c.responseId });
}

/** Takes claims back in the transaction that made them: what they stood for was refused. */
export async function dropIdempotency(
  tx: Sql,
  claims: readonly Pick<IdempotencyClaim, "tenantId" | "route" | "key" | "responseId">[],
): Promise<void> {
  if (claims.length === 0) return;
  await tx`
    delete from idempotency i using unnest(${claims.map((c) => c.tenantId)}::text[], ${claims.map((c) => c.route)}::text[], ${claims.map((c) => c.key)}::text[],
      ${claims.map((c) => c.responseId)}::text[]) as t (tenant_id, route, key, response_id)
    where i.tenant_id = t.tenant_id and i.route = t.route and i.key = t.key and i.response_id = t.response_id`;
}

/** Who owns a key, without claiming it; `null` when nobody has since `sinceMs` (job time). */
export async function findIdempotency(
  tx: Sql,
  input: { readonly tenantId: string; readonly route: string; readonly key: string; readonly sinceMs: number },
): Promise<IdempotencyOwner | null> {
  const rows = await tx<IdempotencyOwner[]>`
    select fingerprint, response_id as "responseId" from idempotency
    where tenant_id = ${input.tenantId} and route = ${input.route} and key = ${input.key} and created_at_ms >= ${input.sinceMs}`;
  return rows[0] ?? null;
}

/** Forgets claims made before `beforeMs` (job time); returns how many. */
export async function sweepIdempotency(tx: Sql, beforeMs: number): Promise<number> {
  return (await tx`delete from idempotency where created_at_ms < ${beforeMs}`).count;
}
