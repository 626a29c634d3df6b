import { fault, isId, LIMITS } from "@slowboat/kernel";
import { type BatchRow, type BatchUsage, cancelBatch, countBatchJobs, listBatches, readBatch, sumBatchUsage } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv, Mount } from "../http/env.ts";
import { pageAfter, pageLimit, pageObject } from "../http/query.ts";
import { batchObject, hasEnded } from "./batch-object.ts";
import { createBatch } from "./create-batch.ts";

const SURFACES = ["openai", "native"] as const;
const USAGE_CACHE_MAX = 2000;

/** The Batch API: create, retrieve, list, cancel. */
export const batchRoutes: Mount = (app, deps) => {
  const show = batchShower(deps);

  app.post("/v1/batches", async (c) => {
    const { batch, replayed } = await createBatch(deps, c);
    if (replayed) c.header("idempotent-replayed", "true");
    return c.json(replayed ? (await show([batch]))[0] : batchObject(batch));
  });

  app.get("/v1/batches", async (c) => {
    const limit = pageLimit(c, 20, LIMITS.listPage);
    const rows = await listBatches(deps.store.sql, { tenantId: c.get("caller").tenantId, surfaces: SURFACES, limit, ...pageAfter(c, ["batch"]) });
    const shown = new Map((await show(rows.slice(0, limit))).map((object) => [object["id"], object]));
    return c.json(pageObject(rows, limit, (row) => shown.get(row.id)));
  });

  app.get("/v1/batches/:id", async (c) => c.json((await show([await found(deps, c, c.req.param("id"))]))[0]));

  app.post("/v1/batches/:id/cancel", async (c) => {
    const { id, tenantId } = await found(deps, c, c.req.param("id"));
    if (await deps.store.begin((tx) => cancelBatch(tx, { tenantId, id, nowMs: deps.clock.job() }))) {
      deps.logger.info({ batchId: id, tenantId }, "batch-cancelled");
      deps.desk.wakePlanner();
      await deps.queue.ring("finalise", [{ batchId: id }]).catch(() => undefined);
    }
    const now = await found(deps, c, id);
    if (now.state !== "cancelling" && now.state !== "cancelled") {
      throw fault("wrong-state", { message: `Cannot cancel a batch with status '${now.state}'.` });
    }
    return c.json((await show([now]))[0]);
  });
};

async function found(deps: AppDeps, c: Context<AppEnv>, id: string): Promise<BatchRow> {
  const row = isId("batch", id) ? await readBatch(deps.store.sql, { tenantId: c.get("caller").tenantId, id, surfaces: SURFACES }) : null;
  if (row === null) throw fault("not-found", { message: `No batch found with id '${id.slice(0, 64)}'.` });
  return row;
}

/** Shows batches with their lines counted. An ended batch's usage is summed once and remembered, since it reads every line. */
function batchShower(deps: AppDeps): (rows: readonly BatchRow[]) => Promise<Record<string, unknown>[]> {
  const sums = new Map<string, BatchUsage>();
  const usageOf = async (batch: BatchRow): Promise<BatchUsage | null> => {
    if (!hasEnded(batch) || batch.state === "failed") return null;
    const key = `${batch.id}/${batch.version}`;
    const known = sums.get(key);
    if (known) return known;
    const sum = await sumBatchUsage(deps.store.sql, { tenantId: batch.tenantId, id: batch.id });
    if (sums.size >= USAGE_CACHE_MAX) sums.clear();
    sums.set(key, sum);
    return sum;
  };
  return async (rows) => {
    const [first] = rows;
    if (!first) return [];
    const counts = await countBatchJobs(deps.store.sql, { tenantId: first.tenantId, ids: rows.map((row) => row.id) });
    const shown: Record<string, unknown>[] = [];
    for (const row of rows) shown.push(batchObject(row, counts.get(row.id), await usageOf(row)));
    return shown;
  };
}
