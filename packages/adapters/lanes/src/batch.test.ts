import { afterEach, expect, test } from "vitest";
import { createAnthropicBatchLane, createOpenAiBatchLane, type LaneAnswer, LaneError, type LaneRequest } from "./index.ts";
import { json, type Script, scriptedServer } from "./testing/scripted-server.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const never = new AbortController().signal;
const since = (sinceMs: number, taken: readonly string[] = [], crowded = false) => ({ sinceMs, taken: new Set(taken), crowded });
const request = (n: number, endpoint: LaneRequest["endpoint"], body = '{"model":"m"}'): LaneRequest => ({
  attemptId: `att_${n}`,
  endpoint,
  model: "m",
  body,
});

async function provider(script: Script): Promise<Awaited<ReturnType<typeof scriptedServer>>> {
  const server = await scriptedServer(script);
  open.push(server);
  return server;
}

const openAi = (url: string): ReturnType<typeof createOpenAiBatchLane> =>
  createOpenAiBatchLane({ apiKey: "key", baseURL: `${url}/v1`, emulated: false });
const anthropic = (url: string): ReturnType<typeof createAnthropicBatchLane> =>
  createAnthropicBatchLane({ apiKey: "key", baseURL: url, emulated: false });

async function all(answers: AsyncIterable<LaneAnswer>): Promise<LaneAnswer[]> {
  const list: LaneAnswer[] = [];
  for await (const answer of answers) list.push(answer);
  return list;
}

const failure = async (work: Promise<unknown>): Promise<LaneError> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LaneError)) throw new Error(`no LaneError but ${String(error)}`);
  return error;
};

const batchObject = (more: object): object => ({
  id: "batch_1",
  object: "batch",
  status: "completed",
  request_counts: { total: 2, completed: 2, failed: 0 },
  ...more,
});

test("OpenAI's file holds each body on one line as it was written, and is named after the dispatch", async () => {
  const server = await provider((heard, res) => json(res, heard.path === "/v1/files" ? { id: "file-1" } : batchObject({ status: "validating" })));
  const bodies = ['{"model":"m",\n "seed":12345678901234567890,"t":"\\u0000é"}', '{"model":"m","stream":true}'];
  expect(
    await openAi(server.url).submit(
      "dsp_1",
      bodies.map((body, n) => request(n, "/v1/chat/completions", body)),
      never,
    ),
  ).toEqual({ ref: "batch_1" });
  const [upload, create] = server.heard;
  expect(upload?.headers["content-length"]).toBe(String(Buffer.byteLength(upload?.body ?? "")));
  expect(upload?.body).toContain('filename="slowboat-dsp_1.jsonl"');
  const lines = (upload?.body ?? "").split("\r\n\r\n")[2]?.split("\r\n")[0]?.trimEnd().split("\n");
  expect(lines).toEqual([
    '{"custom_id":"att_0","method":"POST","url":"/v1/chat/completions","body":{"model":"m",  "seed":12345678901234567890,"t":"\\u0000é"}}'.replace(
      ",  ",
      ",  ",
    ),
    '{"custom_id":"att_1","method":"POST","url":"/v1/chat/completions","body":{"model":"m"}}',
  ]);
  expect(JSON.parse(create?.body ?? "")).toEqual({
    input_file_id: "file-1",
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { slowboat_dispatch: "dsp_1" },
  });
});

test("a lost reply to a create is unknown; a refused create is not, and takes its file along", async () => {
  const submit = (url: string): Promise<LaneError> => failure(openAi(url).submit("dsp_1", [request(1, "/v1/embeddings")], never));
  const creating =
    (status: number | null): Script =>
    (heard, res, req) => {
      if (heard.path !== "/v1/batches") return json(res, { id: "file-1" });
      if (status === null) return void req.socket.destroy();
      json(res, { error: { message: "no", type: "invalid_request_error", code: status === 429 ? "rate_limit_exceeded" : null } }, status);
    };
  expect(await submit((await provider(creating(null))).url)).toMatchObject({ outcome: "unknown", retry: "later" });
  expect(await submit((await provider(creating(502))).url)).toMatchObject({ outcome: "unknown" });
  const refusing = await provider(creating(400));
  expect(await submit(refusing.url)).toMatchObject({ outcome: "refused", retry: "never" });
  expect(refusing.heard.map((one) => `${one.method} ${one.path}`)).toEqual(["POST /v1/files", "POST /v1/batches", "DELETE /v1/files/file-1"]);
  expect(await submit((await provider(creating(429))).url)).toMatchObject({ outcome: "refused", retry: "later", code: "rate_limit_exceeded" });
  const uploadLost = await provider((_, __, req) => void req.socket.destroy());
  expect(await submit(uploadLost.url)).toMatchObject({ outcome: "refused", retry: "later" });
  await uploadLost.close();
  expect(await submit(uploadLost.url)).toMatchObject({ outcome: "unsent", retry: "later" });
});

