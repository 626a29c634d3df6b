import type { Sql } from "./connect.ts";

/** An attempt of a dispatch with where its job's body lies. */
export interface ChunkRow {
  readonly attemptId: string;
  readonly jobId: string;
  readonly state: string;
  readonly seq: number;
  readonly endpoint: string;
  readonly model: string;
  readonly body: string | null;
  readonly bodyBlobKey: string | null;
  readonly bodyOffset: number | null;
  readonly bodyBytes: number;
  readonly tenantId: string;
  readonly role: string;
  readonly inputTokensEst: number;
  readonly outputTokensEst: number;
  readonly deadlineAtMs: number | null;
  readonly acceptedAtMs: number;
  /** Whether its job would have been late in real time, too; `null` where that is not known. */
  readonly yields: boolean | null;
  /** What the decision says of the prompt cache, as JSON; `null` for nothing. */
  readonly promptCache: string | null;
}

/** The attempts of a dispatch, those with one prompt prefix together, then in line order; `states` narrows them. Bodies in blobs come as ranges. */
export async function readChunk(tx: Sql, input: { readonly dispatchId: string; readonly states: readonly string[] }): Promise<ChunkRow[]> {
  return await tx<ChunkRow[]>`
    select a.id as "attemptId", a.job_id as "jobId", a.state, a.seq, a.tenant_id as "tenantId", a.role, j.endpoint, j.model, j.body, j.body_blob_key as "bodyBlobKey",
      j.body_offset as "bodyOffset", j.body_bytes as "bodyBytes", j.input_tokens_est as "inputTokensEst", j.output_tokens_est as "outputTokensEst", j.deadline_at_ms as "deadlineAtMs", j.accepted_at_ms as "acceptedAtMs", j.yields,
      case when strpos(a.decision, '"promptCache"') > 0 then a.decision::json ->> 'promptCache' end as "promptCache"
    from attempt a join job j on j.id = a.job_id
    where a.dispatch_id = ${input.dispatchId} and a.state = any(${input.states as string[]}::text[])
    order by j.prefix nulls first, j.batch_id, j.line_no, a.id`;
}

/** Moves attempts of a dispatch that were sent into the batch that holds them now. */
export async function placeAttempts(tx: Sql, input: { readonly dispatchId: string; readonly nowMs: number }): Promise<number> {
  const done = await tx`
    update attempt set state = 'placed', sent_at_ms = coalesce(sent_at_ms, ${input.nowMs}::float8)
    where dispatch_id = ${input.dispatchId} and state = 'sending'`;
  return done.count;
}

/**
 * Commits that these attempts are about to be sent as lines of one file, in this order, and numbers them. Only those returned may be sent,
 * in the order of their lines: what was cancelled or taken back meanwhile is not among them, and is voided.
 */
export async function sendAsLines(tx: Sql, attemptIds: readonly string[], nowMs: number): Promise<string[]> {
  const ids = attemptIds as string[];
  const rows = await tx<{ id: string; n: number }[]>`
    update attempt a set state = 'sending', sent_at_ms = coalesce(a.sent_at_ms, ${nowMs}::float8), batch_line = t.n
    from unnest(${ids}::text[]) with ordinality as t (id, n)
    where a.id = t.id and a.state in ('intent', 'sending') and exists (select 1 from job j where j.id = a.job_id and j.state = 'placed' and j.attempt_id = a.id)
    returning a.id, t.n::int as n`;
  await tx`
    update attempt a set state = 'void', outcome = 'unsent', error_code = 'overtaken', answered_at_ms = ${nowMs}::float8
    where a.id = any(${ids}::text[]) and a.state = 'intent'`;
  return rows.sort((a, b) => a.n - b.n).map((row) => row.id);
}

/** The lines of a dispatch's file in its order, whatever has become of them since. */
export async function readLines(tx: Sql, dispatchId: string): Promise<{ attemptId: string; state: string }[]> {
  return await tx<{ attemptId: string; state: string }[]>`
    select id as "attemptId", state from attempt where dispatch_id = ${dispatchId} and batch_line is not null order by batch_line`;
}

/** Voids what of a dispatch was never sent and never will be, since its job has ended or moved on. */
export async function voidLeftovers(tx: Sql, dispatchId: string, nowMs: number): Promise<void> {
  await tx`
    update attempt a set state = 'void', outcome = 'unsent', error_code = 'overtaken', answered_at_ms = ${nowMs}::float8
    where a.dispatch_id = ${dispatchId} and a.state = 'intent'
      and not exists (select 1 from job j where j.id = a.job_id and j.state = 'placed' and j.attempt_id = a.id)`;
}
