import { randomUUID } from "node:crypto";
import { assert, LIMITS } from "@slowboat/kernel";
import type OpenAI from "openai";
import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { act, lines, longBody, statusOf } from "./control.ts";
import { oneLine, outgoingAll } from "./edit.ts";
import { type OpenAiAccount, on, openAiClient } from "./openai-client.ts";
import { type BatchLane, LaneError, type LaneProgress, type LaneRequest, type OrphanSearch } from "./port.ts";
import { enqueuedLimit, QUOTA_FULL } from "./quota-full.ts";
import { answersOf, openAiRow } from "./rows.ts";
import { createAgent, type Wire } from "./wire.ts";

/** The metadata key under which a batch names its dispatch. */
const TAG = "slowboat_dispatch";

/** Clocks and whole seconds may differ by this much when a list is cut at an instant. */
const SKEW_MS = 300_000;

/** Settings of OpenAI's batch lane. */
export interface OpenAiBatchOptions extends OpenAiAccount {
  readonly agent?: Agent;
}

/** OpenAI's Batch API. All requests of a submit share one endpoint and one model, as the provider demands of a file. */
export function createOpenAiBatchLane(options: OpenAiBatchOptions): BatchLane {
  const agent = options.agent ?? createAgent();
  const client = openAiClient(options);
  const provider = options.provider ?? "openai";
  const account = accountOf(provider, options);
  const retrieve = (ref: string, signal: AbortSignal): Promise<OpenAI.Batch> =>
    act(agent, signal, { what: "read a batch" }, (wire, bounded) => on(client, wire).batches.retrieve(ref, { signal: bounded }));

  async function submit(dispatchId: string, requests: readonly LaneRequest[], signal: AbortSignal): Promise<{ ref: string }> {
    const first = requests[0];
    assert(first !== undefined && requests.length <= LIMITS.batchLines, `a batch has 1 to ${LIMITS.batchLines} requests`);
    assert(
      requests.every((r) => r.endpoint === first.endpoint && r.model === first.model),
      "a batch has one endpoint and one model",
    );
    const { endpoint } = first;
    assert(endpoint !== "/v1/messages" && endpoint !== "/v1/classifications", `lane openai-batch serves ${endpoint}`);
    const bodies = await outgoingAll(requests, oneLine);
    const pieces = function* (): Generator<string> {
      for (const [index, r] of requests.entries())
        yield `{"custom_id":"${r.attemptId}","method":"POST","url":"${r.endpoint}","body":${bodies[index]}}\n`;
    };
    const file = await act(agent, signal, { what: "upload a batch file", timeoutMs: BOUNDS.uploadMs }, (wire, bounded) =>
      upload(client, wire, dispatchId, pieces, bounded),
    );
    try {
      const batch = await act(agent, signal, { what: "create a batch", creates: true }, (wire, bounded) =>
        on(client, wire).batches.create(
          { input_file_id: file.id, endpoint, completion_window: "24h", metadata: { [TAG]: dispatchId } },
          { signal: bounded, headers: { "x-client-request-id": dispatchId } },
        ),
      );
      return { ref: refOf(batch) };
    } catch (error) {
      // A batch that may exist needs its file; one that was refused leaves an orphan behind, which expires by itself if this fails.
      if (error instanceof LaneError && error.outcome !== "unknown") {
        await act(agent, signal, { what: "delete a file", timeoutMs: 10_000 }, (wire, bounded) =>
          on(client, wire).files.delete(file.id, { signal: bounded }),
        ).catch(() => undefined);
      }
      throw error;
    }
  }

  async function find(
    dispatchId: string,
    _attemptIds: readonly string[],
    { sinceMs }: OrphanSearch,
    signal: AbortSignal,
  ): Promise<{ ref: string } | null> {
    let after: string | undefined;
    for (let page = 0; page < BOUNDS.findPages; page++) {
      const list = await act(agent, signal, { what: "list batches" }, (wire, bounded) =>
        on(client, wire).batches.list({ limit: 100, ...(after === undefined ? {} : { after }) }, { signal: bounded }),
      );
      const match = list.data.find((batch) => batch.metadata?.[TAG] === dispatchId);
      if (match) return { ref: match.id };
      const last = list.data.at(-1);
      if (!last || !list.has_more || last.created_at * 1000 < sinceMs - SKEW_MS) return null;
      after = last.id;
    }
    throw new LaneError(`more than ${BOUNDS.findPages * 100} batches were created since`, { outcome: "unknown", retry: "later", code: "find_bound" });
  }

  async function* collect(ref: string, signal: AbortSignal): ReturnType<BatchLane["collect"]> {
    const batch = await retrieve(ref, signal);
    if (phaseOf(batch.status) !== "ended")
      throw new LaneError(`batch ${ref} is ${batch.status}`, { outcome: "refused", retry: "later", code: "not_ended" });
    const seen = new Set<string>();
    // An absent file is null; an empty id has been seen as well.
    for (const fileId of [batch.output_file_id, batch.error_file_id]) {
      if (!fileId) continue;
      const open = (wire: Wire, bounded: AbortSignal): Promise<Response> => on(client, wire).files.content(fileId, { signal: bounded }).asResponse();
      yield* answersOf(lines(agent, signal, "read a batch's results", open), openAiRow, seen);
    }
  }

  async function cancel(ref: string, signal: AbortSignal): Promise<void> {
    try {
      await act(agent, signal, { what: "cancel a batch" }, (wire, bounded) => on(client, wire).batches.cancel(ref, { signal: bounded }));
    } catch (error) {
      // Too late to cancel: it has ended, which the next poll shows.
      if (![400, 404, 409].includes(statusOf(error) ?? 0)) throw error;
    }
  }

  const poll = async (ref: string, signal: AbortSignal): Promise<LaneProgress> => progressOf(await retrieve(ref, signal));
  return { shape: "batch", id: `${provider}-batch`, account, emulated: options.emulated, submit, find, poll, collect, cancel };
}

