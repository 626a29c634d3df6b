import { toFile } from "openai";
import { expect, test } from "vitest";
import { batchLine, DAY, HOUR, MINUTE, makeBatch, rowsOf, started } from "./test-bed.ts";

const TEN_MINUTES = { batchTurnaroundMs: 10 * MINUTE };
const create = { match: { method: "POST", path: "/v1/batches" } };
const createMessages = { match: { method: "POST", path: "/v1/messages/batches" } };
const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => batchLine(`l${i}`));
const say = (id: string) => ({
  custom_id: id,
  params: { model: "claude-haiku-4-5" as const, max_tokens: 20, messages: [{ role: "user" as const, content: `Say ${id}.` }] },
});

test("a new file or batch is not found at first where reads lag behind, and its batch runs all the same", async () => {
  const { openai, anthropic, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults(
    { match: { method: "POST", path: "/v1/files" }, unseenMs: 30_000 },
    { ...create, unseenMs: 30_000 },
    { ...createMessages, unseenMs: 30_000 },
  );
  const { file, batch } = await makeBatch(openai, lines(2));
  const message = await anthropic.messages.batches.create({ requests: [say("a")] });
  await expect(openai.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
  await expect(openai.batches.retrieve(batch.id)).rejects.toMatchObject({ status: 404, message: expect.stringContaining("No batch found") });
  await expect(anthropic.messages.batches.retrieve(message.id)).rejects.toMatchObject({ status: 404 });
  expect((await openai.batches.list()).data).toEqual([]);
  expect((await openai.files.list()).data).toEqual([]);
  time.nowMs += 31_000;
  expect((await openai.batches.list()).data.map(({ id }) => id)).toEqual([batch.id]);
  expect((await openai.files.retrieve(file.id)).id).toBe(file.id);
  expect((await anthropic.messages.batches.retrieve(message.id)).id).toBe(message.id);
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(batch.id)).status).toBe("completed");
});

test("a stale read shows a batch as it was, and the next one as it is", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(openai, lines(1));
  time.nowMs += HOUR;
  emulator.addFaults({ match: { method: "GET", path: "/v1/batches/:id" }, staleMs: 55 * MINUTE });
  expect((await openai.batches.retrieve(batch.id)).status).toBe("in_progress");
  expect((await openai.batches.retrieve(batch.id)).status).toBe("completed");
});

test("a line that was done when its batch was cancelled can be charged and in neither file, with the counters at zero", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...create, name: "loses", batch: { losesLines: 3 } });
  const { batch } = await makeBatch(openai, lines(40));
  time.nowMs += 6 * MINUTE;
  expect((await openai.batches.cancel(batch.id)).request_counts?.completed).toBeGreaterThan(3);
  time.nowMs += 10 * MINUTE;
  const cancelled = await openai.batches.retrieve(batch.id);
  expect(cancelled).toMatchObject({ status: "cancelled", request_counts: { total: 40, completed: 0, failed: 0 } });
  const seen = [...(await rowsOf(openai, cancelled.output_file_id)), ...(await rowsOf(openai, cancelled.error_file_id))];
  expect(seen).toHaveLength(37);
  const answered = seen.filter((row) => row.error === null).length;
  expect((await emulator.invoice()).lines).toHaveLength(answered + 3);
  const told = (await (await fetch(`${emulator.url}/emulator/faults`)).json()) as object;
  expect(told).toMatchObject({ fired: { loses: 1 }, lostReplies: 3 });
});

test("a file that a batch does not have is null, or the empty text where the provider is so inclined", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  const plain = await makeBatch(openai, lines(1));
  emulator.addFaults({ ...create, batch: { emptyIds: true } });
  const odd = await makeBatch(openai, lines(1));
  expect(odd.batch).toMatchObject({ output_file_id: null, error_file_id: null });
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(plain.batch.id)).error_file_id).toBeNull();
  const done = await openai.batches.retrieve(odd.batch.id);
  expect(done.error_file_id).toBe("");
  expect(done.output_file_id).toMatch(/^file-/);
});

