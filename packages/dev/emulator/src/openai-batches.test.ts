import { toFile } from "openai";
import { expect, test } from "vitest";
import { batchLine, DAY, HOUR, MINUTE, makeBatch, rowsOf, started } from "./test-bed.ts";

const TEN_MINUTES = { batchTurnaroundMs: 10 * MINUTE };
const body = { model: "gpt-5-mini", messages: [{ role: "user", content: "Say something." }] };

const BAD: { name: string; lines: string[]; code: string; param: string | null; line: number | null; message?: RegExp }[] = [
  {
    name: "bad JSON",
    lines: [batchLine("a"), "{nope"],
    code: "invalid_json_line",
    param: null,
    line: 2,
    message: /^This line is not parseable as valid JSON\.$/,
  },
  { name: "a byte order mark", lines: [`\uFEFF${batchLine("a")}`], code: "invalid_json_line", param: null, line: 1 },
  { name: "a repeated custom_id", lines: [batchLine("a"), batchLine("b"), batchLine("a")], code: "duplicate_custom_id", param: "custom_id", line: 3 },
  {
    name: "missing messages",
    lines: [batchLine("a", { body: { model: "gpt-5-mini" } })],
    code: "missing_required_parameter",
    param: "body.messages",
    line: 1,
    message: /^Missing required parameter: 'messages'\.$/,
  },
  { name: "a missing custom_id", lines: [batchLine("a", { custom_id: undefined })], code: "missing_required_parameter", param: "custom_id", line: 1 },
  {
    name: "a second model",
    lines: [batchLine("a"), batchLine("b", { body: { ...body, model: "gpt-4o-mini" } })],
    code: "mismatched_model",
    param: "body.model",
    line: 2,
  },
  { name: "another url", lines: [batchLine("a", { url: "/v1/embeddings" })], code: "invalid_url", param: "url", line: 1 },
  {
    name: "an unknown model",
    lines: [batchLine("a", { body: { ...body, model: "gpt-none" } })],
    code: "model_not_found",
    param: "body.model",
    line: 1,
  },
  { name: "a missing model", lines: [batchLine("a", { body: { messages: body.messages } })], code: "invalid_request", param: "body.model", line: 1 },
  { name: "streaming", lines: [batchLine("a", { body: { ...body, stream: true } })], code: "streaming_unsupported", param: "body.stream", line: 1 },
];

test.each(BAD)("$name fails the whole batch with $code, and nothing is billed", async ({ lines, code, param, line, message }) => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(openai, lines);
  expect(batch).toMatchObject({ status: "validating", errors: null, request_counts: { total: 0, completed: 0, failed: 0 } });
  time.nowMs += HOUR;
  const failed = await openai.batches.retrieve(batch.id);
  expect(failed).toMatchObject({
    status: "failed",
    output_file_id: null,
    error_file_id: null,
    request_counts: { total: 0, completed: 0, failed: 0 },
  });
  expect(failed.errors?.data).toHaveLength(1);
  expect(failed.errors?.data?.[0]).toMatchObject({ code, param, line });
  if (message !== undefined) expect(failed.errors?.data?.[0]?.message).toMatch(message);
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("an unknown or foreign input file is only found out after the batch was made", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const other = await openai.files.create({ file: await toFile(Buffer.from("{}"), "x.json"), purpose: "user_data" });
  for (const id of ["file-none", other.id]) {
    const batch = await openai.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
    expect(batch.status).toBe("validating");
    time.nowMs += HOUR;
    const failed = await openai.batches.retrieve(batch.id);
    expect(failed.errors?.data?.[0]).toMatchObject({
      code: "invalid_request",
      param: "file_id",
      line: null,
      message: expect.stringContaining(`Cannot find file ${id}`),
    });
  }
});

test("every bad line is listed where the emulator is told to list all", async () => {
  const { openai, time } = await started({ ...TEN_MINUTES, listedErrors: "all" });
  const { batch } = await makeBatch(openai, ["{", batchLine("a"), batchLine("a"), "[1]"]);
  time.nowMs += HOUR;
  const failed = await openai.batches.retrieve(batch.id);
  expect(failed.errors?.data?.map((e) => [e.code, e.line])).toEqual([
    ["invalid_json_line", 1],
    ["duplicate_custom_id", 3],
    ["invalid_json_line", 4],
  ]);
});

