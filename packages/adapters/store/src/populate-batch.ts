import type { BatchRow } from "./batches.ts";
import type { Sql } from "./connect.ts";

/** A batch under a populate lease; a write with another `leaseGen` is a late writer's and changes nothing. */
export type PopulatingBatch = Omit<BatchRow, "lineCounts" | "lookRealMs" | "forgottenAtMs"> & {
  readonly allowUnpriced: boolean;
  /** True where a budget was set for the tenant or one of its projects. */
  readonly budgeted: boolean;
  /** The tenant's own chain, as JSON; `null` for none. */
  readonly tenantFallbacks: string | null;
  /** Which models the tenant lets be asked where another was named, as JSON; `null` for all. */
  readonly tenantModels: string | null;
};

/** Takes a validating batch for `leaseMs` of machine time; `null` when it is not validating or another has it. */
export async function leasePopulate(
  tx: Sql,
  input: { readonly batchId: string; readonly realMs: number; readonly leaseMs: number },
): Promise<PopulatingBatch | null> {
  const rows = await tx<PopulatingBatch[]>`
    update batch b set lease_gen = b.lease_gen + 1, lease_until_real_ms = ${input.realMs + input.leaseMs}::float8
    from tenant t
    where b.id = ${input.batchId} and t.id = b.tenant_id and b.state = 'validating'
      and (b.lease_until_real_ms is null or b.lease_until_real_ms < ${input.realMs}::float8)
    returning b.id, b.tenant_id as "tenantId", b.key_id as "keyId", b.surface, b.endpoint, b.state, b.input_file_id as "inputFileId",
      b.input_blob_key as "inputBlobKey", b.completion_window as "completionWindow", b.deadline_at_ms as "deadlineAtMs",
      b.lanes_allow as "lanesAllow", b.lanes_deny as "lanesDeny", b.reuse_mode as "reuseMode", b.callback_url as "callbackUrl", b.metadata,
      b.errors, b.model, b.total, b.output_file_id as "outputFileId", b.error_file_id as "errorFileId", b.lease_gen as "leaseGen",
      b.lease_until_real_ms as "leaseUntilRealMs", b.created_at_ms as "createdAtMs", b.in_progress_at_ms as "inProgressAtMs",
      b.finalizing_at_ms as "finalizingAtMs", b.cancelling_at_ms as "cancellingAtMs", b.ended_at_ms as "endedAtMs",
      b.deleted_at_ms as "deletedAtMs", b.version, b.output_life_ms as "outputLifeMs", b.fallbacks, b.admission, t.fallbacks as "tenantFallbacks", t.models as "tenantModels",
      t.allow_unpriced as "allowUnpriced",
      t.budgeted`;
  return rows[0] ?? null;
}

/** Prolongs the lease and locks the row until the transaction ends; false when the batch was cancelled or taken over. */
export async function holdPopulate(
  tx: Sql,
  input: { readonly batchId: string; readonly leaseGen: number; readonly realMs: number; readonly leaseMs: number },
): Promise<boolean> {
  const done = await tx`
    update batch set lease_until_real_ms = ${input.realMs + input.leaseMs}::float8
    where id = ${input.batchId} and lease_gen = ${input.leaseGen} and state = 'validating'`;
  return done.count === 1;
}

/** Ends populating: all lines are in. False when the batch was cancelled or taken over. */
export async function beginProgress(
  tx: Sql,
  input: { readonly batchId: string; readonly leaseGen: number; readonly total: number; readonly model: string | null; readonly nowMs: number },
): Promise<boolean> {
  const done = await tx`
    with released as (update budget_open set look_real_ms = 0 where subject_id = ${input.batchId})
    update batch set state = 'in_progress', total = ${input.total}, model = ${input.model}, in_progress_at_ms = ${input.nowMs}::float8,
      lease_until_real_ms = null, version = version + 1
    where id = ${input.batchId} and lease_gen = ${input.leaseGen} and state = 'validating'`;
  return done.count === 1;
}

/** Ends a batch whose input is not usable; `errors` is the JSON of what is wrong. Returns the new version, or `null` when it was taken over. */
export async function failBatch(
  tx: Sql,
  input: { readonly batchId: string; readonly leaseGen: number; readonly errors: string; readonly nowMs: number },
): Promise<number | null> {
  const rows = await tx<{ version: number }[]>`
    with released as (update budget_open set look_real_ms = 0 where subject_id = ${input.batchId})
    update batch set state = 'failed', errors = ${input.errors}, ended_at_ms = ${input.nowMs}::float8, lease_until_real_ms = null, version = version + 1
    where id = ${input.batchId} and lease_gen = ${input.leaseGen} and state = 'validating' returning version`;
  return rows[0]?.version ?? null;
}

/** Gives a populate lease back, so that another may start at once. */
export async function releasePopulate(tx: Sql, input: { readonly batchId: string; readonly leaseGen: number }): Promise<void> {
  await tx`update batch set lease_until_real_ms = null where id = ${input.batchId} and lease_gen = ${input.leaseGen} and state = 'validating'`;
}

/** Batches that wait to be populated and that nobody holds: never rung, or their worker died. */
export async function findUnpopulated(tx: Sql, input: { readonly realMs: number; readonly limit: number }): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    select id from batch where state = 'validating' and (lease_until_real_ms is null or lease_until_real_ms < ${input.realMs}::float8)
    order by id limit ${input.limit}`;
  return rows.map((row) => row.id);
}