test("validation can fail after a quarter of an hour over a file that the files endpoint still serves", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...create, batch: { fails: "unseen-file", validateMs: 15 * MINUTE } });
  const { file, batch } = await makeBatch(openai, lines(2));
  time.nowMs += 14 * MINUTE;
  expect((await openai.batches.retrieve(batch.id)).status).toBe("validating");
  time.nowMs += 2 * MINUTE;
  const failed = await openai.batches.retrieve(batch.id);
  expect(failed).toMatchObject({ status: "failed", request_counts: { total: 0 } });
  expect(failed.errors?.data?.[0]).toMatchObject({ code: "invalid_request", param: "file_id", line: null });
  expect((await openai.files.retrieve(file.id)).status).toBe("processed");
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("a batch that is cancelled just before its validation fails is cancelled, and does not hang", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...create, batch: { fails: "unseen-file", validateMs: 15 * MINUTE } });
  const { batch } = await makeBatch(openai, lines(2));
  time.nowMs += 15 * MINUTE - 1_000;
  expect((await openai.batches.cancel(batch.id)).status).toBe("cancelling");
  for (let second = 0; second < 3; second++) {
    time.nowMs += 1_000;
    await openai.batches.retrieve(batch.id);
  }
  time.nowMs += 60 * MINUTE;
  expect(await openai.batches.retrieve(batch.id)).toMatchObject({ status: "cancelled", output_file_id: null, request_counts: { total: 0 } });
  expect((await emulator.invoice()).lines).toEqual([]);
});

test("a batch can be refused for a full queue though nothing waits, and a batch validated late is done late", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...create, batch: { fails: "token-limit" } }, { ...create, batch: { validateMs: 15 * MINUTE } });
  const full = await makeBatch(openai, lines(1));
  const late = await makeBatch(openai, lines(1));
  time.nowMs += 16 * MINUTE;
  expect((await openai.batches.retrieve(full.batch.id)).errors?.data?.[0]?.code).toBe("token_limit_exceeded");
  expect((await openai.batches.retrieve(late.batch.id)).status).toBe("in_progress");
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(late.batch.id)).status).toBe("completed");
});

test("one batch can hang until it expires while others complete, its finished lines handed back and charged", async () => {
  const { openai, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...create, batch: { hangs: { doneShare: 0.25 } } });
  const { batch } = await makeBatch(openai, lines(40));
  const { batch: other } = await makeBatch(openai, [batchLine("x")]);
  time.nowMs += DAY + 1_000;
  const expired = await openai.batches.retrieve(batch.id);
  expect(expired).toMatchObject({ status: "expired", request_counts: { total: 40, completed: 10 } });
  expect(await rowsOf(openai, expired.output_file_id)).toHaveLength(10);
  expect((await openai.batches.retrieve(other.id)).status).toBe("completed");
  expect((await emulator.invoice()).lines).toHaveLength(11);
});

test("a download can break off, and is whole when it is asked for again", async () => {
  const { openai, anthropic, emulator, time } = await started(TEN_MINUTES);
  const { batch } = await makeBatch(openai, lines(50));
  const { id } = await anthropic.messages.batches.create({ requests: Array.from({ length: 20 }, (_, i) => say(`m${i}`)) });
  time.nowMs += HOUR;
  const { output_file_id: file } = await openai.batches.retrieve(batch.id);
  emulator.addFaults(
    { match: { path: "/v1/files/:id/content" }, cutShare: 0.5 },
    { match: { path: "/v1/messages/batches/:id/results" }, cutShare: 0.5 },
  );
  await expect(rowsOf(openai, file)).rejects.toBeInstanceOf(Error);
  expect(await rowsOf(openai, file)).toHaveLength(50);
  const read = async (): Promise<number> => {
    let rows = 0;
    for await (const _ of await anthropic.messages.batches.results(id)) rows++;
    return rows;
  };
  await expect(read()).rejects.toBeInstanceOf(Error);
  expect(await read()).toBe(20);
});

