import { and, asc, desc, eq, gt, isNull, lt, or } from "drizzle-orm";
import { orm, type Sql } from "./connect.ts";
import { file } from "./schema.ts";

export type FileRow = typeof file.$inferSelect;

/**
 * Inserts a file whose blob is already stored. For a batch's own file, what the batch was created with counts where it is sooner than
 * `expiresAtMs`; the batch must name the file by then.
 */
export async function insertFile(tx: Sql, row: typeof file.$inferInsert): Promise<void> {
  await orm(tx).insert(file).values(row);
  if (row.purpose !== "batch_output") return;
  await tx`
    update file f set expires_at_ms = least(f.expires_at_ms, f.created_at_ms + b.output_life_ms) from batch b
    where f.id = ${row.id} and b.tenant_id = f.tenant_id and b.output_life_ms is not null and f.id in (b.output_file_id, b.error_file_id)`;
}

/** A tenant's live file, neither deleted nor expired at `nowMs`; `null` otherwise. `lock` keeps it from being deleted until the transaction ends. */
export async function readFileRow(
  tx: Sql,
  input: { readonly tenantId: string; readonly id: string; readonly nowMs: number; readonly lock?: boolean },
): Promise<FileRow | null> {
  const query = orm(tx)
    .select()
    .from(file)
    .where(
      and(
        eq(file.tenantId, input.tenantId),
        eq(file.id, input.id),
        isNull(file.deletedAtMs),
        or(isNull(file.expiresAtMs), gt(file.expiresAtMs, input.nowMs)),
      ),
    );
  const rows = await (input.lock ? query.for("share") : query);
  return rows[0] ?? null;
}

/** A page of a tenant's live files by creation, one row more than `limit` when there are more. */
export async function listFiles(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly nowMs: number;
    readonly purpose?: string;
    readonly after?: string;
    readonly limit: number;
    readonly order: "asc" | "desc";
  },
): Promise<FileRow[]> {
  const cursor = input.after === undefined ? undefined : input.order === "desc" ? lt(file.id, input.after) : gt(file.id, input.after);
  return await orm(tx)
    .select()
    .from(file)
    .where(
      and(
        eq(file.tenantId, input.tenantId),
        isNull(file.deletedAtMs),
        or(isNull(file.expiresAtMs), gt(file.expiresAtMs, input.nowMs)),
        input.purpose === undefined ? undefined : eq(file.purpose, input.purpose),
        cursor,
      ),
    )
    .orderBy(input.order === "desc" ? desc(file.id) : asc(file.id))
    .limit(input.limit + 1);
}

/** Marks a tenant's file deleted; returns false when there is no such live file. Its blob is forgotten by `forgettableFiles`. */
export async function deleteFile(tx: Sql, input: { readonly tenantId: string; readonly id: string; readonly nowMs: number }): Promise<boolean> {
  const done = await tx`
    update file set deleted_at_ms = ${input.nowMs} where id = ${input.id} and tenant_id = ${input.tenantId} and deleted_at_ms is null
      and (expires_at_ms is null or expires_at_ms > ${input.nowMs})`;
  return done.count === 1;
}

/**
 * Files that were deleted or have expired, that still own a blob, and that no live batch reads: their blobs may go. `id` narrows it to
 * one file. A blob that is gone is marked by an empty key through `markBlobGone`.
 */
export async function forgettableFiles(
  tx: Sql,
  input: { readonly nowMs: number; readonly limit: number; readonly id?: string },
): Promise<{ id: string; blobKey: string }[]> {
  return await tx<{ id: string; blobKey: string }[]>`
    select f.id, f.blob_key as "blobKey" from file f
    where f.blob_key <> '' and least(f.deleted_at_ms, f.expires_at_ms) <= ${input.nowMs}::float8 ${input.id === undefined ? tx`` : tx`and f.id = ${input.id}`}
      and not exists (select from batch b where b.input_blob_key = f.blob_key and b.state in ('validating', 'in_progress', 'finalizing', 'cancelling'))
    limit ${input.limit}`;
}

/** Notes that a file's blob is gone. */
export async function markBlobGone(tx: Sql, ids: readonly string[]): Promise<void> {
  await tx`update file set blob_key = '' where id = any(${ids as string[]}::text[])`;
}