test("OpenAI's orphan is found by its metadata on a later page, and not beyond its time", async () => {
  const page = (from: number, more: boolean, tag?: string): object => ({
    object: "list",
    has_more: more,
    data: Array.from({ length: 3 }, (_, i) => ({
      id: `batch_${from + i}`,
      created_at: 1000 - from - i,
      metadata: i === 1 && tag ? { slowboat_dispatch: tag } : null,
    })),
  });
  const server = await provider((heard, res) =>
    json(res, heard.path.includes("after=batch_2") ? page(3, false, "dsp_7") : page(0, true, "dsp_other")),
  );
  expect(await openAi(server.url).find("dsp_7", [], since(0), never)).toEqual({ ref: "batch_4" });
  expect(await openAi(server.url).find("dsp_8", [], since(0), never)).toBeNull();
  const before = server.heard.length;
  expect(await openAi(server.url).find("dsp_8", [], since(2_000_000), never)).toBeNull();
  expect(server.heard.length).toBe(before + 1);
});

test("OpenAI's states become phases, and a failed validation says which lines, whether to hold and whether the file was lost", async () => {
  let batch: object = {};
  const server = await provider((_, res) => json(res, batch));
  const poll = (more: object): ReturnType<ReturnType<typeof openAi>["poll"]> => {
    batch = batchObject(more);
    return openAi(server.url).poll("batch_1", never);
  };
  for (const [status, phase] of Object.entries({
    validating: "queued",
    in_progress: "running",
    finalizing: "ending",
    cancelling: "ending",
    completed: "ended",
    expired: "ended",
    cancelled: "ended",
  })) {
    expect(await poll({ status })).toMatchObject({ status, phase, done: 2, total: 2, failure: null });
  }
  const data = [
    { code: "invalid_json_line", message: "bad", param: null, line: 2 },
    { code: "duplicate_custom_id", message: "dup", param: "custom_id", line: 9 },
  ];
  expect((await poll({ status: "failed", errors: { object: "list", data } })).failure).toEqual({
    code: "invalid_json_line",
    message: "bad",
    hold: false,
    fileLost: false,
    limitTokens: null,
    lines: [
      { line: 2, code: "invalid_json_line", message: "bad" },
      { line: 9, code: "duplicate_custom_id", message: "dup" },
    ],
  });
  const full = [{ code: "token_limit_exceeded", message: "Enqueued token limit reached. Limit: 900,000 enqueued tokens.", param: null, line: null }];
  expect((await poll({ status: "failed", errors: { data: full } })).failure).toMatchObject({
    code: "token_limit_exceeded",
    hold: true,
    limitTokens: 900_000,
  });
  const gone = [{ code: "invalid_request", message: "Cannot find file file-1", param: "file_id", line: null }];
  expect((await poll({ status: "failed", errors: { data: gone } })).failure).toMatchObject({ code: "invalid_request", hold: false, fileLost: true });
  expect((await poll({ status: "failed", errors: null })).failure).toMatchObject({ code: "validation_failed", hold: false, lines: [] });
});

test("a poll that is refused throws, so that the caller can count it", async () => {
  const server = await provider((_, res) => json(res, { error: { message: "No batch found", type: "invalid_request_error", code: null } }, 404));
  expect(await failure(openAi(server.url).poll("batch_1", never))).toMatchObject({ outcome: "refused", retry: "never" });
  const odd = await provider((_, res) => json(res, {}));
  expect(await failure(openAi(odd.url).poll("batch_1", never))).toMatchObject({ code: "unrecognised_answer", retry: "later" });
});

