import type Anthropic from "@anthropic-ai/sdk";
import { expect, test } from "vitest";
import { DAY, HOUR, MINUTE, started } from "./test-bed.ts";

type Request = Anthropic.Messages.BatchCreateParams.Request;
const params: Request["params"] = {
  model: "claude-haiku-4-5",
  max_tokens: 60,
  messages: [{ role: "user", content: "Tell me of slow boats. They carry much for little." }],
};
const request = (id: string, more: object = {}): Request => ({ custom_id: id, params: { ...params, ...more } as Request["params"] });
const TEN_MINUTES = { batchTurnaroundMs: 10 * MINUTE };

async function resultsOf(anthropic: Anthropic, id: string) {
  const rows = new Map<string, Anthropic.Messages.MessageBatchResult>();
  for await (const row of await anthropic.messages.batches.results(id)) rows.set(row.custom_id, row.result);
  return rows;
}

test.each([
  {
    name: "a repeated custom_id",
    requests: [request("dup"), request("dup")],
    message: "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
  },
  { name: "a missing custom_id", requests: [{ params }], message: "requests.0.custom_id: Field required" },
  { name: "a long custom_id", requests: [request("x".repeat(65))], message: "requests.0.custom_id: String should have at most 64 characters" },
  {
    name: "a custom_id with spaces",
    requests: [request("a b")],
    message: "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
  },
  { name: "no request", requests: [], message: "requests: List should have at least 1 item after validation, not 0" },
])("$name is refused at once", async ({ requests, message }) => {
  const { anthropic } = await started();
  await expect(anthropic.messages.batches.create({ requests: requests as Request[] })).rejects.toMatchObject({
    status: 400,
    error: { type: "error", error: { type: "invalid_request_error", message }, request_id: expect.stringMatching(/^req_/) },
  });
});

test("bad parameters become errored rows beside good ones, models may be mixed, and only success is billed", async () => {
  const { anthropic, emulator, time } = await started(TEN_MINUTES);
  const made = await anthropic.messages.batches.create({
    requests: [
      request("ok"),
      request("other", { model: "claude-sonnet-5-5" }),
      request("nomsg", { messages: undefined }),
      request("nomodel", { model: "claude-none" }),
      request("big", { max_tokens: 10_000_000 }),
      request("stream", { stream: true }),
      request("zero", { max_tokens: 0 }),
    ],
  });
  time.nowMs += HOUR;
  const ended = await anthropic.messages.batches.retrieve(made.id);
  expect(ended.request_counts).toEqual({ processing: 0, succeeded: 2, errored: 5, canceled: 0, expired: 0 });
  const rows = await resultsOf(anthropic, made.id);
  expect(rows.get("nomsg")).toMatchObject({
    type: "errored",
    error: { type: "error", error: { type: "invalid_request_error", message: "messages: Field required" }, request_id: null },
  });
  expect(rows.get("nomodel")).toMatchObject({ error: { error: { type: "not_found_error", message: "model: claude-none" } } });
  expect((await emulator.invoice()).lines.map((line) => [line.customId, line.tier]).sort()).toEqual([
    ["ok", "batch"],
    ["other", "batch"],
  ]);
});

test("counters stand at zero and polls say when to come again until the batch has ended", async () => {
  const { anthropic, time } = await started(TEN_MINUTES);
  const made = await anthropic.messages.batches.create({ requests: [request("a"), request("b")] });
  expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(DAY);
  time.nowMs += 9 * MINUTE;
  const { data, response } = await anthropic.messages.batches.retrieve(made.id).withResponse();
  expect(response.headers.get("retry-after")).toBe("10");
  expect(data.request_counts).toEqual({ processing: 2, succeeded: 0, errored: 0, canceled: 0, expired: 0 });
  // The client refuses to ask without a results_url, so the path is asked plainly.
  const early = await fetch(`${anthropic.baseURL}/v1/messages/batches/${made.id}/results`, {
    headers: { "x-api-key": "k", "anthropic-version": "2023-06-01" },
  });
  expect(early.status).toBe(404);
  expect(await early.json()).toMatchObject({ error: { type: "not_found_error", message: `Message Batch ${made.id} has no available results.` } });
  await expect(anthropic.messages.batches.delete(made.id)).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining("In progress batches cannot be deleted. Consider canceling the batch instead."),
  });
});

test("a canceled batch ends with canceled rows for what was not done", async () => {
  const { anthropic, emulator, time } = await started(TEN_MINUTES);
  const made = await anthropic.messages.batches.create({ requests: Array.from({ length: 20 }, (_, i) => request(`r${i}`)) });
  time.nowMs += 5 * MINUTE;
  expect((await anthropic.messages.batches.cancel(made.id)).processing_status).toBe("canceling");
  time.nowMs += 10 * MINUTE;
  const ended = await anthropic.messages.batches.retrieve(made.id);
  expect(ended.request_counts).toEqual({ processing: 0, succeeded: 10, errored: 0, canceled: 10, expired: 0 });
  expect([...(await resultsOf(anthropic, made.id)).values()].filter((row) => row.type === "canceled")).toHaveLength(10);
  expect((await emulator.invoice()).lines).toHaveLength(10);
});

test("a hanging batch expires after 24 hours, and results are archived 29 days after its creation", async () => {
  const { anthropic, time } = await started({ batchTurnaroundMs: 30 * DAY });
  const made = await anthropic.messages.batches.create({ requests: Array.from({ length: 20 }, (_, i) => request(`r${i}`)) });
  time.nowMs += DAY;
  const ended = await anthropic.messages.batches.retrieve(made.id);
  expect(ended.processing_status).toBe("ended");
  expect(ended.request_counts.expired + ended.request_counts.succeeded).toBe(20);
  expect(ended.request_counts.expired).toBeGreaterThan(0);
  expect(ended.results_url).toBe(`${anthropic.baseURL}/v1/messages/batches/${made.id}/results`);
  time.nowMs += 28 * DAY;
  const archived = await anthropic.messages.batches.retrieve(made.id);
  expect(archived.archived_at).not.toBeNull();
  expect(archived.results_url).toBeNull();
});

test("lists page newest first, and a deleted batch is not found", async () => {
  const { anthropic, time } = await started(TEN_MINUTES);
  const made: string[] = [];
  for (let i = 0; i < 5; i++) made.unshift((await anthropic.messages.batches.create({ requests: [request("a")] })).id);
  const seen: string[] = [];
  for await (const batch of anthropic.messages.batches.list({ limit: 2 })) seen.push(batch.id);
  expect(seen).toEqual(made);
  time.nowMs += HOUR;
  const [first = ""] = made;
  await anthropic.messages.batches.retrieve(first);
  expect(await anthropic.messages.batches.delete(first)).toEqual({ id: first, type: "message_batch_deleted" });
  await expect(anthropic.messages.batches.retrieve(first)).rejects.toMatchObject({
    status: 404,
    error: { error: { message: `Message Batch ${first} not found.` } },
  });
});

test("counters move before the end where the emulator is told so", async () => {
  const { anthropic, time } = await started({ ...TEN_MINUTES, countersMove: true });
  const made = await anthropic.messages.batches.create({ requests: Array.from({ length: 10 }, (_, i) => request(`r${i}`)) });
  time.nowMs += 5 * MINUTE;
  expect((await anthropic.messages.batches.retrieve(made.id)).request_counts).toMatchObject({ processing: 5, succeeded: 5 });
});
