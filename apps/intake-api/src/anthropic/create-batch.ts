import { createHash } from "node:crypto";
import { createMessageBatch, MESSAGE_BATCH_ROUTE, readDeadline } from "@slowboat/intake";
import { fault, LIMITS } from "@slowboat/kernel";
import { type BatchRow, findIdempotency, readBatch } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../http/env.ts";
import { fingerprintOf, idempotencyKey } from "../http/idempotency.ts";
import { cacheMode, deadlineHeader, laneList } from "../http/terms.ts";
import { bodyChunks } from "../interactive/read-body.ts";

/** Creates a message batch out of a request, or finds the one that the same Idempotency-Key made before. */
export async function createBatch(deps: AppDeps, c: Context<AppEnv>): Promise<{ readonly row: BatchRow; readonly replayed: boolean }> {
  const { headers } = c.req.raw;
  const announced = Number(c.req.header("content-length") ?? 0);
  if (announced > LIMITS.messageBatchBytes) throw tooLarge();
  const key = idempotencyKey(c);
  const fingerprint = (bodySha256: string): string => fingerprintOf(headers, bodySha256);
  const earlier = key === null ? null : await earlierBatch(deps, c, key, fingerprint);
  if (earlier !== null) return { row: earlier, replayed: true };
  const deadline = batchDeadline(headers, deps.clock.job());
  return await createMessageBatch(deps, {
    tenantId: c.var.caller.tenantId,
    keyId: c.var.caller.keyId,
    chunks: bodyChunks(c.req.raw),
    deadlineAtMs: deadline.atMs,
    window: deadline.text,
    lanesAllow: laneList(headers, "slowboat-allow"),
    lanesDeny: laneList(headers, "slowboat-deny"),
    reuseMode: cacheMode(headers),
    idempotency: key === null ? null : { key, fingerprint },
  });
}

const tooLarge = (): Error => fault("body-too-large", { message: `A message batch may have at most ${LIMITS.messageBatchBytes} bytes.` });

/** The batch that this key has made: looked for before anything is judged, since its deadline may have passed by now. */
async function earlierBatch(deps: AppDeps, c: Context<AppEnv>, key: string, fingerprint: (sha256: string) => string): Promise<BatchRow | null> {
  const { tenantId } = c.var.caller;
  const sinceMs = deps.clock.job() - LIMITS.idempotencyTtlMs;
  const owner = await findIdempotency(deps.store.sql, { tenantId, route: MESSAGE_BATCH_ROUTE, key, sinceMs });
  if (owner === null) return null;
  if (owner.fingerprint !== fingerprint(await bodyHash(c.req.raw))) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
  const row = await readBatch(deps.store.sql, { tenantId, id: owner.responseId, surfaces: ["anthropic"] });
  if (row === null) throw fault("not-found", { message: `Message Batch ${owner.responseId} not found.` });
  return row;
}

async function bodyHash(request: Request): Promise<string> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of bodyChunks(request)) {
    size += chunk.byteLength;
    if (size > LIMITS.messageBatchBytes) throw tooLarge();
    hash.update(chunk);
  }
  return hash.digest("hex");
}

function batchDeadline(headers: Headers, nowMs: number): { atMs: number | null; text: string } {
  const header = deadlineHeader(headers);
  return header === null ? { atMs: null, text: "24h" } : { atMs: readDeadline(header.text, nowMs, header.name), text: header.text };
}
