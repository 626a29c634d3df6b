import type { Sql } from "./connect.ts";

/**
 * Forgets every reusable answer that the emulator gave, so that none is served as a real provider's. Done at a start with a provider
 * key, before any app runs. Returns how many went.
 */
export async function forgetEmulatedReuse(tx: Sql): Promise<number> {
  const gone = await tx`delete from reuse_entry r using attempt a where a.id = r.attempt_id and a.emulated`;
  const near = await tx<{ tenant: string }[]>`
    delete from semantic_entry e using attempt a where a.id = e.attempt_id and a.emulated returning e.tenant_id as tenant`;
  // What was learned from made-up answers is nothing.
  if (near.length > 0) await tx`delete from semantic_family where tenant_id = any(${[...new Set(near.map((row) => row.tenant))]}::text[])`;
  return gone.count + near.length;
}
