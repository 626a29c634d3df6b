import type { Sql } from "./connect.ts";

/** A key as an operator sees it: never its text. */
export interface ListedKey {
  readonly keyId: string;
  readonly name: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
  readonly projectName: string | null;
  readonly admin: boolean;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly concurrency: number | null;
}

const PAGE = 1000;

/** The newest keys of a tenant by its name, or of all tenants; for the operator of the installation. */
export async function listKeys(tx: Sql, tenantName: string | null): Promise<ListedKey[]> {
  return await tx<ListedKey[]>`
    select k.id as "keyId", k.name, k.tenant_id as "tenantId", t.name as "tenantName", k.created_at_ms as "createdAtMs", k.revoked_at_ms as "revokedAtMs",
      p.name as "projectName", k.admin, k.requests_per_minute as "requestsPerMinute", k.tokens_per_minute as "tokensPerMinute", k.concurrency
    from api_key k join tenant t on t.id = k.tenant_id left join project p on p.id = coalesce(k.project_id, 'proj_' || substr(t.id, 5))
    where ${tenantName}::text is null or t.name = ${tenantName} order by k.created_at_ms desc, k.id limit ${PAGE}`;
}
