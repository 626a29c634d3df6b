import type { Sql } from "./connect.ts";

/** A provider's raw answer on its way to the attempt: what was paid for, or the refusal that is the caller's answer. */
export interface SavedAnswer {
  readonly attemptId: string;
  readonly statusCode: number;
  /** Raw JSON text as the provider wrote it. */
  readonly body: string;
  readonly requestId: string | null;
  readonly errorCode: string | null;
}

/**
 * Commits raw answers on their attempts, whoever holds the lease: what was paid for is kept even from a late writer. An attempt
 * that already has an answer, or was settled or voided, is left alone. Returns the ids that were taken.
 */
export async function saveAnswers(
  tx: Sql,
  answers: readonly SavedAnswer[],
  at: { readonly nowMs: number; readonly realMs: number },
): Promise<string[]> {
  if (answers.length === 0) return [];
  const rows = await tx<{ id: string }[]>`
    with taken as (
    update attempt a set state = 'answered', status_code = t.status_code, answer = t.body, request_id = t.request_id, error_code = t.error_code,
      answered_at_ms = ${at.nowMs}::float8, answered_real_ms = ${at.realMs}::float8
    from unnest(${answers.map((x) => x.attemptId)}::text[], ${answers.map((x) => x.statusCode)}::int[], ${answers.map((x) => x.body)}::text[],
      ${answers.map((x) => x.requestId)}::text[], ${answers.map((x) => x.errorCode)}::text[]) as t (id, status_code, body, request_id, error_code)
    where a.id = t.id and a.state in ('sending', 'placed', 'unknown')
    returning a.id, octet_length(a.answer) as bytes),
    waiting as (insert into unsettled (attempt_id, bytes) select id, bytes from taken)
    select id from taken`;
  return rows.map((row) => row.id);
}