test("a full queue of one model fails the next batch, and has room again when the first has ended", async () => {
  const line = batchLine("a");
  const { openai, time } = await started({ ...TEN_MINUTES, enqueuedTokenLimit: Math.ceil(line.length / 4) + 5 });
  const first = await makeBatch(openai, [line]);
  const second = await makeBatch(openai, [line]);
  time.nowMs += 5 * MINUTE;
  expect((await openai.batches.retrieve(first.batch.id)).status).toBe("in_progress");
  expect((await openai.batches.retrieve(second.batch.id)).errors?.data?.[0]).toMatchObject({ code: "token_limit_exceeded", param: null, line: null });
  time.nowMs += 30 * MINUTE;
  const third = await makeBatch(openai, [line]);
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(third.batch.id)).status).toBe("completed");
});

test("a batch whose lines are all refused completes with an error file only, errors inside the response", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(
    openai,
    ["a", "b"].map((id) => batchLine(id, { body: { ...body, temperature: 7 } })),
  );
  time.nowMs += HOUR;
  const done = await openai.batches.retrieve(batch.id);
  expect(done).toMatchObject({
    status: "completed",
    output_file_id: null,
    request_counts: { total: 2, completed: 0, failed: 2 },
    usage: { total_tokens: 0 },
  });
  const rows = await rowsOf(openai, done.error_file_id);
  expect(rows[0]).toMatchObject({
    error: null,
    response: { status_code: 400, body: { error: { type: "invalid_request_error", param: "temperature" } } },
  });
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("a custom_id of any characters comes back byte for byte", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const ids = ['日本 \u2028 \u0000 "q"', "x".repeat(300), ""];
  const { batch } = await makeBatch(
    openai,
    ids.map((id) => batchLine(id)),
  );
  time.nowMs += HOUR;
  const rows = await rowsOf(openai, (await openai.batches.retrieve(batch.id)).output_file_id);
  expect(rows.map((row) => row.custom_id).sort()).toEqual([...ids].sort());
});

test("a cancelled batch hands back and bills what was done, and says so of every other line", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const lines = Array.from({ length: 40 }, (_, i) => batchLine(`l${i}`));
  const { batch } = await makeBatch(openai, lines);
  time.nowMs += 6 * MINUTE;
  const before = await openai.batches.retrieve(batch.id);
  const cancelling = await openai.batches.cancel(batch.id);
  expect(cancelling).toMatchObject({ status: "cancelling", output_file_id: null });
  time.nowMs += 10 * MINUTE;
  const cancelled = await openai.batches.retrieve(batch.id);
  expect(cancelled.status).toBe("cancelled");
  const done = cancelled.request_counts?.completed ?? 0;
  expect(done).toBeGreaterThanOrEqual(before.request_counts?.completed ?? 0);
  expect(done).toBeGreaterThan(0);
  expect(await rowsOf(openai, cancelled.output_file_id)).toHaveLength(done);
  const rest = await rowsOf(openai, cancelled.error_file_id);
  expect(rest).toHaveLength(40 - done);
  expect(rest.every((row) => row.response === null && row.error.code === "batch_cancelled")).toBe(true);
  expect((await emulator.invoice()).lines).toHaveLength(done);
  await expect(openai.batches.cancel(batch.id)).rejects.toMatchObject({ status: 400 });
});

test("a batch cancelled while it is validated bills nothing", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(openai, [batchLine("a")]);
  await openai.batches.cancel(batch.id);
  time.nowMs += HOUR;
  const cancelled = await openai.batches.retrieve(batch.id);
  expect(cancelled).toMatchObject({ status: "cancelled", in_progress_at: null, output_file_id: null });
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("a batch that hangs expires after exactly 24 hours with part done and billed", async () => {
  const { openai, emulator, time } = await started({ batchTurnaroundMs: 2 * DAY });
  const lines = Array.from({ length: 20 }, (_, i) => batchLine(`l${i}`));
  const { batch } = await makeBatch(openai, lines);
  expect(batch.expires_at).toBe((batch.created_at ?? 0) + 86_400);
  time.nowMs += DAY - 1_000;
  expect((await openai.batches.retrieve(batch.id)).status).toMatch(/validating|in_progress/);
  time.nowMs += 2_000;
  const expired = await openai.batches.retrieve(batch.id);
  expect(expired).toMatchObject({ status: "expired", expired_at: batch.expires_at });
  const done = expired.request_counts?.completed ?? 0;
  const rest = await rowsOf(openai, expired.error_file_id);
  expect(rest).toHaveLength(20 - done);
  expect(rest[0]).toMatchObject({ response: null, error: { code: "batch_expired" } });
  expect(done).toBe(10);
  expect((await emulator.invoice()).lines).toHaveLength(done);
});

test("the invoice knows a batch that nobody looked at", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  await makeBatch(openai, [batchLine("a"), batchLine("b")]);
  time.nowMs += 2 * DAY;
  expect((await emulator.invoice()).lines.map((line) => line.customId).sort()).toEqual(["a", "b"]);
});

