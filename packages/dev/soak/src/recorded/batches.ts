import { type Bill, type Question, recordedAnswer } from "./replay.ts";

/** A request beside the calls. */
interface Asked {
  readonly method: string;
  readonly path: string;
  readonly text: string;
  readonly contentType: string;
}

/** JSON, or the lines of a file. */
interface Reply {
  readonly status?: number;
  readonly body?: unknown;
  readonly lines?: readonly string[];
}

interface OpenAiBatch {
  readonly id: string;
  readonly inputFileId: string;
  readonly endpoint: string;
  readonly metadata: Record<string, string> | null;
  readonly createdAt: number;
  readonly total: number;
  status: "validating" | "in_progress" | "completed" | "cancelling" | "cancelled";
  output: readonly string[];
  errors: readonly string[];
}

interface MessageBatch {
  readonly id: string;
  readonly createdAt: string;
  readonly requests: readonly { readonly custom_id: string; readonly params: Question }[];
  status: "in_progress" | "canceling" | "ended";
  looks: number;
  results: readonly string[];
}

/** The life of batches as it was recorded: a status a look, results in another order than the lines, refused lines in the error file, a cancel that runs nothing. */
export function createBatches(bill: Bill, nowMs: () => number): { handle(asked: Asked): Reply | null } {
  const files = new Map<string, readonly string[]>();
  const openAi = new Map<string, OpenAiBatch>();
  const messages = new Map<string, MessageBatch>();
  let serial = 0;
  const nextId = (prefix: string): string => `${prefix}recorded${String(++serial).padStart(12, "0")}`;
  const seconds = (): number => Math.floor(nowMs() / 1000);

  function upload({ text, contentType }: Asked): Reply {
    const boundary = /boundary=([^;]+)/.exec(contentType)?.[1] ?? "";
    const part = text.split(`--${boundary}`).find((one) => one.includes('name="file"')) ?? "";
    const content = part.slice(part.indexOf("\r\n\r\n") + 4).replace(/\r\n$/, "");
    const id = nextId("file-");
    const lines = content.split("\n").filter((line) => line !== "");
    files.set(id, lines);
    const createdAt = seconds();
    return {
      body: {
        id,
        object: "file",
        bytes: content.length,
        created_at: createdAt,
        expires_at: createdAt + 2_592_000,
        filename: "in.jsonl",
        purpose: "batch",
        status: "processed",
        status_details: null,
      },
    };
  }

  const shown = (batch: OpenAiBatch): Record<string, unknown> => {
    const ended = batch.status === "completed" || batch.status === "cancelled";
    const fileOf = (lines: readonly string[], kind: string): string | null => (ended && lines.length > 0 ? `${batch.id}-${kind}` : null);
    return {
      id: batch.id,
      object: "batch",
      endpoint: batch.endpoint,
      errors: null,
      input_file_id: batch.inputFileId,
      completion_window: "24h",
      status: batch.status,
      output_file_id: fileOf(batch.output, "output"),
      error_file_id: fileOf(batch.errors, "errors"),
      created_at: batch.createdAt,
      in_progress_at: batch.status === "validating" ? null : batch.createdAt,
      expires_at: batch.createdAt + 86_400,
      finalizing_at: null,
      completed_at: batch.status === "completed" ? seconds() : null,
      failed_at: null,
      expired_at: null,
      cancelling_at: null,
      cancelled_at: batch.status === "cancelled" ? seconds() : null,
      request_counts:
        batch.status === "validating"
          ? { total: 0, completed: 0, failed: 0 }
          : { total: batch.total, completed: batch.output.length, failed: ended ? batch.errors.length : 0 },
      metadata: batch.metadata,
    };
  };

  function run(batch: OpenAiBatch): void {
    const output: string[] = [];
    const errors: string[] = [];
    for (const text of files.get(batch.inputFileId) ?? []) {
      const line = JSON.parse(text) as { readonly custom_id: string; readonly url: string; readonly body: Question };
      const answer = recordedAnswer(line.url, line.body, "batch");
      const row = `{"id":"${nextId("batch_req_")}","custom_id":"${line.custom_id}","response":{"status_code":${answer.status},"request_id":"f3a1c9","body":${answer.body}},"error":null}`;
      (answer.status === 200 ? output : errors).push(row);
      if (answer.nanoUsd !== null) bill.charge({ clientRequestId: null, customId: line.custom_id, batchId: batch.id, nanoUsd: answer.nanoUsd });
    }
    batch.output = output.reverse();
    batch.errors = errors;
  }

  function look(batch: OpenAiBatch): Reply {
    if (batch.status === "validating") batch.status = "in_progress";
    else if (batch.status === "in_progress") {
      run(batch);
      batch.status = "completed";
    } else if (batch.status === "cancelling") {
      const unrun = (text: string): string =>
        `{"id":"${nextId("batch_req_")}","custom_id":"${(JSON.parse(text) as { custom_id: string }).custom_id}","response":null,"error":{"code":"batch_cancelled","message":"This request was not executed because the batch was cancelled."}}`;
      batch.errors = (files.get(batch.inputFileId) ?? []).map(unrun);
      batch.status = "cancelled";
    }
    return { body: shown(batch) };
  }

  const shownMessages = (batch: MessageBatch): Record<string, unknown> => {
    const ended = batch.status === "ended";
    const count = (type: string): number => batch.results.filter((line) => line.includes(`"result":{"type":"${type}"`)).length;
    return {
      id: batch.id,
      type: "message_batch",
      processing_status: batch.status,
      request_counts: ended
        ? { processing: 0, succeeded: count("succeeded"), errored: count("errored"), canceled: count("canceled"), expired: 0 }
        : { processing: batch.requests.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
      ended_at: ended ? new Date(nowMs()).toISOString() : null,
      created_at: batch.createdAt,
      expires_at: new Date(Date.parse(batch.createdAt) + 86_400_000).toISOString(),
      archived_at: null,
      cancel_initiated_at: null,
      results_url: ended ? `https://api.anthropic.com/v1/messages/batches/${batch.id}/results` : null,
    };
  };

  function lookAtMessages(batch: MessageBatch): Reply {
    const row = (customId: string, result: string): string => `{"custom_id":"${customId}","result":${result}}`;
    if (batch.status === "canceling") {
      batch.results = batch.requests.map((one) => row(one.custom_id, '{"type":"canceled"}'));
      batch.status = "ended";
    } else if (batch.status === "in_progress" && ++batch.looks > 1) {
      batch.results = batch.requests
        .map(({ custom_id: customId, params }) => {
          const answer = recordedAnswer("/v1/messages", params, "batch");
          if (answer.nanoUsd === null) return row(customId, `{"type":"errored","error":${answer.body}}`);
          bill.charge({ clientRequestId: null, customId, batchId: batch.id, nanoUsd: answer.nanoUsd });
          return row(customId, `{"type":"succeeded","message":${answer.body}}`);
        })
        .reverse();
      batch.status = "ended";
    }
    return { body: shownMessages(batch) };
  }

  function create(text: string): Reply {
    const asked = JSON.parse(text) as { input_file_id: string; endpoint: string; metadata?: Record<string, string> };
    const total = files.get(asked.input_file_id)?.length ?? 0;
    const base = { id: nextId("batch_"), inputFileId: asked.input_file_id, endpoint: asked.endpoint, metadata: asked.metadata ?? null };
    const batch: OpenAiBatch = { ...base, createdAt: seconds(), total, status: "validating", output: [], errors: [] };
    openAi.set(batch.id, batch);
    return { body: shown(batch) };
  }

  function createMessages(text: string): Reply {
    const { requests } = JSON.parse(text) as { requests: MessageBatch["requests"] };
    const batch: MessageBatch = {
      id: nextId("msgbatch_"),
      createdAt: new Date(nowMs()).toISOString(),
      requests,
      status: "in_progress",
      looks: 0,
      results: [],
    };
    messages.set(batch.id, batch);
    return { body: shownMessages(batch) };
  }

  function openAiBatch(method: string, id: string, rest: string | undefined): Reply | null {
    const batch = openAi.get(id);
    if (batch === undefined)
      return { status: 404, body: { error: { message: `No batch found with id '${id}'`, type: "invalid_request_error", param: null, code: null } } };
    if (rest === undefined) return look(batch);
    if (method !== "POST" || rest !== "cancel") return null;
    if (batch.status === "validating" || batch.status === "in_progress") batch.status = "cancelling";
    return { body: shown(batch) };
  }

  function messageBatch(method: string, id: string, rest: string | undefined): Reply | null {
    const batch = messages.get(id);
    if (batch === undefined) return { status: 404, body: { type: "error", error: { type: "not_found_error", message: "Not found" } } };
    if (rest === "results") return { lines: batch.results };
    if (rest === undefined) return lookAtMessages(batch);
    if (method !== "POST" || rest !== "cancel") return null;
    if (batch.status === "in_progress") batch.status = "canceling";
    return { body: shownMessages(batch) };
  }

  const page = (rows: readonly Record<string, unknown>[]): Reply => ({
    body: { object: "list", data: rows, first_id: rows[0]?.["id"] ?? null, last_id: rows.at(-1)?.["id"] ?? null, has_more: false },
  });
  return {
    handle: (asked) => {
      const [, , room, ...rest] = asked.path.split("/");
      const { method, text } = asked;
      if (room === "files") {
        const [id = "", what] = rest;
        if (method === "POST") return upload(asked);
        if (method === "DELETE") return { body: { id, object: "file", deleted: files.delete(id) } };
        if (what !== "content") return null;
        const [batchId = "", kind] = [id.replace(/-(?:output|errors)$/, ""), id.split("-").at(-1)];
        const batch = openAi.get(batchId);
        return batch === undefined ? null : { lines: kind === "output" ? batch.output : batch.errors };
      }
      if (room === "batches") {
        const [id, what] = rest;
        if (id !== undefined) return openAiBatch(method, id, what);
        return method === "POST" ? create(text) : page([...openAi.values()].reverse().map(shown));
      }
      if (room === "messages" && rest[0] === "batches") {
        const [, id, what] = rest;
        if (id !== undefined) return messageBatch(method, id, what);
        return method === "POST" ? createMessages(text) : page([...messages.values()].reverse().map(shownMessages));
      }
      return null;
    },
  };
}