test("every kind of row of OpenAI's two files comes out once and raw", async () => {
  const row = (id: string, response: string, error = "null"): string =>
    `{"id":"batch_req_1","custom_id":"${id}","response":${response},"error":${error}}`;
  const output = [
    row("att_1", '{"status_code":200,"request_id":"r1","body":{"n": 12345678901234567890,"t":"\\u0000"}}'),
    row("att_1", '{"status_code":200,"request_id":"r1","body":{"again":true}}'),
    "",
    '{"id":"batch_req_2","custom_id":"att_2","respon',
    "garbage",
  ].join("\r\n");
  const errors = [
    row("att_3", '{"status_code":400,"request_id":"r3","body":{"error":{"message":"bad","type":"invalid_request_error","code":null}}}'),
    row("att_4", '{"status_code":429,"request_id":"r4","body":{"error":{"message":"slow","type":"tokens","code":"rate_limit_exceeded"}}}'),
    row("att_5", "null", '{"code":"batch_expired","message":"late"}'),
    row("att_6", "null", '{"code":"batch_cancelled","message":"stop"}'),
    row("att_7", "null", '{"code":"server_error","message":"oops"}'),
    row("att_8", "null"),
  ].join("\n");
  const server = await provider((heard, res) => {
    if (heard.path.endsWith("/content")) return void res.end(heard.path.includes("file-out") ? output : errors);
    json(res, batchObject({ status: "expired", output_file_id: "file-out", error_file_id: "file-err" }));
  });
  const answers = await all(openAi(server.url).collect("batch_1", never));
  expect(answers).toMatchObject([
    { kind: "answered", attemptId: "att_1", statusCode: 200, requestId: "r1", body: '{"n": 12345678901234567890,"t":"\\u0000"}' },
    { kind: "unknown", attemptId: "att_2", code: "unreadable_row" },
    { kind: "unknown", attemptId: "", code: "unreadable_row" },
    { kind: "refused", attemptId: "att_3", statusCode: 400, retry: "never", requestId: "r3" },
    { kind: "refused", attemptId: "att_4", statusCode: 429, retry: "later", code: "rate_limit_exceeded" },
    { kind: "void", attemptId: "att_5", code: "expired" },
    { kind: "void", attemptId: "att_6", code: "cancelled" },
    { kind: "refused", attemptId: "att_7", statusCode: 500, retry: "later", code: "server_error" },
    { kind: "unknown", attemptId: "att_8" },
  ]);
});

test("an error file alone is a normal ending, and an empty file id means no file", async () => {
  const server = await provider((heard, res) => {
    if (heard.path.endsWith("/content")) return void res.end('{"custom_id":"att_1","response":null,"error":{"code":"batch_expired","message":""}}');
    json(res, batchObject({ output_file_id: "", error_file_id: "file-err" }));
  });
  expect(await all(openAi(server.url).collect("batch_1", never))).toMatchObject([{ kind: "void", attemptId: "att_1" }]);
  expect(server.heard.length).toBe(2);
});

test("results that break off throw, and a batch that runs has none", async () => {
  const server = await provider((heard, res, req) => {
    if (!heard.path.endsWith("/content")) return json(res, batchObject({ output_file_id: "file-out", error_file_id: null }));
    res.writeHead(200, { "content-length": "1000" });
    res.write('{"custom_id":"att_1","response":{"status_code":200,"body":{}},"error":null}\n', () => setImmediate(() => req.socket.destroy()));
  });
  expect(await failure(all(openAi(server.url).collect("batch_1", never)))).toMatchObject({ retry: "later" });
  const running = await provider((_, res) => json(res, batchObject({ status: "in_progress" })));
  expect(await failure(all(openAi(running.url).collect("batch_1", never)))).toMatchObject({ code: "not_ended", retry: "later" });
});

test("cancelling what has already ended is no error", async () => {
  const server = await provider((_, res) =>
    json(res, { error: { message: "Cannot cancel a batch with status 'completed'.", type: "invalid_request_error" } }, 409),
  );
  await openAi(server.url).cancel("batch_1", never);
  await anthropic(server.url).cancel("msgbatch_1", never);
  const down = await provider((_, res) => json(res, {}, 503));
  expect(await failure(openAi(down.url).cancel("batch_1", never))).toMatchObject({ outcome: "refused", retry: "later" });
});

const messageBatch = (id: string, counts: object, more: object = {}): object => ({
  id,
  type: "message_batch",
  processing_status: "in_progress",
  request_counts: { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0, ...counts },
  created_at: "2026-11-20T00:00:00Z",
  archived_at: null,
  ended_at: null,
  results_url: null,
  ...more,
});

test("Anthropic's body holds each params as it was written", async () => {
  const server = await provider((_, res) => json(res, messageBatch("msgbatch_1", { processing: 2 })));
  const bodies = ['{"model":"m",\n "max_tokens":12345678901234567890}', '{"model":"m","stream":true,"t":"\\u0000é"}'];
  expect(
    await anthropic(server.url).submit(
      "dsp_1",
      bodies.map((body, n) => request(n, "/v1/messages", body)),
      never,
    ),
  ).toEqual({ ref: "msgbatch_1" });
  expect(server.heard[0]?.body).toBe(
    '{"requests":[{"custom_id":"att_0","params":{"model":"m",\n "max_tokens":12345678901234567890}},{"custom_id":"att_1","params":{"model":"m","t":"\\u0000é"}}]}',
  );
  expect(server.heard[0]?.headers["content-length"]).toBe(String(Buffer.byteLength(server.heard[0]?.body ?? "")));
});

