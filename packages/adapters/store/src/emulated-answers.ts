import type { Sql } from "./connect.ts";

/** Whether any answer of a tenant's batch is an emulator's. Stops at the first one; where there is none it has read every line. */
export async function isEmulatedBatch(tx: Sql, batch: { readonly tenantId: string; readonly id: string }): Promise<boolean> {
  const [row] = await tx<{ emulated: boolean }[]>`
    select exists (select 1 from job j join result r on r.job_id = j.id join attempt a on a.id = r.attempt_id
      where j.batch_id = ${batch.id} and j.tenant_id = ${batch.tenantId} and a.emulated) as emulated`;
  return row?.emulated === true;
}

/** The same of the batch that wrote a file; false for a file of the caller's. */
export async function isEmulatedFile(tx: Sql, file: { readonly tenantId: string; readonly id: string }): Promise<boolean> {
  const [batch] = await tx<{ id: string }[]>`
    select id from batch where tenant_id = ${file.tenantId} and (output_file_id = ${file.id} or error_file_id = ${file.id}) limit 1`;
  return batch !== undefined && (await isEmulatedBatch(tx, { tenantId: file.tenantId, id: batch.id }));
}
