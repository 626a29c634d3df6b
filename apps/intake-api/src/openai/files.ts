import { fault, isId } from "@slowboat/kernel";
import { deleteFile, type FileRow, forgettableFiles, isEmulatedFile, listFiles, markBlobGone, readFileRow } from "@slowboat/store";
import type { Context } from "hono";
import { type AppDeps, type AppEnv, EMULATED_LABEL, type Mount } from "../http/env.ts";
import { pageAfter, pageLimit, pageObject } from "../http/query.ts";
import { takeUpload } from "./upload.ts";

const FILES_MAX = 10_000;

const fileObject = (file: FileRow): Record<string, unknown> => ({
  id: file.id,
  object: "file",
  bytes: file.sizeBytes,
  created_at: Math.floor(file.createdAtMs / 1000),
  expires_at: file.expiresAtMs === null ? null : Math.floor(file.expiresAtMs / 1000),
  filename: file.filename,
  purpose: file.purpose,
  status: "processed",
  status_details: null,
});

/** The Files API: upload, list, retrieve, content, delete. */
export const fileRoutes: Mount = (app, deps) => {
  app.post("/v1/files", async (c) => {
    const { row, replayed } = await takeUpload(deps, c);
    if (replayed) c.header("idempotent-replayed", "true");
    else deps.logger.info({ fileId: row.id, tenantId: row.tenantId, purpose: row.purpose, sizeBytes: row.sizeBytes }, "file-stored");
    return c.json(fileObject(row));
  });

  app.get("/v1/files", async (c) => {
    const limit = pageLimit(c, FILES_MAX, FILES_MAX);
    const order = c.req.query("order") ?? "desc";
    if (order !== "asc" && order !== "desc") throw fault("invalid-request", { param: "order", message: "'order' must be 'asc' or 'desc'." });
    const purpose = c.req.query("purpose");
    if (purpose !== undefined && !/^[a-z_-]{1,32}$/.test(purpose))
      throw fault("invalid-request", { param: "purpose", message: "'purpose' is not the name of a purpose." });
    const rows = await listFiles(deps.store.sql, {
      tenantId: c.get("caller").tenantId,
      nowMs: deps.clock.job(),
      limit,
      order,
      ...(purpose === undefined ? {} : { purpose }),
      ...pageAfter(c, ["file"]),
    });
    return c.json(pageObject(rows, limit, fileObject));
  });

  app.get("/v1/files/:id", async (c) => c.json(fileObject(await found(deps, c, c.req.param("id")))));

  app.get("/v1/files/:id/content", async (c) => {
    const file = await found(deps, c, c.req.param("id"));
    if (deps.house.emulated && (await isEmulatedFile(deps.store.sql, file))) c.header("x-slowboat-emulated", EMULATED_LABEL);
    c.header("content-type", "application/octet-stream");
    c.header("content-length", String(file.sizeBytes));
    c.header("content-disposition", `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`);
    return c.body(ReadableStream.from(deps.blob.get(file.blobKey)) as unknown as ReadableStream);
  });

  app.delete("/v1/files/:id", async (c) => {
    const file = await found(deps, c, c.req.param("id"));
    const nowMs = deps.clock.job();
    if (!(await deleteFile(deps.store.sql, { tenantId: file.tenantId, id: file.id, nowMs }))) throw notFound(file.id);
    // The blob goes now when no live batch reads it, and with the sweep after that batch has ended otherwise.
    for (const gone of await forgettableFiles(deps.store.sql, { nowMs, limit: 1, id: file.id })) {
      await deps.blob.remove(gone.blobKey);
      await markBlobGone(deps.store.sql, [gone.id]);
    }
    deps.logger.info({ fileId: file.id, tenantId: file.tenantId }, "file-deleted");
    return c.json({ id: file.id, object: "file", deleted: true });
  });
};

const notFound = (id: string): Error => fault("not-found", { param: "id", message: `No such File object: ${id.slice(0, 64)}` });

async function found(deps: AppDeps, c: Context<AppEnv>, id: string): Promise<FileRow> {
  const row = isId("file", id) ? await readFileRow(deps.store.sql, { tenantId: c.get("caller").tenantId, id, nowMs: deps.clock.job() }) : null;
  if (row === null) throw notFound(id);
  return row;
}
