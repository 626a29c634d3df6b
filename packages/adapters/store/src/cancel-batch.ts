import { batchSourcesOf, sourcesOf } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/**
 * Cancels a tenant's batch that has not ended: the batch becomes `cancelling` and its live jobs `cancelled`, with the jobs that waited
 * for their answer made due. It stays `cancelling` until what is out for its jobs has come back (`beginFinalise`), and an answer that comes
 * meanwhile supersedes the cancel of its job. The row lock lets no populating transaction in between. Returns false when it is not cancellable.
 */
export async function cancelBatch(tx: Sql, input: { readonly tenantId: string; readonly id: string; readonly nowMs: number }): Promise<boolean> {
  const done = await tx`
    update batch set state = 'cancelling', cancelling_at_ms = ${input.nowMs}::float8, version = version + 1, lease_until_real_ms = null
    where id = ${input.id} and tenant_id = ${input.tenantId} and state = any(${batchSourcesOf("cancelling")}::text[]) and deleted_at_ms is null`;
  if (done.count === 0) return false;
  await tx`
    with ended as (
      update job set state = 'cancelled', ended_at_ms = ${input.nowMs}::float8, next_decision_at_ms = null, leader_id = null, held_for = null, version = version + 1
      where batch_id = ${input.id} and state = any(${sourcesOf("cancelled")}::text[]) returning id),
    released as (update budget_open set look_real_ms = 0 where subject_id = ${input.id} or subject_id in (select id from ended))
    update job j set next_decision_at_ms = ${input.nowMs}::float8, leader_id = null from ended e
    where j.leader_id = e.id and j.state = 'accepted' and j.batch_id is distinct from ${input.id}`;
  return true;
}
