import type { Sql } from "./connect.ts";

/** Runs a part of a transaction that can be taken back alone: what it wrote is undone where it returns `null`. An error fails the whole transaction. */
export async function unlessNull<T>(tx: Sql, work: () => Promise<T | null>): Promise<T | null> {
  await tx`savepoint part`;
  const done = await work();
  if (done === null) await tx`rollback to savepoint part`;
  else await tx`release savepoint part`;
  return done;
}