test("results may have CRLF between lines and none after the last", async () => {
  const { anthropic, emulator, time } = await started(TEN_MINUTES);
  emulator.addFaults({ ...createMessages, batch: { crlf: true } });
  const { id } = await anthropic.messages.batches.create({ requests: [say("a"), say("b"), say("c")] });
  time.nowMs += HOUR;
  await anthropic.messages.batches.retrieve(id);
  const raw = await fetch(`${emulator.url}/v1/messages/batches/${id}/results`, {
    headers: { "x-api-key": "any", "anthropic-version": "2023-06-01" },
  });
  const text = await raw.text();
  expect(text.split("\r\n")).toHaveLength(3);
  expect(text.endsWith("}")).toBe(true);
  const ids: string[] = [];
  for await (const row of await anthropic.messages.batches.results(id)) ids.push(row.custom_id);
  expect(ids.sort()).toEqual(["a", "b", "c"]);
});

test("a full queue of batch requests refuses the next message batch until one has ended", async () => {
  const { anthropic, time } = await started({ ...TEN_MINUTES, messageQueueLimit: 3 });
  await anthropic.messages.batches.create({ requests: [say("a"), say("b")] });
  const refused = await anthropic.messages.batches.create({ requests: [say("a"), say("b")] }).catch((e: unknown) => e);
  expect(refused).toMatchObject({ status: 429, error: { error: { type: "rate_limit_error" } } });
  expect((refused as { headers: Headers }).headers.get("retry-after")).toBe("60");
  time.nowMs += HOUR;
  await anthropic.messages.batches.create({ requests: [say("a"), say("b")] });
});

test("the 2,001st batch of an hour is refused with headers that say when the next may come", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const wish = { input_file_id: "file-none", endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
  const first = await openai.batches.create(wish);
  time.nowMs += 30 * MINUTE;
  for (let i = 0; i < 1_999; i += 100) await Promise.all(Array.from({ length: Math.min(100, 1_999 - i) }, () => openai.batches.create(wish)));
  const refused = await openai.batches.create(wish).catch((e: unknown) => e);
  expect(refused).toMatchObject({ status: 429, code: "rate_limit_exceeded", type: "requests" });
  const { headers } = refused as { headers: Headers };
  expect(headers.get("retry-after")).toBe("1800");
  expect(headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect(headers.get("x-ratelimit-reset-requests")).toBe("30m0s");
  time.nowMs += 31 * MINUTE;
  expect((await openai.batches.create(wish)).id).not.toBe(first.id);
});

test("a file goes when its own expiry says, and so do results that were to be kept for less", async () => {
  const { openai, time } = await started(TEN_MINUTES);
  const content = await toFile(Buffer.from(lines(1).join("\n")), "night.jsonl");
  const file = await openai.files.create({ file: content, purpose: "batch", expires_after: { anchor: "created_at", seconds: 7_200 } });
  expect(file.expires_at).toBe(file.created_at + 7_200);
  const batch = await openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    output_expires_after: { anchor: "created_at", seconds: 3_600 },
  });
  time.nowMs += HOUR;
  const { output_file_id: output } = await openai.batches.retrieve(batch.id);
  expect(await rowsOf(openai, output)).toHaveLength(1);
  time.nowMs += HOUR;
  await expect(openai.files.content(output ?? "")).rejects.toMatchObject({ status: 404 });
  await expect(openai.files.content(file.id)).rejects.toMatchObject({ status: 404 });
  const late = await openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  time.nowMs += HOUR;
  expect((await openai.batches.retrieve(late.id)).errors?.data?.[0]).toMatchObject({ param: "file_id" });
});
