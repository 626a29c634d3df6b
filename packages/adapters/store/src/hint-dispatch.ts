import type { Sql } from "./connect.ts";

/**
 * A provider said that a batch has changed: its next poll is due now, and where a worker holds it just now, as soon as that one is done. Returns the
 * dispatch to ring; `null` for a batch that is not known, has ended or is due anyway.
 */
export async function hintDispatch(
  tx: Sql,
  input: { readonly lane: string; readonly providerRef: string; readonly nowMs: number },
): Promise<string | null> {
  const rows = await tx<{ id: string }[]>`
    update dispatch set next_poll_at_ms = least(next_poll_at_ms, ${input.nowMs}::float8), hinted = lease_until_real_ms is not null
    where state = 'submitted' and provider_ref = ${input.providerRef} and lane = ${input.lane}
      and (next_poll_at_ms > ${input.nowMs}::float8 or (lease_until_real_ms is not null and not hinted))
    returning id`;
  return rows[0]?.id ?? null;
}
