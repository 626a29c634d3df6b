import type { Sql } from "./connect.ts";

/**
 * Forgets every reusable answer that the emulator gave, so that none is served as a real provider's. Done at a start with a provider
 * key, before any app runs. Returns how many went.
 */
export async function forgetEmulatedReuse(tx: Sql): Promise<number> {
  const gone = await tx`delete from reuse_entry r using attempt a where a.id = r.attempt_id and a.emulated`;
  return gone.count;
}
