import type { Sql } from "./connect.ts";

/** A key as an operator sees it: never its text. */
export interface ListedKey {
  readonly keyId: string;
  readonly name: string;
  readonly tenantId: string;
  readonly tenantName: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

const PAGE = 1000;

/** The newest keys of a tenant by its name, or of all tenants; for the operator of the installation. */
export async function listKeys(tx: Sql, tenantName: string | null): Promise<ListedKey[]> {
  return await tx<ListedKey[]>`
    select k.id as "keyId", k.name, k.tenant_id as "tenantId", t.name as "tenantName", k.created_at_ms as "createdAtMs", k.revoked_at_ms as "revokedAtMs"
    from api_key k join tenant t on t.id = k.tenant_id
    where ${tenantName}::text is null or t.name = ${tenantName} order by k.created_at_ms desc, k.id limit ${PAGE}`;
}

/** Sets for how many days after its end a tenant's content is kept; what is there already goes by it too. */
export async function setRetention(tx: Sql, input: { readonly tenantId: string; readonly days: number }): Promise<void> {
  await tx`update tenant set retention_days = ${input.days} where id = ${input.tenantId}`;
}
