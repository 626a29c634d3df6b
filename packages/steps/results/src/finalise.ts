import type { BlobStore } from "@slowboat/blob";
import { type EventType, eventPayload } from "@slowboat/contract";
import { newId, type Rng, retentionMs } from "@slowboat/kernel";
import { type Clock, keepLease, LEASE_MS, type Logger } from "@slowboat/runtime";
import {
  announceEvents,
  type BatchLine,
  beginFinalise,
  type CancelGrace,
  endBatch,
  type FinalisingBatch,
  findFinalisable,
  insertFile,
  leaseBatch,
  readBatchLines,
  renewBatchLease,
  type Sql,
  type Store,
  type WrittenLines,
} from "@slowboat/store";
import { errorLine, outputLine } from "./lines.ts";

export interface Finaliser {
  /** Writes a batch's files and ends it, if all its jobs have ended; true when it ended now. */
  finalise(batchId: string, signal: AbortSignal): Promise<boolean>;
  /** Finalises what nobody rang for. */
  sweep(signal: AbortSignal): Promise<void>;
}

const PAGE = 200;
const MAX_FILE_BYTES = 8 * 1024 ** 3;
/** A batch that is not ready is looked at again after this many machine ms; a bell comes sooner. */
const LOOK_MS = 5_000;
/** Files are written again when a cancelled line was answered meanwhile; beyond this the sweep comes back to it. */
const ROUNDS_MAX = 3;
/** Providers say that cancelling takes up to ten minutes; a call is over long before. */
const CALL_GRACE_MS = 600_000;
/** A provider's batch runs at most a day; what has not come back by then counts as lost. */
const BATCH_GRACE_MS = 26 * 3_600_000;

/** What happens in machine time (a worker's death is noticed by its lease) passes faster in job time. */
const graceAt = (clock: Clock): CancelGrace => ({
  callsSinceMs: clock.job() - CALL_GRACE_MS - 2 * LEASE_MS * clock.scale,
  batchesSinceMs: clock.job() - BATCH_GRACE_MS - 2 * LEASE_MS * clock.scale,
});

interface FinaliserDeps {
  readonly store: Store;
  readonly blob: BlobStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}

/**
 * Makes the finaliser: a loop of its own, so that nothing else decides when a batch is over. Cancelled batches get their files too, once what
 * was out for them has come back or its grace has passed. The files hold exactly the lines that the batch's counts count.
 */
export function createFinaliser(deps: FinaliserDeps): Finaliser {
  const finalise = async (batchId: string, signal: AbortSignal): Promise<boolean> => {
    const batch = await beginFinalise(deps.store.sql, { batchId, nowMs: deps.clock.job(), grace: graceAt(deps.clock) });
    const gen = batch ? await leaseBatch(deps.store.sql, { batchId, realMs: deps.clock.real(), leaseMs: LEASE_MS }) : null;
    if (batch === null || gen === null) return false;
    const lease = keepLease(() => renewBatchLease(deps.store.sql, { batchId, gen, untilRealMs: deps.clock.real() + LEASE_MS }), signal);
    try {
      for (let round = 1; round <= ROUNDS_MAX; round++) {
        const files = batch.surface === "anthropic" ? null : await writeFiles(deps, batch, lease.signal);
        const outcome = await deps.store.begin((tx) => end(tx, deps, batch, files));
        if (outcome !== "changed") return outcome === "ended";
      }
      return false;
    } finally {
      lease.end();
    }
  };
  return {
    finalise,
    sweep: async (signal) => {
      for (const id of await findFinalisable(deps.store.sql, { realMs: deps.clock.real(), spacingMs: LOOK_MS, limit: 20 })) {
        if (signal.aborted) return;
        await finalise(id, signal);
      }
    },
  };
}

interface BatchFiles {
  readonly output: WrittenFile | null;
  readonly errors: WrittenFile | null;
  readonly written: WrittenLines;
}

