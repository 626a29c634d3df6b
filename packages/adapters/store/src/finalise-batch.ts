import { batchSourcesOf } from "@slowboat/job";
import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

export type BatchRow = typeof schema.batch.$inferSelect;

/** What the finaliser needs of a batch that it holds. */
export type FinalisingBatch = Pick<BatchRow, "id" | "tenantId" | "keyId" | "surface" | "callbackUrl" | "metadata" | "version" | "deadlineAtMs"> & {
  readonly to: "completed" | "cancelled";
  readonly retentionDays: number;
};

/** Until when what is out for a cancelled line is waited for, as instants of its cancel (job ms): a line cancelled before them is waited for no more. */
export interface CancelGrace {
  /** Of lines whose call is being sent. */
  readonly callsSinceMs: number;
  /** Of lines that ride in a provider's batch. */
  readonly batchesSinceMs: number;
}

/** States of a batch that the finaliser may end. */
const ENDABLE = ["in_progress", ...batchSourcesOf("completed"), ...batchSourcesOf("cancelled")];

/** A cancelled line's attempt that may still bring an answer. One that is answered is always waited for: its settlement is moments away. */
const stillOut = (tx: Sql, batchId: string, grace: CancelGrace) => tx`
  select from job j join attempt a on a.job_id = j.id
  where j.batch_id = ${batchId} and j.state = 'cancelled'
    and (a.state = 'answered' or (a.state = 'sending' and j.ended_at_ms >= ${grace.callsSinceMs}::float8)
      or (a.state = 'placed' and j.ended_at_ms >= ${grace.batchesSinceMs}::float8))`;

/**
 * Takes a batch whose jobs have all ended for finalising: `in_progress` becomes `finalizing`, a cancelling one stays so. `null` when a
 * job is still alive, the lines are not all in, an attempt of a cancelled line is still out, or the batch has ended. What was planned
 * for cancelled lines and never sent is voided first.
 */
export async function beginFinalise(
  tx: Sql,
  input: { readonly batchId: string; readonly nowMs: number; readonly grace: CancelGrace },
): Promise<FinalisingBatch | null> {
  await tx`
    update attempt a set state = 'void', error_code = 'cancelled', answered_at_ms = ${input.nowMs}::float8
    from job j join batch b on b.id = j.batch_id
    where b.id = ${input.batchId} and b.state = any(${ENDABLE}::text[]) and j.batch_id = b.id and j.state = 'cancelled'
      and a.job_id = j.id and a.state = 'intent'`;
  const rows = await tx<FinalisingBatch[]>`
    update batch b set state = case when b.state = 'cancelling' then b.state else 'finalizing' end,
      finalizing_at_ms = coalesce(b.finalizing_at_ms, ${input.nowMs}::float8),
      version = b.version + case when b.state = 'in_progress' then 1 else 0 end
    from tenant n
    where b.id = ${input.batchId} and n.id = b.tenant_id and b.state = any(${ENDABLE}::text[])
      and not exists (select 1 from job j where j.batch_id = b.id and j.state in ('accepted', 'placed'))
      and (b.state = 'cancelling' or (select count(*)::int from job j where j.batch_id = b.id) = b.total)
      and not exists (${stillOut(tx, input.batchId, input.grace)})
    returning b.id, b.tenant_id as "tenantId", b.key_id as "keyId", b.surface, b.callback_url as "callbackUrl", b.metadata, b.version,
      b.deadline_at_ms as "deadlineAtMs", case when b.state = 'cancelling' then 'cancelled' else 'completed' end as "to",
      n.retention_days as "retentionDays"`;
  return rows[0] ?? null;
}

/** How many lines each of a batch's files holds. */
export interface WrittenLines {
  readonly completed: number;
  readonly others: number;
}

/**
 * Ends a finalised batch with the files of its answers, and keeps how its lines ended. `changed` when a cancelled line was answered while the files were
 * written, so that they would contradict the lines: write them again. `gone` when another finaliser did it first. The row lock keeps
 * settlement (`claimAnswered`) from superseding a cancelled line between the count and the end; call it in a transaction.
 */
export async function endBatch(
  tx: Sql,
  input: {
    readonly batchId: string;
    readonly to: "completed" | "cancelled";
    readonly outputFileId: string | null;
    readonly errorFileId: string | null;
    /** `null` where the lines are told from the rows and no file could contradict them. */
    readonly written: WrittenLines | null;
    readonly nowMs: number;
  },
): Promise<"ended" | "changed" | "gone"> {
  const held = await tx`select 1 from batch where id = ${input.batchId} and state = any(${batchSourcesOf(input.to)}::text[]) for update`;
  if (held.length === 0) return "gone";
  const lines = await tx<{ state: string; lane: string; jobs: number; answered: number }[]>`
    select j.state, coalesce(j.lane, 'waiting') as lane, count(*)::int as jobs,
      count(*) filter (where j.state = 'cancelled' and exists (select from attempt a where a.job_id = j.id and a.state = 'answered'))::int as answered
    from job j where j.batch_id = ${input.batchId} group by 1, 2 order by 2, 1`;
  const count = (completed: boolean): number => lines.reduce((sum, line) => sum + ((line.state === "completed") === completed ? line.jobs : 0), 0);
  const same = input.written === null || (count(true) === input.written.completed && count(false) === input.written.others);
  if (!same || lines.some((line) => line.answered > 0)) return "changed";
  const counts = JSON.stringify(lines.map(({ state, lane, jobs }) => ({ state, lane, jobs })));
  await tx`
    update batch set state = ${input.to}, output_file_id = ${input.outputFileId}, error_file_id = ${input.errorFileId}, ended_at_ms = ${input.nowMs}::float8,
      lease_until_real_ms = null, version = version + 1, line_counts = ${counts}
    where id = ${input.batchId}`;
  return "ended";
}

