import type { Sql } from "./connect.ts";

/** The answer that a job ends with. */
export interface NewResult {
  readonly jobId: string;
  readonly tenantId: string;
  /** The attempt that holds the body: the job's own, or the source of a reuse hit. */
  readonly attemptId: string;
  readonly source: "lane" | "reuse";
  readonly statusCode: number;
  readonly expiresAtMs: number;
}

/** Inserts results; a job has one, so a second is left out. `fresh`: see `isNotFresh`. */
export async function recordResults(tx: Sql, rows: readonly NewResult[], nowMs: number, fresh = false): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into result (job_id, tenant_id, attempt_id, source, status_code, created_at_ms, expires_at_ms)
    select job_id, tenant_id, attempt_id, source, status_code, ${nowMs}::float8, expires_at_ms
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.tenantId)}::text[], ${rows.map((x) => x.attemptId)}::text[],
      ${rows.map((x) => x.source)}::text[], ${rows.map((x) => x.statusCode)}::int[], ${rows.map((x) => x.expiresAtMs)}::float8[])
      as t (job_id, tenant_id, attempt_id, source, status_code, expires_at_ms)
    ${fresh ? tx`` : tx`on conflict (job_id) do nothing`}`;
}
