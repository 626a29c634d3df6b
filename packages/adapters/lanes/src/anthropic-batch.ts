import { assert, LIMITS } from "@slowboat/kernel";
import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { type AnthropicAccount, anthropicClient, on } from "./anthropic-client.ts";
import { findOrphan, type MessageBatch, totalOf } from "./anthropic-find.ts";
import { BOUNDS } from "./bounds.ts";
import { act, lines, longBody, statusOf } from "./control.ts";
import { outgoingAll } from "./edit.ts";
import { type BatchLane, LaneError, type LaneProgress, type LaneRequest, type OrphanSearch } from "./port.ts";
import { answersOf, anthropicRow } from "./rows.ts";
import { createAgent, type Wire } from "./wire.ts";

/** Settings of Anthropic's batch lane. */
export interface AnthropicBatchOptions extends AnthropicAccount {
  readonly agent?: Agent;
}

/** Anthropic's Message Batches. */
export function createAnthropicBatchLane(options: AnthropicBatchOptions): BatchLane {
  const agent = options.agent ?? createAgent();
  const client = anthropicClient(options);
  const account = accountOf("anthropic", options);
  const retrieve = (ref: string, signal: AbortSignal): Promise<MessageBatch> =>
    act(agent, signal, { what: "read a batch" }, (wire, bounded) => on(client, wire).messages.batches.retrieve(ref, undefined, { signal: bounded }));

  async function submit(dispatchId: string, requests: readonly LaneRequest[], signal: AbortSignal): Promise<{ ref: string }> {
    assert(requests.length >= 1 && requests.length <= LIMITS.messageBatchRequests, `a batch has 1 to ${LIMITS.messageBatchRequests} requests`);
    assert(
      requests.every((r) => r.endpoint === "/v1/messages"),
      "lane anthropic-batch serves /v1/messages",
    );
    const bodies = await outgoingAll(requests);
    const body = longBody(function* () {
      yield '{"requests":[';
      for (const [index, r] of requests.entries()) yield `${index === 0 ? "" : ","}{"custom_id":"${r.attemptId}","params":${bodies[index]}}`;
      yield "]}";
    });
    const headers = { "content-type": "application/json", "content-length": String(body.sizeBytes), "x-client-request-id": dispatchId };
    const batch = await act(agent, signal, { what: "create a batch", creates: true, timeoutMs: BOUNDS.uploadMs }, (wire, bounded) =>
      on(client, wire, BOUNDS.uploadMs).post<MessageBatch>("/v1/messages/batches", { body, headers, signal: bounded }),
    );
    if (typeof batch?.id !== "string")
      throw new LaneError("the reply to a batch create has no id", { outcome: "unknown", retry: "later", code: "unrecognised_answer" });
    return { ref: batch.id };
  }

  const list = (after: string | undefined, signal: AbortSignal): Promise<{ data: MessageBatch[]; has_more: boolean }> =>
    act(agent, signal, { what: "list batches" }, (wire, bounded) =>
      on(client, wire).messages.batches.list({ limit: 100, ...(after === undefined ? {} : { after_id: after }) }, { signal: bounded }),
    );

  /** From our own base URL, never from `results_url`: the SDK would send the key to whatever host that names. */
  const results = (ref: string, signal: AbortSignal): AsyncGenerator<string | null> =>
    lines(agent, signal, "read a batch's results", (wire: Wire, bounded) =>
      on(client, wire)
        .get(`/v1/messages/batches/${encodeURIComponent(ref)}/results`, { signal: bounded, headers: { Accept: "application/x-jsonl" } })
        .asResponse(),
    );

  async function find(_dispatchId: string, attemptIds: readonly string[], among: OrphanSearch, signal: AbortSignal): Promise<{ ref: string } | null> {
    const ref = await findOrphan({ list, results }, attemptIds, among, signal);
    return ref === null ? null : { ref };
  }

  async function* collect(ref: string, signal: AbortSignal): ReturnType<BatchLane["collect"]> {
    const batch = await retrieve(ref, signal);
    if (batch.processing_status !== "ended")
      throw new LaneError(`batch ${ref} is ${batch.processing_status}`, { outcome: "refused", retry: "later", code: "not_ended" });
    if (batch.archived_at) throw new LaneError(`the results of batch ${ref} are gone`, { outcome: "refused", retry: "never", code: "results_gone" });
    yield* answersOf(results(ref, signal), anthropicRow, new Set());
  }

  async function cancel(ref: string, signal: AbortSignal): Promise<void> {
    try {
      await act(agent, signal, { what: "cancel a batch" }, (wire, bounded) =>
        on(client, wire).messages.batches.cancel(ref, undefined, { signal: bounded }),
      );
    } catch (error) {
      // Too late to cancel: it has ended, which the next poll shows.
      if (![400, 404, 409].includes(statusOf(error) ?? 0)) throw error;
    }
  }

  const poll = async (ref: string, signal: AbortSignal): Promise<LaneProgress> => progressOf(await retrieve(ref, signal));
  return { shape: "batch", id: "anthropic-batch", account, emulated: options.emulated, submit, find, poll, collect, cancel };
}

function progressOf(batch: MessageBatch): LaneProgress {
  if (typeof batch?.processing_status !== "string")
    throw new LaneError("a poll without a status", { outcome: "refused", retry: "later", code: "unrecognised_answer" });
  const status = batch.processing_status;
  const total = totalOf(batch);
  const ended = status === "ended";
  return {
    // An archived batch can still be looked at, but what it said is gone.
    phase: ended ? (batch.archived_at ? "lost" : "ended") : status === "canceling" ? "ending" : "running",
    status: batch.archived_at ? "archived" : status,
    done: ended ? total : total - batch.request_counts.processing,
    total,
    failure: null,
  };
}
