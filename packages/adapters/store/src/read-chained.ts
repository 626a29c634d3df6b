import type { Sql } from "./connect.ts";

/** Of these attempts, those whose job names other models that may answer; `model` where one of them was asked. */
export async function readChained(tx: Sql, attemptIds: readonly string[]): Promise<{ attemptId: string; model: string | null }[]> {
  if (attemptIds.length === 0) return [];
  return await tx<{ attemptId: string; model: string | null }[]>`
    select a.id as "attemptId", a.model from attempt a join job j on j.id = a.job_id
    where a.id = any(${attemptIds as string[]}::text[]) and j.fallbacks is not null`;
}
