import type { Sql } from "./connect.ts";

/** What a caller says of an answer. */
export interface NewFeedback {
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  /** What the word is about: `answer` unless said otherwise. */
  readonly kind: string;
  readonly good: boolean | null;
  /** 0 to 1. */
  readonly score: number | null;
  readonly comment: string | null;
  readonly createdAtMs: number;
}

/** Keeps what a caller said. */
export async function insertFeedback(tx: Sql, row: NewFeedback): Promise<void> {
  await tx`
    insert into feedback (id, tenant_id, job_id, kind, good, score, comment, created_at_ms)
    values (${row.id}, ${row.tenantId}, ${row.jobId}, ${row.kind}, ${row.good}, ${row.score}, ${row.comment}, ${row.createdAtMs}::float8)`;
}
