import type { Sql } from "./connect.ts";
import { tellWorkers } from "./semantic-entries.ts";

/** What was learned of a family of namespaces. */
export interface StoredFamily {
  readonly tenantId: string;
  /** Hex. */
  readonly family: string;
  readonly state: string;
  readonly version: number;
  readonly drifting: boolean;
}

/** One of a tenant's families. */
export interface FamilyId {
  readonly tenantId: string;
  /** Hex. */
  readonly family: string;
}

/** Reads families whose version is another than the one that is known; those that nothing was learned of are left out. */
export async function readFamilies(tx: Sql, known: readonly (FamilyId & { readonly version: number })[]): Promise<StoredFamily[]> {
  if (known.length === 0) return [];
  return await tx<StoredFamily[]>`
    select f.tenant_id as "tenantId", t.family, f.state, f.version, f.drifting
    from unnest(${known.map((x) => x.tenantId)}::text[], ${known.map((x) => x.family)}::text[], ${known.map((x) => x.version)}::int[]) as t (tenant_id, family, version)
      join semantic_family f on f.tenant_id = t.tenant_id and f.family = decode(t.family, 'hex') and f.version <> t.version`;
}

/** Locks a family until the transaction ends, so that one learner at a time goes on from its state; makes it where it is new. */
export async function lockFamily(
  tx: Sql,
  of: FamilyId & { readonly endpoint: string; readonly model: string; readonly state: string; readonly nowMs: number },
): Promise<StoredFamily> {
  await tx`
    insert into semantic_family (tenant_id, family, endpoint, model, state, version, drifting, updated_at_ms)
    values (${of.tenantId}, decode(${of.family}, 'hex'), ${of.endpoint}, ${of.model}, ${of.state}, 1, false, ${of.nowMs}::float8) on conflict do nothing`;
  const rows = await tx<StoredFamily[]>`
    select tenant_id as "tenantId", encode(family, 'hex') as family, state, version, drifting
    from semantic_family where tenant_id = ${of.tenantId} and family = decode(${of.family}, 'hex') for update`;
  return rows[0] as StoredFamily;
}

/** Writes what was learned, under the lock, and tells the workers. */
export async function saveFamily(
  tx: Sql,
  of: FamilyId & { readonly state: string; readonly drifting: boolean; readonly nowMs: number },
): Promise<void> {
  await tx`
    update semantic_family set state = ${of.state}, drifting = ${of.drifting}, version = version + 1, updated_at_ms = ${of.nowMs}::float8
    where tenant_id = ${of.tenantId} and family = decode(${of.family}, 'hex')`;
  await tellWorkers(tx);
}