test("every kind of result row comes out raw, read from our own base URL", async () => {
  const rows = [
    '{"custom_id":"att_1","result":{"type":"succeeded","message":{"n": 12345678901234567890}}}',
    '{"custom_id":"att_2","result":{"type":"errored","error":{"type":"error","error":{"type":"invalid_request_error","message":"bad"},"request_id":"workerreq_1"}}}',
    '{"custom_id":"att_3","result":{"type":"errored","error":{"type":"overloaded_error","message":"busy"}}}',
    '{"custom_id":"att_4","result":{"type":"canceled"}}',
    '{"custom_id":"att_5","result":{"type":"expired"}}',
    '{"custom_id":"att_6","result":{"type":"new_kind"}}',
  ].join("\r\n");
  const foreign = await provider((_, res) => void res.end());
  const server = await provider((heard, res) => {
    if (heard.path.endsWith("/results")) return void res.end(rows);
    json(res, messageBatch("msgbatch_1", { succeeded: 6 }, { processing_status: "ended", results_url: `${foreign.url}/steal` }));
  });
  expect(await all(anthropic(server.url).collect("msgbatch_1", never))).toMatchObject([
    { kind: "answered", attemptId: "att_1", body: '{"n": 12345678901234567890}' },
    { kind: "refused", attemptId: "att_2", statusCode: 400, retry: "never", code: "invalid_request_error", requestId: "workerreq_1" },
    {
      kind: "refused",
      attemptId: "att_3",
      statusCode: 529,
      retry: "later",
      body: '{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
    },
    { kind: "void", attemptId: "att_4", code: "cancelled" },
    { kind: "void", attemptId: "att_5", code: "expired" },
    { kind: "unknown", attemptId: "att_6" },
  ]);
  expect(foreign.heard).toEqual([]);
});

test("Anthropic's orphan is adopted when its results name us or nothing else fits, and never when two could be it", async () => {
  let list: object[] = [];
  const results: Record<string, string> = {
    msgbatch_foreign: '{"custom_id":"someone","result":{"type":"expired"}}',
    msgbatch_ours: '{"custom_id":"att_2","result":{"type":"expired"}}',
  };
  const server = await provider((heard, res) => {
    const ref = /batches\/(\w+)\/results/.exec(heard.path)?.[1];
    if (ref) return void res.end(results[ref]);
    if (heard.method === "POST") return json(res, messageBatch("msgbatch_mine", { processing: 2 }));
    json(res, heard.path.includes("?") ? { data: list, has_more: false } : messageBatch(heard.path.split("/").at(-1) ?? "", { processing: 2 }));
  });
  const lane = anthropic(server.url);
  const sinceMs = Date.parse("2026-11-19T00:00:00Z");
  const find = (taken: readonly string[] = [], crowded = false): Promise<{ ref: string } | null> =>
    lane.find("dsp_1", ["att_1", "att_2"], since(sinceMs, taken, crowded), never);
  const ended = { processing_status: "ended" };
  list = [messageBatch("msgbatch_foreign", { succeeded: 2 }, ended), messageBatch("msgbatch_other_size", { processing: 3 })];
  expect(await find()).toBeNull();
  list.push(messageBatch("msgbatch_old", { processing: 2 }, { created_at: "2026-11-01T00:00:00Z" }));
  expect(await find()).toBeNull();
  list = [messageBatch("msgbatch_taken", { processing: 2 }), messageBatch("msgbatch_a", { processing: 2 })];
  expect(await find(["msgbatch_taken"])).toEqual({ ref: "msgbatch_a" });
  const unsure = { name: "LaneError", outcome: "unknown", code: "orphan_ambiguous" };
  await expect(find(["msgbatch_taken"], true)).rejects.toMatchObject(unsure);
  list = [messageBatch("msgbatch_b", { processing: 2 }), messageBatch("msgbatch_c", { processing: 2 })];
  await expect(find()).rejects.toMatchObject(unsure);
  list.push(messageBatch("msgbatch_ours", { succeeded: 2 }, ended));
  expect(await find()).toEqual({ ref: "msgbatch_ours" });
});

test("Anthropic's states become phases, with counters that move or not; an archived batch is lost", async () => {
  let batch: object = {};
  const server = await provider((_, res) => json(res, batch));
  const poll = (counts: object, more: object): ReturnType<ReturnType<typeof anthropic>["poll"]> => {
    batch = messageBatch("msgbatch_1", counts, more);
    return anthropic(server.url).poll("msgbatch_1", never);
  };
  expect(await poll({ processing: 4 }, {})).toMatchObject({ phase: "running", done: 0, total: 4, failure: null });
  expect(await poll({ processing: 3, succeeded: 1 }, { processing_status: "canceling" })).toMatchObject({ phase: "ending", done: 1, total: 4 });
  expect(await poll({ errored: 4 }, { processing_status: "ended" })).toMatchObject({ phase: "ended", done: 4 });
  expect(await poll({ succeeded: 4 }, { processing_status: "ended", archived_at: "2026-12-20T00:00:00Z" })).toMatchObject({
    phase: "lost",
    status: "archived",
  });
});
