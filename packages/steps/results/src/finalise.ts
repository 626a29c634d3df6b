import type { BlobStore } from "@slowboat/blob";
import { type EventType, eventPayload } from "@slowboat/contract";
import { newId, type Rng } from "@slowboat/kernel";
import { type Clock, keepLease, LEASE_MS, type Logger } from "@slowboat/runtime";
import {
  announceEvents,
  type BatchLine,
  beginFinalise,
  endBatch,
  type FinalisingBatch,
  findFinalisable,
  insertFile,
  leaseBatch,
  readBatchLines,
  renewBatchLease,
  type Sql,
  type Store,
} from "@slowboat/store";
import { errorLine, outputLine } from "./lines.ts";

export interface Finaliser {
  /** Writes a batch's files and ends it, if all its jobs have ended; true when it ended now. */
  finalise(batchId: string, signal: AbortSignal): Promise<boolean>;
  /** Finalises what nobody rang for. */
  sweep(signal: AbortSignal): Promise<void>;
}

const PAGE = 200;
const FILE_LIFE_MS = 30 * 86_400_000;
const MAX_FILE_BYTES = 8 * 1024 ** 3;

/** Makes the finaliser: a loop of its own, so that nothing else decides when a batch is over. Cancelled batches get their files too. */
export function createFinaliser(deps: {
  readonly store: Store;
  readonly blob: BlobStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}): Finaliser {
  const finalise = async (batchId: string, signal: AbortSignal): Promise<boolean> => {
    const batch = await beginFinalise(deps.store.sql, { batchId, nowMs: deps.clock.job() });
    const gen = batch ? await leaseBatch(deps.store.sql, { batchId, realMs: deps.clock.real(), leaseMs: LEASE_MS }) : null;
    if (batch === null || gen === null) return false;
    const lease = keepLease(() => renewBatchLease(deps.store.sql, { batchId, gen, untilRealMs: deps.clock.real() + LEASE_MS }), signal);
    try {
      const inline = batch.surface === "anthropic";
      const output = inline ? null : await writeFile(deps, batch, "output", lease.signal);
      const errors = inline ? null : await writeFile(deps, batch, "error", lease.signal);
      return await deps.store.begin((tx) => end(tx, deps, batch, output, errors));
    } finally {
      lease.end();
    }
  };
  return {
    finalise,
    sweep: async (signal) => {
      for (const id of await findFinalisable(deps.store.sql, { limit: 20 })) await finalise(id, signal);
    },
  };
}

interface WrittenFile {
  readonly id: string;
  readonly filename: string;
  readonly blobKey: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Streams one of a batch's two files into the blob store; `null` when it would be empty. */
async function writeFile(
  deps: Parameters<typeof createFinaliser>[0],
  batch: FinalisingBatch,
  kind: "output" | "error",
  signal: AbortSignal,
): Promise<WrittenFile | null> {
  const lines = readBatchLines(deps.store.sql, { batchId: batch.id, tenantId: batch.tenantId, completed: kind === "output", page: PAGE });
  const first = await lines.next();
  if (first.done) return null;
  const id = newId("file", deps.clock.job(), deps.rng);
  const blobKey = `${batch.tenantId}/${batch.id}-${kind}`;
  const { sizeBytes, sha256 } = await deps.blob.put(
    blobKey,
    encode(first.value, lines, kind === "output" ? outputLine : errorLine, signal),
    MAX_FILE_BYTES,
  );
  return { id, filename: `${batch.id}_${kind}.jsonl`, blobKey, sizeBytes, sha256 };
}

async function* encode(
  first: BatchLine,
  rest: AsyncIterable<BatchLine>,
  toLine: (line: BatchLine) => string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let buffer = toLine(first);
  for await (const line of rest) {
    buffer += toLine(line);
    if (buffer.length < 65_536) continue;
    signal.throwIfAborted();
    yield encoder.encode(buffer);
    buffer = "";
  }
  if (buffer.length > 0) yield encoder.encode(buffer);
}

async function end(
  tx: Sql,
  deps: Parameters<typeof createFinaliser>[0],
  batch: FinalisingBatch,
  output: WrittenFile | null,
  errors: WrittenFile | null,
): Promise<boolean> {
  const nowMs = deps.clock.job();
  const ended = await endBatch(tx, { batchId: batch.id, to: batch.to, outputFileId: output?.id ?? null, errorFileId: errors?.id ?? null, nowMs });
  if (!ended) return false;
  for (const file of [output, errors]) {
    if (file)
      await insertFile(tx, { ...file, tenantId: batch.tenantId, purpose: "batch_output", createdAtMs: nowMs, expiresAtMs: nowMs + FILE_LIFE_MS });
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
  return true;
}
