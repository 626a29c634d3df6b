import type { Sql } from "./connect.ts";

/**
 * Commits that these attempts are about to be sent. Only those returned may be: an attempt that another worker took, or that
 * a cancel voided meanwhile, is not among them. This is the fence against sending twice.
 */
export async function markSending(tx: Sql, attemptIds: readonly string[], nowMs: number): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update attempt a set state = 'sending', sent_at_ms = ${nowMs}::float8
    where a.id = any(${attemptIds as string[]}::text[]) and a.state = 'intent'
      and exists (select 1 from job j where j.id = a.job_id and j.state = ${"placed"})
    returning a.id`;
  return rows.map((row) => row.id);
}
