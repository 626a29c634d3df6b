import { createHash } from "node:crypto";
import { BlobTooLarge } from "@slowboat/blob";
import { fault, LIMITS, newId } from "@slowboat/kernel";
import { claimIdempotency, type FileRow, insertFile, readFileRow } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../http/env.ts";
import { idempotencyKey, type Keyed } from "../http/idempotency.ts";
import { boundaryOf, fieldText, readMultipart } from "../http/multipart.ts";
import { bodyChunks } from "../interactive/read-body.ts";
import { readLife } from "./file-life.ts";

const PURPOSES: readonly string[] = ["batch", "user_data", "assistants", "fine-tune", "vision", "evals"];
const FIELD_BYTES = 4096;
/** What the form may hold besides the file. */
const FORM_BYTES = 256 * 1024;
const BATCH_LIFE_S = 30 * 24 * 3600;
const FILENAME_CHARS = 255;

/**
 * Takes an upload: the file streams from the socket to the blob store, whatever its size, and counts as received when blob and row are
 * durable. A form that is wrong leaves nothing behind.
 */
export async function takeUpload(deps: AppDeps, c: Context<AppEnv>): Promise<{ readonly row: FileRow; readonly replayed: boolean }> {
  const tooLarge = (): Error => fault("body-too-large", { param: "file", message: `A file may have at most ${LIMITS.batchFileBytes} bytes.` });
  if (Number(c.req.header("content-length") ?? 0) > LIMITS.batchFileBytes + FORM_BYTES) throw tooLarge();
  const nowMs = deps.clock.job();
  const id = newId("file", nowMs, deps.rng);
  const blobKey = `files/${id}`;
  const key = idempotencyKey(c);
  const form = new Map<string, string>();
  let stored: { filename: string; sizeBytes: number; sha256: string } | null = null;
  try {
    for await (const part of readMultipart(bodyChunks(c.req.raw), boundaryOf(c.req.header("content-type")))) {
      if (part.name !== "file") form.set(part.name, await fieldText(part, FIELD_BYTES));
      else if (stored !== null) throw fault("invalid-request", { param: "file", message: "The form holds more than one file." });
      else stored = { filename: cleanName(part.filename), ...(await deps.blob.put(blobKey, part.content, LIMITS.batchFileBytes)) };
    }
    if (stored === null) throw fault("missing-parameter", { param: "file", message: "Missing required parameter: 'file'." });
    const purpose = readPurpose(form.get("purpose"), stored.filename);
    const row: FileRow = {
      id,
      tenantId: c.get("caller").tenantId,
      purpose,
      ...stored,
      blobKey,
      createdAtMs: nowMs,
      expiresAtMs: readExpiry(form, purpose, nowMs),
      deletedAtMs: null,
    };
    // The boundary of a form is another at every try: what was meant is in its parts.
    const meant = JSON.stringify([stored.sha256, stored.filename, [...form].sort()]);
    const earlier = await keep(deps, row, key === null ? null : { key, fingerprint: createHash("sha256").update(meant).digest("hex") });
    if (earlier === null) return { row, replayed: false };
    await deps.blob.remove(blobKey);
    return { row: earlier, replayed: true };
  } catch (error) {
    if (stored !== null) await deps.blob.remove(blobKey);
    throw error instanceof BlobTooLarge ? tooLarge() : error;
  }
}

const ROUTE = "POST /v1/files";

/** Commits a file with the claim of its key; returns the file that the same key made before, or `null` when this is the first. */
async function keep(deps: AppDeps, row: FileRow, keyed: Keyed | null): Promise<FileRow | null> {
  const { id, tenantId, createdAtMs: nowMs } = row;
  return await deps.store.begin(async (tx) => {
    const claims = keyed === null ? [] : [{ ...keyed, tenantId, route: ROUTE, responseId: id, nowMs }];
    const [owner] = await claimIdempotency(tx, claims, LIMITS.idempotencyTtlMs);
    if (owner === undefined || owner.responseId === id) {
      await insertFile(tx, row);
      return null;
    }
    if (owner.fingerprint !== keyed?.fingerprint) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
    const earlier = await readFileRow(tx, { tenantId, id: owner.responseId, nowMs });
    if (earlier === null) throw fault("wrong-state", { message: `The file of this Idempotency-Key, ${owner.responseId}, is no longer kept.` });
    return earlier;
  });
}

function readPurpose(purpose: string | undefined, filename: string): string {
  if (purpose === undefined) throw fault("missing-parameter", { param: "purpose", message: "Missing required parameter: 'purpose'." });
  if (!PURPOSES.includes(purpose))
    throw fault("invalid-request", {
      param: "purpose",
      message: `'${purpose.slice(0, 64)}' is not one of ${PURPOSES.map((one) => `'${one}'`).join(", ")}.`,
    });
  if (purpose === "batch" && !filename.endsWith(".jsonl"))
    throw fault("invalid-request", { message: "Invalid file format for Batch API. Must be .jsonl" });
  return purpose;
}

/** `expires_after` as the form carries it; a batch file lives 30 days when nothing is said, any other file until it is deleted. */
function readExpiry(form: ReadonlyMap<string, string>, purpose: string, nowMs: number): number | null {
  const anchor = form.get("expires_after[anchor]");
  const seconds = form.get("expires_after[seconds]");
  if (anchor === undefined && seconds === undefined) return purpose === "batch" ? nowMs + BATCH_LIFE_S * 1000 : null;
  const life = /^\d{1,8}$/.test(seconds ?? "") ? Number(seconds) : Number.NaN;
  return nowMs + readLife({ anchor, seconds: life }, "expires_after");
}

/** The last part of a path, without control characters: a name to show, never one to open. */
function cleanName(filename: string | null): string {
  const base = (filename ?? "").split(/[/\\]/).at(-1) ?? "";
  const clean = base
    .toWellFormed()
    .replace(/\p{Cc}/gu, "")
    .slice(-FILENAME_CHARS);
  return clean === "" ? "upload" : clean;
}
