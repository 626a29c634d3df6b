import { createHash } from "node:crypto";
import { nearestWord, readMetadata } from "@slowboat/contract";
import { createMessageBatch, MESSAGE_BATCH_ROUTE, type MessageBatchTerms } from "@slowboat/intake";
import { fault, LIMITS } from "@slowboat/kernel";
import { type BatchRow, findIdempotency, readBatch } from "@slowboat/store";
import type { Context } from "hono";
import { batchTerms } from "../http/batch-terms.ts";
import type { AppDeps, AppEnv } from "../http/env.ts";
import { fingerprintOf, idempotencyKey } from "../http/idempotency.ts";
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
  // What is wrong with a header is said before the body is read.
  const { semanticCache } = c.get("caller");
  batchTerms(headers, { metadata: null }, { nowMs: deps.clock.job(), callbackAllow: [], lanes: deps.house.lanes, book: deps.book, semanticCache });
  await deps.limiter.admit(c, { tokens: 0, call: false });
  return await createMessageBatch(deps, {
    tenantId: c.get("caller").tenantId,
    keyId: c.get("caller").keyId,
    chunks: bodyChunks(c.req.raw),
    holds: (bytes) => c.get("body").set(bytes),
    terms: (rest, nowMs) => bodyTerms(deps, { headers, semanticCache }, rest, nowMs),
    idempotency: key === null ? null : { key, fingerprint },
  });
}

const tooLarge = (): Error => fault("body-too-large", { message: `A message batch may have at most ${LIMITS.messageBatchBytes} bytes.` });

/** The batch that this key has made: looked for before anything is judged, since its deadline may have passed by now. */
async function earlierBatch(deps: AppDeps, c: Context<AppEnv>, key: string, fingerprint: (sha256: string) => string): Promise<BatchRow | null> {
  const { tenantId } = c.get("caller");
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

const MEMBERS = ["requests", "metadata", "completion_window", "service_tier"] as const;

/** Reads the members of the body that stand beside its requests; one that is not known is refused by name, never passed over. */
function bodyTerms(
  deps: AppDeps,
  { headers, semanticCache }: { readonly headers: Headers; readonly semanticCache: string | null },
  rest: Readonly<Record<string, unknown>>,
  nowMs: number,
): MessageBatchTerms {
  const unknown = Object.keys(rest).find((name) => !(MEMBERS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    const param = unknown.slice(0, 64);
    throw fault("invalid-request", { param, message: `${param}: Extra inputs are not permitted. Did you mean '${nearestWord(unknown, MEMBERS)}'?` });
  }
  const metadata = readMetadata(rest["metadata"]);
  const wishes = { window: rest["completion_window"], tier: rest["service_tier"], metadata };
  const { callbackAllow, lanes } = deps.house;
  const terms = batchTerms(headers, wishes, { nowMs, callbackAllow, lanes, book: deps.book, semanticCache });
  return { ...terms, metadata: metadata === null ? null : JSON.stringify(metadata) };
}
