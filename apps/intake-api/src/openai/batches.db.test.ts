import { watchLeaks } from "@slowboat/testkit";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";
import { batchOf as batchAs, chatLine, create as createAs, type Terms, upload as uploadAs } from "./testing/batch-caller.ts";

const leaks = watchLeaks();
let intake: TestIntake;
let me: TestCaller;

beforeAll(async () => {
  intake = await startIntake();
  me = intake.tenant;
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

const upload = (content: string | Buffer, name?: string, caller = me) => uploadAs(caller, content, name);
const create = (fileId: string, terms: Terms = {}, caller = me) => createAs(caller, fileId, terms);
const batchOf = (content: string | Buffer, terms: Terms = {}) => batchAs(intake, me, content, terms);

describe("batches, with the official client", () => {
  test("a good file becomes jobs whose bodies are ranges of it, byte for byte", async () => {
    const lines = [
      chatLine("a"),
      `{ "custom_id" : "grüße 🚢", "method":"POST","url":"/v1/chat/completions","body" : {"model":"gpt-5-mini","messages":[{"role":"user","content":"\\u0000 \\ud800 ü"}],"seed":9007199254740993,"max_completion_tokens":1}  }`,
      "",
      chatLine("c"),
    ];
    const content = `${lines.join("\r\n")}\n`;
    const file = await upload(content);
    const created = await create(file.id, { completion_window: "4h" as never, metadata: { run: "1" } });
    expect(created).toMatchObject({
      object: "batch",
      status: "validating",
      request_counts: { total: 0, completed: 0, failed: 0 },
      errors: null,
      output_file_id: null,
      usage: null,
    });
    await intake.run(created.id);
    const batch = await me.openai.batches.retrieve(created.id);
    expect(batch).toMatchObject({
      status: "in_progress",
      model: "gpt-5-mini",
      request_counts: { total: 3, completed: 0, failed: 0 },
      metadata: { run: "1" },
      completion_window: "4h",
    });
    expect(batch.expires_at).toBe(batch.created_at + 4 * 3600);
    const jobs = await intake.store.sql<{ line: number; customId: string; at: number; bytes: number; state: string; deadline: number }[]>`
      select line_no as line, custom_id as "customId", body_offset as at, body_bytes as bytes, state, deadline_at_ms as deadline from job where batch_id = ${batch.id} order by line_no`;
    expect(jobs.map((job) => [job.line, job.customId, job.state])).toEqual([
      [1, "a", "accepted"],
      [2, "grüße 🚢", "accepted"],
      [4, "c", "accepted"],
    ]);
    const bytes = Buffer.from(content);
    for (const job of jobs) {
      const raw = bytes.subarray(job.at, job.at + job.bytes).toString();
      const line = lines[job.line - 1] ?? "";
      expect(line).toContain(raw);
      expect(raw.startsWith("{") && raw.endsWith("}") && JSON.parse(raw).model === "gpt-5-mini").toBe(true);
    }
    expect(await me.call("GET", `/v1/jobs?batch_id=${batch.id}`)).toMatchObject({ status: 200, json: { data: { length: 3 } } });
  });

  test("every bad line is listed with its number and code, and nothing is accepted", async () => {
    const bad: [string | Buffer, string, string | null][] = [
      ["{not json", "invalid_json_line", null],
      ["[1]", "invalid_json_line", null],
      ["null", "invalid_json_line", null],
      [Buffer.from([0x7b, 0xff, 0x7d]), "invalid_json_line", null],
      [chatLine("first"), "duplicate_custom_id", "custom_id"],
      [chatLine("x1", { custom_id: undefined }), "missing_required_parameter", "custom_id"],
      [chatLine("x2", { custom_id: 7 }), "invalid_request", "custom_id"],
      [chatLine("x3\u0000"), "invalid_request", "custom_id"],
      [chatLine("x4", { url: "/v1/embeddings" }), "invalid_url", "url"],
      [chatLine("x5", { method: "GET" }), "invalid_request", "method"],
      [chatLine("x6", { body: undefined }), "missing_required_parameter", "body"],
      [chatLine("x7", {}, { messages: undefined }), "missing_required_parameter", "body.messages"],
      [chatLine("x8", {}, { model: undefined }), "invalid_request", "body.model"],
      [chatLine("x9", {}, { model: "gpt-9-dreamt" }), "model_not_found", "body.model"],
      [chatLine("x10", {}, { model: "gpt-4o-mini" }), "mismatched_model", "body.model"],
      [chatLine("x11", {}, { stream: true }), "streaming_unsupported", "body.stream"],
      [`{"custom_id":"x12","method":"POST","url":"/v1/chat/completions","body":${"[".repeat(500)}${"]".repeat(500)}}`, "invalid_request", null],
      [`{"custom_id":"x13","body":"${"y".repeat(34_000_000)}"}`, "invalid_request", null],
    ];
    const content = Buffer.concat(
      [chatLine("first"), ...bad.map(([line]) => line), chatLine("last")].flatMap((line) => [Buffer.from(line), Buffer.from("\n")]),
    );
    const batch = await batchOf(content);
    expect(batch).toMatchObject({
      status: "failed",
      request_counts: { total: 0, completed: 0, failed: 0 },
      output_file_id: null,
      error_file_id: null,
    });
    expect(batch.errors?.data?.map((error) => [error.line, error.code, error.param])).toEqual(
      bad.map(([, code, param], index) => [index + 2, code, param]),
    );
    expect(await intake.store.sql`select from job where batch_id = ${batch.id}`).toHaveLength(0);
  });

  test("a byte order mark is a bad first line, as at the provider", async () => {
    const batch = await batchOf(`\ufeff${chatLine("a")}`);
    expect(batch.errors?.data).toEqual([{ code: "invalid_json_line", message: "This line is not parseable as valid JSON.", param: null, line: 1 }]);
  });

  test("an empty file, an unknown file and a file of another purpose fail the batch, not the call", async () => {
    expect((await batchOf("\n\n")).errors?.data?.[0]).toMatchObject({ code: "invalid_request", line: null });
    const other = await me.openai.files.create({ file: await toFile(Buffer.from(chatLine("a")), "a.jsonl"), purpose: "user_data" });
    for (const fileId of ["file-nope", other.id]) {
      const { id } = await create(fileId);
      await intake.run(id);
      expect(await me.openai.batches.retrieve(id)).toMatchObject({
        status: "failed",
        errors: { data: [{ code: "invalid_request", param: "file_id" }] },
      });
    }
  });

  test("more lines than a batch may have fail it", async () => {
    const batch = await batchOf(Array.from({ length: 50_001 }, (_, i) => chatLine(`l${i}`)).join("\n"));
    expect(batch.errors?.data).toMatchObject([{ code: "invalid_request", message: expect.stringContaining("50000"), line: null }]);
  });

  test("lanes that cannot make the deadline fail the batch and name the earliest time", async () => {
    const batch = await batchOf(chatLine("a"), { completion_window: "10m" as never, metadata: { allow: "batch" } });
    expect(batch.errors?.data).toMatchObject([
      { code: "deadline_infeasible", message: expect.stringMatching(/earliest deadline.* 2026-11-01T/), line: null },
    ]);
  });

  test("mixed models are taken where the metadata says so", async () => {
    const batch = await batchOf(`${chatLine("a")}\n${chatLine("b", {}, { model: "gpt-4o-mini" })}`, { metadata: { mixed_models: "true" } });
    expect(batch).toMatchObject({ status: "in_progress", request_counts: { total: 2 } });
    expect(batch.model ?? null).toBeNull();
  });

  test("a line's own service_tier narrows its lanes, and the batch's word comes before it", async () => {
    const content = `${chatLine("a", {}, { service_tier: "batch" })}\n${chatLine("b")}`;
    const lanesOf = async (terms: Terms): Promise<unknown[]> => {
      const { id } = await batchOf(content, terms);
      return (await intake.store.sql`select lanes_allow as lanes from job where batch_id = ${id} order by line_no`).map((row) => row["lanes"]);
    };
    expect(await lanesOf({})).toEqual([["cache", "pool", "openai-batch", "anthropic-batch"], null]);
    expect(await lanesOf({ metadata: { allow: "flex,openai" } })).toEqual([
      ["openai-flex", "openai"],
      ["openai-flex", "openai"],
    ]);
  });

  test("a line's own metadata.deadline is its deadline and is not sent on; one that cannot be read is that line's error", async () => {
    const content = [
      chatLine("plain"),
      `{"custom_id":"own","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","seed":9007199254740993,"metadata":{"deadline":"3h","k":"ü"},"messages":[{"role":"user","content":"x"}],"max_completion_tokens":5}}`,
      chatLine("only", {}, { metadata: { deadline: "2h" } }),
    ].join("\n");
    const { id } = await batchOf(content);
    const rows = await intake.store.sql<{ deadline: number; body: string | null; ranged: boolean; bytes: number }[]>`
      select deadline_at_ms as deadline, body, body_blob_key is not null as ranged, body_bytes as bytes from job where batch_id = ${id} order by line_no`;
    const hours = rows.map((row) => (row.deadline - intake.clock.job()) / 3_600_000);
    expect(hours).toEqual([24, 3, 2]);
    expect(rows.map((row) => row.ranged)).toEqual([true, false, false]);
    expect(rows[1]?.body).toBe(
      '{"model":"gpt-5-mini","seed":9007199254740993,"metadata":{"k":"ü"},"messages":[{"role":"user","content":"x"}],"max_completion_tokens":5}',
    );
    expect(rows[1]?.bytes).toBe(Buffer.byteLength(rows[1]?.body ?? ""));
    expect(JSON.parse(rows[2]?.body ?? "{}")).not.toHaveProperty("metadata");
    const bad = await batchOf(`${chatLine("a")}\n${chatLine("b", {}, { metadata: { deadline: "soon" } })}`);
    expect(bad.errors?.data).toMatchObject([{ line: 2, code: "deadline_unreadable", param: "body.metadata.deadline" }]);
  });

  test("metadata.max_cost_usd bounds each line: one that could cost more ends as an error of its own", async () => {
    const content = [chatLine("cheap"), chatLine("dear", {}, { max_completion_tokens: 100_000 })].join("\n");
    const { id, status } = await batchOf(content, { metadata: { max_cost_usd: "0.01" } });
    expect(status).toBe("in_progress");
    const rows = await intake.store.sql<{ state: string; bound: bigint; error: string | null }[]>`
      select state, max_cost_nano as bound, error from job where batch_id = ${id} order by line_no`;
    expect(rows.map((row) => [row.state, row.bound])).toEqual([
      ["accepted", 10_000_000n],
      ["failed", 10_000_000n],
    ]);
    expect(JSON.parse(rows[1]?.error ?? "{}").code).toBe("over-max-cost");
  });

  test("a line may be as large as a request of its own", async () => {
    const content = [chatLine("small"), chatLine("large", {}, { messages: [{ role: "user", content: "y".repeat(20_000_000) }] })].join("\n");
    expect(await batchOf(content)).toMatchObject({ status: "in_progress", request_counts: { total: 2 } });
  });

  test("one bad line in the middle of fifty thousand is listed with its number, and nothing is accepted", async () => {
    const content = Array.from({ length: 50_000 }, (_, i) => (i === 24_999 ? "{not json" : chatLine(`n${i}`))).join("\n");
    const batch = await batchOf(content);
    expect(batch).toMatchObject({ status: "failed", request_counts: { total: 0 } });
    expect(batch.errors?.data).toEqual([
      { code: "invalid_json_line", message: "This line is not parseable as valid JSON.", param: null, line: 25_000 },
    ]);
    expect(await intake.store.sql`select from job where batch_id = ${batch.id}`).toHaveLength(0);
  });

  test("a failed batch is announced once, in the transaction that failed it", async () => {
    const batch = await batchOf("{", { metadata: { callback_url: "https://hooks.example.com/b" } });
    const events = await intake.store.sql<
      { type: string; payload: string }[]
    >`select type, payload from webhook_event where subject_id = ${batch.id}`;
    expect(events.map((event) => [event.type, JSON.parse(event.payload).data.id])).toEqual([["batch.failed", batch.id]]);
  });

  test("what is wrong with the call itself is a fault", async () => {
    const file = (await upload(chatLine("a"))).id;
    const wrong: [Record<string, unknown>, string][] = [
      [{ input_file_id: undefined }, "input_file_id"],
      [{ endpoint: "/v1/moderations" }, "endpoint"],
      [{ completion_window: "soon" }, "completion_window"],
      [{ completion_window: ["24h"] }, "completion_window"],
      [{ completion_window: 24 }, "completion_window"],
      [{ metadata: { max_cost_usd: "cheap" } }, "metadata.max_cost_usd"],
      [{ metadata: { deadline: "06:00" } }, "metadata.deadline"],
      [{ metadata: { deadline: "2020-01-01T00:00:00Z" } }, "metadata.deadline"],
      [{ metadata: { callback_url: "https://10.0.0.1/" } }, "metadata.callback_url"],
      [{ metadata: { cache: "sometimes" } }, "metadata.cache"],
      [{ metadata: { deep: { er: 1 } } }, "metadata.deep"],
      [{ metadat: {} }, "metadat"],
      [{ output_expires_after: { seconds: 7200 } }, "output_expires_after.anchor"],
      [{ output_expires_after: { anchor: "created_at", seconds: 60 } }, "output_expires_after.seconds"],
    ];
    for (const [terms, param] of wrong) {
      const reply = await me.call("POST", "/v1/batches", {
        input_file_id: file,
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
        ...terms,
      });
      expect([reply.status, reply.json.error.param, terms]).toEqual([400, param, terms]);
    }
    const missing = await me.call("POST", "/v1/batches", { endpoint: "/v1/chat/completions", completion_window: "24h" });
    expect(missing.json.error).toEqual({
      message: "Missing required parameter: 'input_file_id'.",
      type: "invalid_request_error",
      param: "input_file_id",
      code: "missing_required_parameter",
    });
  });

  test("output_expires_after is how long the batch's own files are kept", async () => {
    const life = { output_expires_after: { anchor: "created_at", seconds: 7200 } } as Terms;
    const { endBatch, insertFile } = await import("@slowboat/store");
    const nowMs = intake.clock.job();
    const expiry = async (terms: Terms, fileId: string): Promise<number> => {
      const { id } = await batchOf(chatLine("a"), terms);
      await intake.store.begin(async (tx) => {
        await tx`update batch set state = 'finalizing' where id = ${id}`;
        await endBatch(tx, { batchId: id, to: "completed", outputFileId: fileId, errorFileId: null, written: null, nowMs });
        const file = { id: fileId, tenantId: me.tenantId, purpose: "batch_output", filename: "o.jsonl", sizeBytes: 1, sha256: "", blobKey: fileId };
        await insertFile(tx, { ...file, createdAtMs: nowMs, expiresAtMs: nowMs + 30 * 86_400_000 });
      });
      const shown = await me.openai.files.retrieve(fileId);
      return (shown.expires_at ?? 0) - shown.created_at;
    };
    expect(await expiry(life, `file-${"0".repeat(31)}1`)).toBe(7200);
    expect(await expiry({}, `file-${"0".repeat(31)}2`)).toBe(30 * 86_400);
  });

  test("the deadline comes from the header before the metadata before the window", async () => {
    const file = (await upload(chatLine("a"))).id;
    const expiry = async (terms: Record<string, unknown>, headers: Record<string, string> = {}): Promise<number> => {
      const reply = await me.call(
        "POST",
        "/v1/batches",
        { input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h", ...terms },
        headers,
      );
      return reply.json.expires_at - reply.json.created_at;
    };
    expect(await expiry({})).toBe(24 * 3600);
    expect(await expiry({ metadata: { deadline: "3h" } })).toBe(3 * 3600);
    // A window of any length is taken; what lies beyond thirty days counts as thirty.
    for (const completion_window of ["40d", "9999999h"]) expect(await expiry({ completion_window })).toBe(30 * 24 * 3600);
    expect(await expiry({ metadata: { deadline: "3h" } }, { "offpeak-deadline": "2h" })).toBe(2 * 3600);
    expect(await expiry({}, { "slowboat-deadline": "90m" })).toBe(90 * 60);
  });

  test("the same Idempotency-Key makes one batch", async () => {
    const body = { input_file_id: (await upload(chatLine("a"))).id, endpoint: "/v1/chat/completions", completion_window: "24h" };
    const headers = { "idempotency-key": "batch-1" };
    const first = await me.call("POST", "/v1/batches", body, headers);
    const again = await me.call("POST", "/v1/batches", body, headers);
    expect([again.json.id, again.headers.get("idempotent-replayed")]).toEqual([first.json.id, "true"]);
    expect((await me.call("POST", "/v1/batches", { ...body, metadata: { a: "b" } }, headers)).status).toBe(409);
  });

  test("a batch is answered again after its deadline has passed, and not under other headers", async () => {
    const deadline = new Date(intake.clock.job() + 3_600_000).toISOString();
    const body = {
      input_file_id: (await upload(chatLine("a"))).id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
      metadata: { deadline },
    };
    const headers = { "idempotency-key": "batch-late" };
    const first = await me.call("POST", "/v1/batches", body, headers);
    intake.clock.advance(2 * 3_600_000);
    const again = await me.call("POST", "/v1/batches", body, headers);
    expect([again.status, again.json.id, again.headers.get("idempotent-replayed")]).toEqual([200, first.json.id, "true"]);
    expect((await me.call("POST", "/v1/batches", body, { ...headers, "slowboat-deadline": "4h" })).status).toBe(409);
  });

  test("the list pages newest first; another tenant sees and cancels nothing", async () => {
    const owner = await intake.newTenant("pager");
    const file = (await upload(chatLine("a"), "a.jsonl", owner)).id;
    const made: string[] = [];
    for (let i = 0; i < 3; i++) {
      intake.clock.advance(1);
      made.push((await create(file, {}, owner)).id);
    }
    const seen: string[] = [];
    for await (const batch of owner.openai.batches.list({ limit: 2 })) seen.push(batch.id);
    expect(seen).toEqual(made.toReversed());
    await expect(me.openai.batches.retrieve(made[0] ?? "")).rejects.toMatchObject({
      status: 404,
      error: { message: `No batch found with id '${made[0]}'.` },
    });
    await expect(me.openai.batches.cancel(made[0] ?? "")).rejects.toThrow(OpenAI.NotFoundError);
  });
});
