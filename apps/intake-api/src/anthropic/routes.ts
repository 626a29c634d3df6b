import { fault, isId, retentionMs } from "@slowboat/kernel";
import {
  type BatchCounts,
  type BatchRow,
  cancelBatch,
  countBatchJobs,
  deleteMessageBatch,
  isEmulatedBatch,
  listBatches,
  readBatch,
} from "@slowboat/store";
import type { Context } from "hono";
import { type App, type AppDeps, type AppEnv, EMULATED_LABEL, type Mount } from "../http/env.ts";
import { type MessageBatchCounts, messageBatchObject, processingStatus } from "./batch-object.ts";
import { createBatch } from "./create-batch.ts";
import { listLimit } from "./list-limit.ts";
import { resultsStream } from "./results.ts";
import { versionHeaders } from "./version.ts";

/** The Message Batches API: create, list, retrieve, cancel, delete and results, in Anthropic's shapes. */
export const anthropicRoutes: Mount = (app: App, deps: AppDeps): void => {
  app.post("/v1/messages/batches", async (c) => {
    versionHeaders(c.req.raw.headers);
    const { row, replayed } = await createBatch(deps, c);
    if (replayed) c.header("idempotent-replayed", "true");
    else deps.logger.info({ batchId: row.id, tenantId: row.tenantId, requests: row.total }, "batch-accepted");
    return c.json(await shown(deps, c, row));
  });

  app.get("/v1/messages/batches", async (c) => {
    versionHeaders(c.req.raw.headers);
    const limit = listLimit(c.req.query("limit"));
    const after = cursor(c.req.query("after_id"), "after_id");
    const before = cursor(c.req.query("before_id"), "before_id");
    if (after !== undefined && before !== undefined)
      throw fault("invalid-request", { param: "before_id", message: "before_id: give either after_id or before_id" });
    const rows = await listBatches(deps.store.sql, {
      tenantId: c.get("caller").tenantId,
      surfaces: ["anthropic"],
      limit,
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
    });
    const more = rows.length > limit;
    const page = !more ? rows : before === undefined ? rows.slice(0, limit) : rows.slice(1);
    const data = await shownAll(deps, c, page);
    return c.json({ data, has_more: more, first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null });
  });

  app.get("/v1/messages/batches/:id", async (c) => {
    versionHeaders(c.req.raw.headers);
    const row = await found(deps, c);
    if (processingStatus(row.state) !== "ended") c.header("retry-after", "10");
    return c.json(await shown(deps, c, row));
  });

  app.post("/v1/messages/batches/:id/cancel", async (c) => {
    versionHeaders(c.req.raw.headers);
    const { id, tenantId } = await found(deps, c);
    const cancelled = await deps.store.begin((tx) => cancelBatch(tx, { tenantId, id, nowMs: deps.clock.job() }));
    if (cancelled) {
      deps.logger.info({ batchId: id, tenantId }, "batch-cancelled");
      await deps.queue.ring("finalise", [{ batchId: id }]).catch(() => undefined);
    }
    return c.json(await shown(deps, c, await found(deps, c)));
  });

  app.delete("/v1/messages/batches/:id", async (c) => {
    versionHeaders(c.req.raw.headers);
    const { id, tenantId } = await found(deps, c);
    const blobKey = await deleteMessageBatch(deps.store.sql, { tenantId, id, nowMs: deps.clock.job() });
    if (blobKey === null) throw fault("invalid-request", { message: "In progress batches cannot be deleted. Consider canceling the batch instead." });
    await deps.blob.remove(blobKey);
    return c.json({ id, type: "message_batch_deleted" });
  });

  app.get("/v1/messages/batches/:id/results", async (c) => {
    versionHeaders(c.req.raw.headers);
    const row = await found(deps, c);
    if (processingStatus(row.state) !== "ended" || archivedAtMs(deps, c, row) !== null) {
      throw fault("not-found", { message: `Message Batch ${row.id} has no available results.` });
    }
    if (deps.house.emulated && (await isEmulatedBatch(deps.store.sql, row))) c.header("x-slowboat-emulated", EMULATED_LABEL);
    return c.body(resultsStream({ sql: deps.store.sql, blob: deps.blob }, row), 200, { "content-type": "application/x-jsonl" });
  });
};

async function found(deps: AppDeps, c: Context<AppEnv>): Promise<BatchRow> {
  const id = c.req.param("id") ?? "";
  const row = isId("messageBatch", id) ? await readBatch(deps.store.sql, { tenantId: c.get("caller").tenantId, id, surfaces: ["anthropic"] }) : null;
  if (row === null) throw fault("not-found", { message: `Message Batch ${id.slice(0, 64)} not found.` });
  return row;
}

const shown = async (deps: AppDeps, c: Context<AppEnv>, row: BatchRow): Promise<Record<string, unknown>> => (await shownAll(deps, c, [row]))[0] ?? {};

const NO_COUNTS: MessageBatchCounts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };

/** The rows as objects; lines are counted for ended batches only, since the others show none. */
async function shownAll(deps: AppDeps, c: Context<AppEnv>, rows: readonly BatchRow[]): Promise<Record<string, unknown>[]> {
  const ended = rows.filter((row) => processingStatus(row.state) === "ended").map((row) => row.id);
  const counts =
    ended.length === 0 ? new Map<string, never>() : await countBatchJobs(deps.store.sql, { tenantId: c.get("caller").tenantId, ids: ended });
  return rows.map((row) => {
    const lines = counts.get(row.id);
    return messageBatchObject(row, lines === undefined ? NO_COUNTS : countsOf(row, lines), {
      origin: originOf(c),
      archivedAtMs: archivedAtMs(deps, c, row),
    });
  });
}

/** A batch that ended before its requests were read has no lines for them: they were canceled, or errored with a batch that could not run. */
function countsOf(row: BatchRow, lines: BatchCounts): MessageBatchCounts {
  const unread = Math.max(0, row.total - lines.completed - lines.failed - lines.cancelled - lines.live);
  const failed = row.state === "failed";
  return {
    processing: lines.live,
    succeeded: lines.completed,
    errored: lines.failed + (failed ? unread : 0),
    canceled: lines.cancelled + (failed ? 0 : unread),
    expired: 0,
  };
}

/** Results are kept for the tenant's retention, counted from the batch's end; `null` while they are. */
function archivedAtMs(deps: AppDeps, c: Context<AppEnv>, row: BatchRow): number | null {
  if (row.endedAtMs === null || row.forgottenAtMs !== null) return row.forgottenAtMs;
  const atMs = row.endedAtMs + retentionMs(c.get("caller").retentionDays);
  return atMs <= deps.clock.job() ? atMs : null;
}

/** Where the caller reached us; a proxy that ends TLS says so. */
function originOf(c: Context<AppEnv>): string {
  const url = new URL(c.req.url);
  return c.req.header("x-forwarded-proto") === "https" ? `https://${url.host}` : url.origin;
}

function cursor(id: string | undefined, param: string): string | undefined {
  if (id !== undefined && !isId("messageBatch", id))
    throw fault("invalid-request", { param, message: `${param}: '${id.slice(0, 64)}' is not a batch id` });
  return id;
}
