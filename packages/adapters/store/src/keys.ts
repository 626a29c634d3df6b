import { defaultProject, insertProject } from "./budgets.ts";
import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

/** A key with the tenant it belongs to, as authentication needs them. */
export interface KeyOwner {
  readonly keyId: string;
  readonly hmac: Uint8Array;
  readonly pepperId: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly allowUnpriced: boolean;
  readonly retentionDays: number;
  /** The tenant's own chain of fallback models, as JSON; `null` for none. */
  readonly fallbacks: string | null;
  readonly projectId: string;
  /** True where a budget holds for its work. */
  readonly budgeted: boolean;
  /** May set the budgets of its tenant. */
  readonly admin: boolean;
  readonly limits: KeyLimits;
  /** What the tenant lets be reused by meaning, as JSON; `null` for nothing. */
  readonly semanticCache: string | null;
  /** Which models may be asked where another was named, as JSON; `null` for all. */
  readonly models: string | null;
}

/** What a key may do over all processes; `null` is no limit. */
export interface KeyLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** Synchronous calls that run at once. */
  readonly concurrency: number | null;
}

/** Inserts a tenant with its default project; a name that exists already is left as it is. Returns the tenant's id, whoever made it. */
export async function insertTenant(tx: Sql, row: typeof schema.tenant.$inferInsert): Promise<string> {
  const made = await tx<{ id: string }[]>`
    insert into tenant (id, name, allow_unpriced, retention_days, created_at_ms)
    values (${row.id}, ${row.name}, ${row.allowUnpriced ?? false}, ${row.retentionDays ?? 30}, ${row.createdAtMs})
    on conflict (name) do update set name = excluded.name returning id`;
  const tenantId = made[0]?.id ?? row.id;
  await insertProject(tx, { id: defaultProject(tenantId), tenantId, name: "default", createdAtMs: row.createdAtMs });
  return tenantId;
}

/** Inserts a key; returns false when its id is taken. */
export async function insertKey(tx: Sql, row: typeof schema.apiKey.$inferInsert): Promise<boolean> {
  const made = await tx`
    insert into api_key (id, tenant_id, name, hmac, pepper_id, webhook_secret_sealed, created_at_ms, project_id, admin, requests_per_minute, tokens_per_minute,
      concurrency)
    values (${row.id}, ${row.tenantId}, ${row.name}, ${Buffer.from(row.hmac)}, ${row.pepperId}, ${row.webhookSecretSealed}, ${row.createdAtMs},
      ${row.projectId ?? null}, ${row.admin ?? false}, ${row.requestsPerMinute ?? null}, ${row.tokensPerMinute ?? null}, ${row.concurrency ?? null})
    on conflict (id) do nothing`;
  return made.count === 1;
}

/** A live key with its tenant; `null` when there is none of this id or it was revoked. */
export async function findKey(tx: Sql, keyId: string): Promise<KeyOwner | null> {
  const [row] = await tx<(Omit<KeyOwner, "projectId" | "limits"> & KeyLimits & { projectId: string | null })[]>`
    select k.id as "keyId", k.hmac, k.pepper_id as "pepperId", t.id as "tenantId", t.name as "tenantName", t.allow_unpriced as "allowUnpriced",
      t.retention_days as "retentionDays", t.fallbacks, t.semantic_cache as "semanticCache", t.models, k.project_id as "projectId", k.admin, k.requests_per_minute as "requestsPerMinute",
      k.tokens_per_minute as "tokensPerMinute", k.concurrency, t.budgeted and exists (
        select 1 from budget b where b.tenant_id = t.id and b.amount_nano is not null
          and (b.project_id is null or b.project_id = coalesce(k.project_id, 'proj_' || substr(t.id, 5)))) as budgeted
    from api_key k join tenant t on t.id = k.tenant_id where k.id = ${keyId} and k.revoked_at_ms is null`;
  if (row === undefined) return null;
  const { requestsPerMinute, tokensPerMinute, concurrency, ...owner } = row;
  return { ...owner, projectId: row.projectId ?? defaultProject(row.tenantId), limits: { requestsPerMinute, tokensPerMinute, concurrency } };
}

/** Revokes a key of a tenant; returns false when it is unknown or was revoked before. */
export async function markKeyRevoked(
  tx: Sql,
  input: { readonly tenantId: string; readonly keyId: string; readonly nowMs: number },
): Promise<boolean> {
  const done = await tx`
    update api_key set revoked_at_ms = ${input.nowMs} where id = ${input.keyId} and tenant_id = ${input.tenantId} and revoked_at_ms is null`;
  return done.count === 1;
}