test("an input file deleted while the batch runs is gone for its owner, and the batch completes", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const { file, batch } = await makeBatch(openai, [batchLine("a")]);
  time.nowMs += 5 * MINUTE;
  await openai.files.delete(file.id);
  await expect(openai.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(batch.id)).status).toBe("completed");
});

test("an input file deleted before it was validated fails the batch", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const { file, batch } = await makeBatch(openai, [batchLine("a")]);
  await openai.files.delete(file.id);
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(batch.id)).errors?.data?.[0]).toMatchObject({ code: "invalid_request", param: "file_id" });
});

test("output files are gone after 30 days", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(openai, [batchLine("a")]);
  time.nowMs += HOUR;
  const { output_file_id: id } = await openai.batches.retrieve(batch.id);
  expect((await openai.files.retrieve(id ?? "")).purpose).toBe("batch_output");
  time.nowMs += 31 * DAY;
  await expect(openai.files.content(id ?? "")).rejects.toMatchObject({ status: 404 });
});

test("bad create requests are refused at once, in the provider's words", async () => {
  const { openai, emulator } = await started();
  await expect(openai.batches.create({ endpoint: "/v1/chat/completions", completion_window: "24h" } as never)).rejects.toMatchObject({
    status: 400,
    code: "missing_required_parameter",
    param: "input_file_id",
    message: expect.stringContaining("Missing required parameter: 'input_file_id'."),
  });
  await expect(
    openai.batches.create({ input_file_id: "file-x", endpoint: "/v1/chat/completions", completion_window: "1h" as "24h" }),
  ).rejects.toMatchObject({ status: 400, param: "completion_window" });
  await expect(openai.batches.retrieve("batch_none")).rejects.toMatchObject({
    status: 404,
    message: expect.stringContaining("No batch found with id 'batch_none'"),
  });
  await expect(openai.files.create({ file: await toFile(Buffer.from("{}"), "night.txt"), purpose: "batch" })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("Invalid file format for Batch API. Must be .jsonl"),
  });
  const empty = await fetch(`${emulator.url}/v1/files`, { method: "POST", headers: { authorization: "Bearer x" }, body: "x" });
  expect(empty.status).toBe(400);
});

test("lists page newest first with the client's cursor", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const made: string[] = [];
  for (let i = 0; i < 5; i++) {
    time.nowMs += 1_000;
    made.unshift((await makeBatch(openai, [batchLine("a")])).batch.id);
  }
  const seen: string[] = [];
  for await (const batch of openai.batches.list({ limit: 2 })) seen.push(batch.id);
  expect(seen).toEqual(made);
  const files: string[] = [];
  for await (const file of openai.files.list({ limit: 2, purpose: "batch" })) files.push(file.id);
  expect(files).toHaveLength(5);
});

test("10,000 lines are answered while other requests are served", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const lines = Array.from({ length: 10_000 }, (_, i) => batchLine(`l${i}`));
  const { batch } = await makeBatch(openai, lines);
  time.nowMs += HOUR;
  let settled = false;
  const look = openai.batches.retrieve(batch.id).then((answer) => {
    settled = true;
    return answer;
  });
  await openai.models.list();
  expect(settled).toBe(false);
  let state = await look;
  while (state.status !== "completed") state = await openai.batches.retrieve(batch.id);
  expect(state.request_counts).toMatchObject({ total: 10_000, completed: 10_000, failed: 0 });
}, 60_000);
