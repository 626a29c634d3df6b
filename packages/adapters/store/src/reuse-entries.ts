import type { Sql } from "./connect.ts";

/** An answer that may be given again. */
export interface ReuseEntry {
  readonly tenantId: string;
  readonly reuseKey: Uint8Array;
  readonly jobId: string;
  readonly attemptId: string;
  readonly expiresAtMs: number;
}

/** Keeps answers for exact reuse; the newest of a key wins. */
export async function keepReusable(tx: Sql, rows: readonly ReuseEntry[], nowMs: number): Promise<void> {
  const last = new Map(rows.map((row) => [`${row.tenantId} ${Buffer.from(row.reuseKey).toString("hex")}`, row]));
  if (last.size === 0) return;
  const unique = [...last.values()];
  await tx`
    insert into reuse_entry (tenant_id, reuse_key, job_id, attempt_id, created_at_ms, expires_at_ms)
    select tenant_id, decode(reuse_key, 'hex'), job_id, attempt_id, ${nowMs}::float8, expires_at_ms
    from unnest(${unique.map((x) => x.tenantId)}::text[], ${unique.map((x) => Buffer.from(x.reuseKey).toString("hex"))}::text[],
      ${unique.map((x) => x.jobId)}::text[], ${unique.map((x) => x.attemptId)}::text[], ${unique.map((x) => x.expiresAtMs)}::float8[])
      as t (tenant_id, reuse_key, job_id, attempt_id, expires_at_ms)
    on conflict (tenant_id, reuse_key) do update set job_id = excluded.job_id, attempt_id = excluded.attempt_id,
      created_at_ms = excluded.created_at_ms, expires_at_ms = excluded.expires_at_ms`;
}

/** What is known of a key: a kept answer, or a job on a lane whose answer will do. */
export interface ReuseHit {
  readonly tenantId: string;
  /** Hex. */
  readonly reuseKey: string;
  readonly attemptId: string | null;
  /** Whether the kept answer is an emulator's; `null` where none is kept. */
  readonly emulated: boolean | null;
  readonly leaderId: string | null;
}

/**
 * Looks up kept answers that have not expired, and placed jobs with the same key; each within its own tenant. The tenant is compared in a way that no
 * index serves: a plan made while the tables were small once walked all jobs of the tenant for each key.
 */
export async function findReusable(
  tx: Sql,
  keys: readonly { readonly tenantId: string; readonly reuseKey: Uint8Array }[],
  nowMs: number,
): Promise<ReuseHit[]> {
  if (keys.length === 0) return [];
  const tenants = keys.map((x) => x.tenantId);
  const hexes = keys.map((x) => Buffer.from(x.reuseKey).toString("hex"));
  return await tx<ReuseHit[]>`
    select t.tenant_id as "tenantId", t.hex as "reuseKey", e.attempt_id as "attemptId",
      (select a.emulated from attempt a where a.id = e.attempt_id) as emulated,
      (select (array_agg(j.id))[1] from job j where j.reuse_key = decode(t.hex, 'hex') and j.state = 'placed' and j.tenant_id || '' = t.tenant_id) as "leaderId"
    from (select distinct tenant_id, hex from unnest(${tenants}::text[], ${hexes}::text[]) as u (tenant_id, hex)) t
      left join reuse_entry e on e.tenant_id = t.tenant_id and e.reuse_key = decode(t.hex, 'hex') and e.expires_at_ms > ${nowMs}::float8`;
}
