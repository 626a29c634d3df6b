import type { Sql } from "./connect.ts";

/** The raw answer of an attempt, to be given again. */
export interface KeptAnswer {
  readonly jobId: string;
  readonly statusCode: number;
  readonly answer: string;
  readonly requestId: string | null;
  readonly emulated: boolean;
}

/** A tenant's attempt with its answer; `null` when it is another's, has none, or its retention has passed. */
export async function readAnswer(tx: Sql, input: { readonly tenantId: string; readonly attemptId: string }): Promise<KeptAnswer | null> {
  const rows = await tx<KeptAnswer[]>`
    select job_id as "jobId", status_code as "statusCode", answer, request_id as "requestId", emulated from attempt
    where id = ${input.attemptId} and tenant_id = ${input.tenantId} and answer is not null and state in ('answered', 'settled')`;
  return rows[0] ?? null;
}
