import { ENDPOINTS, type Endpoint, isEndpoint, type Metadata, nearestWord, readMetadata } from "@slowboat/contract";
import { fault, LIMITS, newId } from "@slowboat/kernel";
import { type BatchRow, claimIdempotency, insertBatch, readBatch, readFileRow, type Sql } from "@slowboat/store";
import type { Context } from "hono";
import { batchTerms } from "../http/batch-terms.ts";
import type { AppDeps, AppEnv } from "../http/env.ts";
import { earlierId, idempotencyOf } from "../http/idempotency.ts";
import { readJsonBody } from "../interactive/read-body.ts";
import { readLife } from "./file-life.ts";

const ROUTE = "POST /v1/batches";
const FIELDS = ["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"] as const;
const CREATE_BYTES = 1024 * 1024;

/** What a caller asks for, read and checked; the input itself is judged later, as the provider does. */
interface Wanted {
  readonly inputFileId: string;
  readonly endpoint: Endpoint;
  readonly window: unknown;
  readonly metadata: Metadata | null;
  /** How long the batch's own files are kept; `null` for the usual time. */
  readonly outputLifeMs: number | null;
}

/**
 * Creates a batch, which is `validating` when this returns. What is wrong with the call is a fault; what is wrong with the file makes
 * the batch fail, so that clients which poll find it where they look.
 */
export async function createBatch(deps: AppDeps, c: Context<AppEnv>): Promise<{ readonly batch: BatchRow; readonly replayed: boolean }> {
  const { store, clock, rng, queue } = deps;
  const { tenantId, keyId, semanticCache } = c.get("caller");
  const body = await readJsonBody(c, CREATE_BYTES);
  const idempotency = idempotencyOf(c, body.text);
  const earlier = await earlierId(deps, c, ROUTE, idempotency);
  if (earlier !== null) return { batch: await mine(deps, tenantId, earlier), replayed: true };
  const wanted = readWanted(body.value);
  await deps.limiter.admit(c, { tokens: 0, call: false });
  const nowMs = clock.job();
  const terms = batchTerms(c.req.raw.headers, wanted, {
    nowMs,
    callbackAllow: deps.house.callbackAllow,
    lanes: deps.house.lanes,
    book: deps.book,
    semanticCache,
  });
  const id = newId("batch", nowMs, rng);
  const owner = await store.begin(async (tx) => {
    if (idempotency !== null) {
      const [first] = await claimIdempotency(tx, [{ tenantId, route: ROUTE, ...idempotency, responseId: id, nowMs }], LIMITS.idempotencyTtlMs);
      if (first && first.responseId !== id) {
        if (first.fingerprint !== idempotency.fingerprint) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
        return first.responseId;
      }
    }
    const inputBlobKey = await batchInput(tx, { tenantId, id: wanted.inputFileId, nowMs });
    await insertBatch(tx, {
      id,
      tenantId,
      keyId,
      surface: "openai",
      endpoint: wanted.endpoint,
      state: "validating",
      inputFileId: wanted.inputFileId,
      inputBlobKey,
      metadata: wanted.metadata === null ? null : JSON.stringify(wanted.metadata),
      outputLifeMs: wanted.outputLifeMs,
      createdAtMs: nowMs,
      ...terms,
    });
    return id;
  });
  const batch = await mine(deps, tenantId, owner);
  if (owner === id) {
    deps.logger.info({ batchId: id, tenantId, endpoint: batch.endpoint, deadlineAtMs: batch.deadlineAtMs }, "batch-accepted");
    await queue.ring("populate", [{ batchId: id }]).catch(() => undefined);
  }
  return { batch, replayed: owner !== id };
}

async function mine(deps: AppDeps, tenantId: string, id: string): Promise<BatchRow> {
  const batch = await readBatch(deps.store.sql, { tenantId, id, surfaces: ["openai", "native"] });
  if (batch === null) throw fault("internal", { inside: { batchId: id } });
  return batch;
}

/** The blob of an input file; empty for a file that is not there or not for batches, which fails the batch. The row stays locked until the batch names it. */
async function batchInput(tx: Sql, of: { readonly tenantId: string; readonly id: string; readonly nowMs: number }): Promise<string> {
  const file = await readFileRow(tx, { ...of, lock: true });
  return file?.purpose === "batch" ? file.blobKey : "";
}

function readWanted(value: Readonly<Record<string, unknown>>): Wanted {
  const unknown = Object.keys(value).find((key) => !(FIELDS as readonly string[]).includes(key));
  for (const name of FIELDS.slice(0, 3)) {
    if (value[name] === undefined || value[name] === null)
      throw fault("missing-parameter", { param: name, message: `Missing required parameter: '${name}'.` });
  }
  if (unknown !== undefined) {
    throw fault("invalid-request", {
      param: unknown.slice(0, 64),
      message: `Unknown parameter: '${unknown.slice(0, 64)}'. Did you mean '${nearestWord(unknown, FIELDS)}'?`,
    });
  }
  const { input_file_id: file, endpoint, completion_window: window } = value as Record<(typeof FIELDS)[number], unknown>;
  if (typeof file !== "string" || !/^[\x21-\x7e]{1,100}$/.test(file))
    throw fault("invalid-request", { param: "input_file_id", message: "'input_file_id' must be the id of a file." });
  if (typeof endpoint !== "string" || !isEndpoint(endpoint)) {
    throw fault("invalid-request", {
      param: "endpoint",
      message: `Invalid value for 'endpoint'. Supported values are: ${ENDPOINTS.map((one) => `'${one}'`).join(", ")}.`,
    });
  }
  const life = value["output_expires_after"];
  const outputLifeMs = life === undefined || life === null ? null : readLife(life, "output_expires_after");
  return { inputFileId: file, endpoint, window, metadata: readMetadata(value["metadata"]), outputLifeMs };
}
