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
  readonly deadlineAtMs: number | null;
  readonly acceptedAtMs: number;
}

/** The attempts of a dispatch in line order; `states` narrows them. Bodies in blobs come as ranges. */
export async function readChunk(tx: Sql, input: { readonly dispatchId: string; readonly states: readonly string[] }): Promise<ChunkRow[]> {
  return await tx<ChunkRow[]>`
    select a.id as "attemptId", a.job_id as "jobId", a.state, a.seq, j.endpoint, j.model, j.body, j.body_blob_key as "bodyBlobKey",
      j.body_offset as "bodyOffset", j.body_bytes as "bodyBytes", j.deadline_at_ms as "deadlineAtMs", j.accepted_at_ms as "acceptedAtMs"
    from attempt a join job j on j.id = a.job_id
    where a.dispatch_id = ${input.dispatchId} and a.state = any(${input.states as string[]}::text[])
    order by j.batch_id, j.line_no, a.id`;
}

/** Moves attempts of a dispatch from one of `from` to `to` in one statement and returns their ids. */
export async function moveAttempts(
  tx: Sql,
  input: { readonly dispatchId: string; readonly from: readonly string[]; readonly to: "placed" | "sending"; readonly nowMs: number },
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update attempt set state = ${input.to}, sent_at_ms = coalesce(sent_at_ms, ${input.nowMs}::float8)
    where dispatch_id = ${input.dispatchId} and state = any(${input.from as string[]}::text[]) returning id`;
  return rows.map((row) => row.id);
}