/** Of these batches, those none of whose jobs is alive. */
export async function withoutLiveJobs(tx: Sql, batchIds: readonly string[]): Promise<string[]> {
  if (batchIds.length === 0) return [];
  const rows = await tx<{ id: string }[]>`
    select t.id from unnest(${batchIds as string[]}::text[]) as t (id)
    where not exists (select 1 from job j where j.batch_id = t.id and j.state in ('accepted', 'placed'))`;
  return rows.map((row) => row.id);
}

/** Takes the right to write a batch's files for `leaseMs`: the generation of the lease, or `null` while another finaliser has it. */
export async function leaseBatch(
  tx: Sql,
  input: { readonly batchId: string; readonly realMs: number; readonly leaseMs: number },
): Promise<number | null> {
  const rows = await tx<{ gen: number }[]>`
    update batch set lease_until_real_ms = ${input.realMs + input.leaseMs}::float8, lease_gen = lease_gen + 1
    where id = ${input.batchId} and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8) returning lease_gen as gen`;
  return rows[0]?.gen ?? null;
}

/** Prolongs a finaliser's lease that is still its own; false when it was lost. */
export async function renewBatchLease(
  tx: Sql,
  input: { readonly batchId: string; readonly gen: number; readonly untilRealMs: number },
): Promise<boolean> {
  const done = await tx`
    update batch set lease_until_real_ms = ${input.untilRealMs}::float8
    where id = ${input.batchId} and lease_gen = ${input.gen} and state in ('finalizing', 'cancelling')`;
  return done.count === 1;
}

/**
 * Batches that could be finalised although nobody rang, those not looked at for longest first. Each is looked at once in `spacingMs` of
 * machine time, so that one which waits for what is out keeps no other from its turn.
 */
export async function findFinalisable(
  tx: Sql,
  input: { readonly realMs: number; readonly spacingMs: number; readonly limit: number },
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update batch set look_real_ms = ${input.realMs + input.spacingMs}::float8
    where id in (
      select b.id from batch b
      where b.state in ('in_progress', 'finalizing', 'cancelling') and (b.look_real_ms is null or b.look_real_ms <= ${input.realMs}::float8)
        and not exists (select 1 from job j where j.batch_id = b.id and j.state in ('accepted', 'placed'))
      order by b.look_real_ms nulls first limit ${input.limit} for update skip locked)
    returning id`;
  return rows.map((row) => row.id);
}

/** One line of a batch's outcome. */
export interface BatchLine {
  readonly jobId: string;
  readonly customId: string | null;
  readonly lineNo: number;
  readonly state: string;
  readonly error: string | null;
  readonly statusCode: number | null;
  readonly requestId: string | null;
  readonly answer: string | null;
  /** The endpoint that the line asks, and the model and endpoint that were asked where they are others; else `null`. */
  readonly endpoint: string;
  readonly otherModel: string | null;
  readonly otherEndpoint: string | null;
  readonly answeredAtMs: number | null;
}

/** Answers in one page, as text. One answer may be larger, and then it is a page of its own. */
const PAGE_BYTES = 8 * 1024 * 1024;

/**
 * Streams a batch's ended lines in line order, each once: the completed ones, the others, or all. Read a page at a time, at most `page`
 * lines and about 8 MiB of answers.
 */
export async function* readBatchLines(
  tx: Sql,
  input: { readonly batchId: string; readonly tenantId: string; readonly which: "completed" | "others" | "all"; readonly page: number },
): AsyncGenerator<BatchLine> {
  const states =
    input.which === "completed" ? ["completed"] : input.which === "others" ? ["failed", "cancelled"] : ["completed", "failed", "cancelled"];
  let after = -1;
  for (;;) {
    const rows = await tx<BatchLine[]>`
      with page as (
        select j.id, j.custom_id, j.line_no, j.state, j.error, j.endpoint, r.status_code, r.attempt_id, octet_length(a.answer) as bytes
        from job j left join result r on r.job_id = j.id left join attempt a on a.id = r.attempt_id
        where j.batch_id = ${input.batchId} and j.tenant_id = ${input.tenantId} and j.line_no > ${after} and j.state = any(${states}::text[])
        order by j.line_no limit ${input.page}),
      sized as (select *, sum(coalesce(bytes, 0)) over (order by line_no) - coalesce(bytes, 0) as before from page)
      select p.id as "jobId", p.custom_id as "customId", p.line_no as "lineNo", p.state, p.error, p.status_code as "statusCode",
        a.request_id as "requestId", a.answer, p.endpoint, a.model as "otherModel", a.endpoint as "otherEndpoint", a.answered_at_ms as "answeredAtMs"
      from sized p left join attempt a on a.id = p.attempt_id where p.before < ${PAGE_BYTES} order by p.line_no`;
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.lineNo;
  }
}