async function writeFiles(deps: FinaliserDeps, batch: FinalisingBatch, signal: AbortSignal): Promise<BatchFiles> {
  const output = await writeFile(deps, batch, "output", signal);
  const errors = await writeFile(deps, batch, "error", signal);
  return { output, errors, written: { completed: output?.lines ?? 0, others: errors?.lines ?? 0 } };
}

interface WrittenFile {
  readonly id: string;
  readonly filename: string;
  readonly blobKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly lines: number;
}

/** Streams one of a batch's two files into the blob store, over what an earlier try left there; `null` when it would be empty. */
async function writeFile(deps: FinaliserDeps, batch: FinalisingBatch, kind: "output" | "error", signal: AbortSignal): Promise<WrittenFile | null> {
  const blobKey = `${batch.tenantId}/${batch.id}-${kind}`;
  const lines = readBatchLines(deps.store.sql, {
    batchId: batch.id,
    tenantId: batch.tenantId,
    which: kind === "output" ? "completed" : "others",
    page: PAGE,
  });
  const first = await lines.next();
  if (first.done) {
    await deps.blob.remove(blobKey);
    return null;
  }
  const id = newId("file", deps.clock.job(), deps.rng);
  const told = { lines: 0 };
  const text = encode(first.value, lines, kind === "output" ? outputLine : errorLine, told, signal);
  const { sizeBytes, sha256 } = await deps.blob.put(blobKey, text, MAX_FILE_BYTES);
  return { id, filename: `${batch.id}_${kind}.jsonl`, blobKey, sizeBytes, sha256, lines: told.lines };
}

/** The lines as bytes, about 64 KiB at a time; counts them in `told`. */
async function* encode(
  first: BatchLine,
  rest: AsyncIterable<BatchLine>,
  toLine: (line: BatchLine) => string,
  told: { lines: number },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let buffer = toLine(first);
  told.lines = 1;
  for await (const line of rest) {
    buffer += toLine(line);
    told.lines++;
    if (buffer.length < 65_536) continue;
    signal.throwIfAborted();
    yield encoder.encode(buffer);
    buffer = "";
  }
  if (buffer.length > 0) yield encoder.encode(buffer);
}

async function end(tx: Sql, deps: FinaliserDeps, batch: FinalisingBatch, files: BatchFiles | null): Promise<"ended" | "changed" | "gone"> {
  const nowMs = deps.clock.job();
  const outcome = await endBatch(tx, {
    batchId: batch.id,
    to: batch.to,
    outputFileId: files?.output?.id ?? null,
    errorFileId: files?.errors?.id ?? null,
    written: files?.written ?? null,
    nowMs,
  });
  if (outcome !== "ended") return outcome;
  for (const file of [files?.output, files?.errors]) {
    if (!file) continue;
    const { lines: _, ...row } = file;
    const expiresAtMs = nowMs + retentionMs(batch.retentionDays);
    await insertFile(tx, { ...row, tenantId: batch.tenantId, purpose: "batch_output", createdAtMs: nowMs, expiresAtMs });
  }
  if (batch.callbackUrl) {
    const type: EventType = batch.to === "completed" ? "batch.completed" : "batch.cancelled";
    const eventId = newId("event", nowMs, deps.rng);
    const payload = eventPayload({
      eventId,
      type,
      createdAtMs: nowMs,
      subjectId: batch.id,
      version: batch.version + 1,
      metadata: batch.metadata,
      deadlineMet: batch.deadlineAtMs === null ? null : nowMs <= batch.deadlineAtMs,
    });
    await announceEvents(
      tx,
      [{ id: eventId, tenantId: batch.tenantId, keyId: batch.keyId, subjectId: batch.id, url: batch.callbackUrl, type, payload }],
      {
        nowMs,
        realMs: deps.clock.real(),
      },
    );
  }
  deps.logger.info({ batchId: batch.id, tenantId: batch.tenantId, state: batch.to }, "batch-ended");
  return outcome;
}