/** Uploads the JSONL as multipart piece by piece, so that the file never stands in memory a second time. */
function upload(client: OpenAI, wire: Wire, dispatchId: string, pieces: () => Iterable<string>, signal: AbortSignal): Promise<OpenAI.FileObject> {
  const boundary = `slowboat-${randomUUID()}`;
  const body = longBody(function* () {
    yield `--${boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n`;
    yield `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="slowboat-${dispatchId}.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n`;
    yield* pieces();
    yield `\r\n--${boundary}--\r\n`;
  });
  const headers = {
    "content-type": `multipart/form-data; boundary=${boundary}`,
    "content-length": String(body.sizeBytes),
    "x-client-request-id": dispatchId,
  };
  return on(client, wire, BOUNDS.uploadMs).post<OpenAI.FileObject>("/files", { body, headers, signal });
}

function refOf(batch: OpenAI.Batch): string {
  if (typeof batch?.id === "string" && batch.id !== "") return batch.id;
  throw new LaneError("the reply to a batch create has no id", { outcome: "unknown", retry: "later", code: "unrecognised_answer" });
}

function phaseOf(status: string): LaneProgress["phase"] {
  if (status === "validating") return "queued";
  if (["completed", "failed", "expired", "cancelled"].includes(status)) return "ended";
  return status === "finalizing" || status === "cancelling" ? "ending" : "running";
}

function progressOf(batch: OpenAI.Batch): LaneProgress {
  if (typeof batch?.status !== "string")
    throw new LaneError("a poll without a status", { outcome: "refused", retry: "later", code: "unrecognised_answer" });
  const counts = batch.request_counts;
  return {
    phase: phaseOf(batch.status),
    status: batch.status,
    done: (counts?.completed ?? 0) + (counts?.failed ?? 0),
    total: counts?.total ?? 0,
    failure: batch.status === "failed" ? failureOf(batch) : null,
  };
}

function failureOf(batch: OpenAI.Batch): LaneProgress["failure"] {
  const all = (batch.errors?.data ?? []).map((error) => ({ line: error.line ?? null, code: error.code ?? "unknown", message: error.message ?? "" }));
  const fileLost = (batch.errors?.data ?? []).some((error) => error.line == null && error.param === "file_id");
  const first = all[0] ?? { code: "validation_failed", message: "The provider refused the batch without saying why." };
  const full = all.find((error) => error.code === QUOTA_FULL);
  return {
    code: first.code,
    message: first.message,
    hold: full !== undefined,
    fileLost,
    limitTokens: enqueuedLimit(full?.message ?? ""),
    lines: all,
  };
}
