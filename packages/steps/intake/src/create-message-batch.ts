import type { BlobStore } from "@slowboat/blob";
import { assert, fault, LIMITS, newId, type Rng } from "@slowboat/kernel";
import type { Queue } from "@slowboat/queue";
import type { Clock } from "@slowboat/runtime";
import { type BatchRow, claimIdempotency, insertBatch, readBatch, type Store } from "@slowboat/store";
import { messageRequest, uniqueCustomIds } from "./message-request.ts";
import { requestsScanner } from "./scan-requests.ts";

/** What the creation of a message batch stands on. */
export interface MessageBatchDeps {
  readonly store: Store;
  readonly blob: BlobStore;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly rng: Rng;
}

/** What a caller asks of Slowboat for a message batch. */
export type MessageBatchTerms = Pick<
  BatchRow,
  "deadlineAtMs" | "completionWindow" | "lanesAllow" | "lanesDeny" | "reuseMode" | "callbackUrl" | "metadata" | "fallbacks" | "admission"
>;

/** A message batch as it arrives: the body's bytes, unread. */
export interface MessageBatchInput {
  readonly tenantId: string;
  readonly keyId: string;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Told how many bytes of the body are held in memory, after every piece; may throw. */
  holds(bytes: number): void;
  /** Reads what the body says besides its requests, at job instant `nowMs`; what is wrong with it is thrown. */
  terms(rest: Readonly<Record<string, unknown>>, nowMs: number): MessageBatchTerms;
  /** The caller's Idempotency-Key, and how the fingerprint of the request follows from its body's hash. */
  readonly idempotency: { readonly key: string; fingerprint(bodySha256: string): string } | null;
}

/** Which batch the caller gets: the new one, or the one that the same key made before. */
export interface MadeMessageBatch {
  readonly row: BatchRow;
  readonly replayed: boolean;
}

/** Under which Idempotency-Keys of message batches are kept. */
export const MESSAGE_BATCH_ROUTE = "POST /v1/messages/batches";

/**
 * Accepts a message batch: the body goes to the blob store while it is checked, whole or not at all, and the batch row commits
 * before this returns. The requests become jobs later; what is wrong with their `params` becomes an errored result then.
 */
export async function createMessageBatch(deps: MessageBatchDeps, input: MessageBatchInput): Promise<MadeMessageBatch> {
  const { store, blob, queue, clock, rng } = deps;
  const nowMs = clock.job();
  const id = newId("messageBatch", nowMs, rng);
  const blobKey = `message-batches/${id}`;
  const scan = checking(input, (rest) => input.terms(rest, nowMs));
  const stored = await blob.put(blobKey, scan.chunks, LIMITS.messageBatchBytes);
  try {
    const owner = await store.begin(async (tx) => {
      const first = await claim(tx, input, { id, bodySha256: stored.sha256, nowMs });
      if (first !== id) return first;
      await insertBatch(tx, {
        id,
        tenantId: input.tenantId,
        keyId: input.keyId,
        surface: "anthropic",
        endpoint: "/v1/messages",
        state: "validating",
        inputBlobKey: blobKey,
        ...scan.found(),
        createdAtMs: nowMs,
      });
      return id;
    });
    if (owner !== id) await blob.remove(blobKey);
    // The batch is durable by now: a bell that fails is rung again by the sweep.
    else await queue.ring("populate", [{ batchId: id }]).catch(() => undefined);
    const row = await readBatch(store.sql, { tenantId: input.tenantId, id: owner, surfaces: ["anthropic"] });
    if (row === null) throw fault("not-found", { message: `Message Batch ${owner} not found.` });
    return { row, replayed: owner !== id };
  } catch (error) {
    // A row that committed keeps its blob: only an input that no row names may go.
    const kept = await readBatch(store.sql, { tenantId: input.tenantId, id, surfaces: ["anthropic"] }).catch(() => "unsure");
    if (kept === null) await blob.remove(blobKey);
    throw error;
  }
}

/** The id that owns the caller's Idempotency-Key: ours when it is new or none was given. */
async function claim(
  tx: Parameters<typeof claimIdempotency>[0],
  input: MessageBatchInput,
  made: { id: string; bodySha256: string; nowMs: number },
): Promise<string> {
  const { tenantId, idempotency } = input;
  if (idempotency === null) return made.id;
  const { key } = idempotency;
  const fingerprint = idempotency.fingerprint(made.bodySha256);
  const claims = [{ tenantId, route: MESSAGE_BATCH_ROUTE, key, fingerprint, responseId: made.id, nowMs: made.nowMs }];
  const [owner] = await claimIdempotency(tx, claims, LIMITS.idempotencyTtlMs);
  if (owner === undefined || owner.responseId === made.id) return made.id;
  if (owner.fingerprint !== fingerprint) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
  return owner.responseId;
}

/** Passes the body on while checking it; the fault of a bad one breaks the stream, so that nothing is stored. */
function checking(
  input: Pick<MessageBatchInput, "chunks" | "holds">,
  termsOf: (rest: Readonly<Record<string, unknown>>) => MessageBatchTerms,
): { readonly chunks: AsyncIterable<Uint8Array>; found(): MessageBatchTerms & { readonly total: number } } {
  const scanner = requestsScanner();
  const unique = uniqueCustomIds();
  let found: (MessageBatchTerms & { readonly total: number }) | null = null;
  const check = async function* (): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of input.chunks) {
      size += chunk.byteLength;
      if (size > LIMITS.messageBatchBytes)
        throw fault("body-too-large", { message: `A message batch may have at most ${LIMITS.messageBatchBytes} bytes.` });
      for (const element of scanner.push(chunk)) unique(messageRequest(element).customId);
      input.holds(scanner.held());
      yield chunk;
    }
    const { count, rest } = scanner.end();
    found = { ...termsOf(rest), total: count };
  };
  return {
    chunks: check(),
    found: () => {
      assert(found !== null, "the body was read to its end");
      return found;
    },
  };
}
