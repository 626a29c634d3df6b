import Anthropic, { type APIError, BadRequestError, NotFoundError } from "@anthropic-ai/sdk";
import { populateBatch } from "@slowboat/intake";
import { until, watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "../interactive/testing/start-api.ts";
import { endLines, finish } from "./testing/end-lines.ts";

const leaks = watchLeaks();
let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api.stop();
  await leaks.check();
});

const params = (content: string) => ({ model: "claude-haiku-4-5", max_tokens: 100, messages: [{ role: "user" as const, content }] });
const requests = (...ids: string[]) => ids.map((custom_id) => ({ custom_id, params: params(custom_id) }));
const post = (body: string | AsyncIterable<Uint8Array>, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}/v1/messages/batches`, {
    method: "POST",
    body: body as string,
    ...(typeof body === "string" ? {} : { duplex: "half" }),
    headers: { "x-api-key": api.key, "anthropic-version": "2023-06-01", "content-type": "application/json", ...headers },
  } as RequestInit);
const populate = (id: string) => populateBatch({ ...api.intake }, id, new AbortController().signal);
const countBatches = async (): Promise<number> => (await api.store.sql<{ n: number }[]>`select count(*)::int as n from batch`)[0]?.n ?? 0;

describe("message batches through the Anthropic SDK", () => {
  test("a batch goes in, is listed and retrieved, ends, and its results say how each request ended", async () => {
    const made = await api.anthropic.messages.batches.create({
      requests: [
        ...requests("good-1", "refused", "never-run", "good-2"),
        { custom_id: "no-model", params: { ...params("x"), model: "claude-nobody" } },
        { custom_id: "no-messages", params: { model: "claude-haiku-4-5", max_tokens: 1 } as never },
      ],
    });
    expect(made).toMatchObject({
      type: "message_batch",
      processing_status: "in_progress",
      ended_at: null,
      results_url: null,
      archived_at: null,
      cancel_initiated_at: null,
    });
    expect(made.request_counts).toEqual({ processing: 6, succeeded: 0, errored: 0, canceled: 0, expired: 0 });
    expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(86_400_000);
    await expect(api.anthropic.messages.batches.results(made.id)).rejects.toThrow(/No batch `results_url`/);
    const early = await fetch(`${api.url}/v1/messages/batches/${made.id}/results`, {
      headers: { "x-api-key": api.key, "anthropic-version": "2023-06-01" },
    });
    expect(early.status).toBe(404);
    expect(await early.json()).toMatchObject({
      type: "error",
      error: { type: "not_found_error", message: `Message Batch ${made.id} has no available results.` },
    });

    await populate(made.id);
    await endLines(api, made.id, {
      "good-1": {
        statusCode: 200,
        answer:
          '{"id":"msg_1",\n"type":"message","big":9007199254740993,"content":[{"type":"text","text":"\\u0000\\ud800"}],"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"batch"}}',
      },
      "good-2": { statusCode: 200, answer: '{"id":"msg_2","type":"message","content":[],"usage":{"input_tokens":1,"output_tokens":1}}' },
      refused: {
        statusCode: 400,
        answer: '{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 5 > 4"},"request_id":"req_x"}',
      },
      "never-run": "cancelled",
    });
    await finish(api, made.id);

    const ended = await api.anthropic.messages.batches.retrieve(made.id);
    expect(ended.processing_status).toBe("ended");
    expect(ended.request_counts).toEqual({ processing: 0, succeeded: 2, errored: 3, canceled: 1, expired: 0 });
    expect(ended.results_url).toBe(`${api.url}/v1/messages/batches/${made.id}/results`);
    const results = new Map<string, Anthropic.Messages.MessageBatchResult>();
    for await (const line of await api.anthropic.messages.batches.results(made.id)) results.set(line.custom_id, line.result);
    expect([...results.keys()].sort()).toEqual(["good-1", "good-2", "never-run", "no-messages", "no-model", "refused"]);
    expect(results.get("good-2")).toMatchObject({ type: "succeeded", message: { id: "msg_2" } });
    expect(results.get("never-run")).toEqual({ type: "canceled" });
    expect(results.get("refused")).toEqual({
      type: "errored",
      error: { type: "error", error: { type: "invalid_request_error", message: "max_tokens: 5 > 4" }, request_id: "req_x" },
    });
    expect(results.get("no-model")).toMatchObject({ type: "errored", error: { type: "error", error: { type: "not_found_error" } } });
    expect(results.get("no-messages")).toMatchObject({ type: "errored", error: { type: "error", error: { type: "invalid_request_error" } } });
    const raw = await (await fetch(ended.results_url ?? "", { headers: { "x-api-key": api.key, "anthropic-version": "2023-06-01" } })).text();
    expect(raw).toContain('"big":9007199254740993,"content":[{"type":"text","text":"\\u0000\\ud800"}]');
    expect(raw.trim().split("\n")).toHaveLength(6);
  });

  test("pages go on with after_id and back with before_id, newest first", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await api.anthropic.messages.batches.create({ requests: requests("a") })).id);
    const first = await api.anthropic.messages.batches.list({ limit: 2 });
    expect(first.data.map((b) => b.id)).toEqual(ids.slice(0, 2));
    expect(first.has_more).toBe(true);
    const second = await first.getNextPage();
    expect(second.data.map((b) => b.id)).toEqual(ids.slice(2, 4));
    const back = await api.anthropic.messages.batches.list({ limit: 1, before_id: ids[3] ?? "" });
    expect(back.data.map((b) => b.id)).toEqual([ids[2]]);
    expect(back).toMatchObject({ has_more: true, first_id: ids[2], last_id: ids[2] });
    const seen: string[] = [];
    for await (const batch of api.anthropic.messages.batches.list({ limit: 2 })) seen.push(batch.id);
    expect(seen.slice(0, 5)).toEqual(ids);
    await expect(api.anthropic.messages.batches.list({ limit: 0 })).rejects.toBeInstanceOf(BadRequestError);
  });

  test("a cancelled batch ends with a canceled line for every request, also for those that were not read yet", async () => {
    const made = await api.anthropic.messages.batches.create({ requests: requests("a", "b", "c") });
    await expect(api.anthropic.messages.batches.delete(made.id)).rejects.toThrow(/In progress batches cannot be deleted/);
    const cancelling = await api.anthropic.messages.batches.cancel(made.id);
    expect(cancelling.processing_status).toBe("canceling");
    expect(cancelling.cancel_initiated_at).not.toBeNull();
    await populate(made.id);
    await finish(api, made.id);
    const ended = await api.anthropic.messages.batches.retrieve(made.id);
    expect(ended.request_counts).toEqual({ processing: 0, succeeded: 0, errored: 0, canceled: 3, expired: 0 });
    const lines = [];
    for await (const line of await api.anthropic.messages.batches.results(made.id)) lines.push(line);
    expect(lines).toEqual(["a", "b", "c"].map((custom_id) => ({ custom_id, result: { type: "canceled" } })));
    expect(await api.anthropic.messages.batches.delete(made.id)).toEqual({ id: made.id, type: "message_batch_deleted" });
    await expect(api.anthropic.messages.batches.retrieve(made.id)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("another tenant's batch does not exist, for any verb", async () => {
    const made = await api.anthropic.messages.batches.create({ requests: requests("mine") });
    const other = await api.newTenant("the other tenant");
    const theirs = new Anthropic({ apiKey: other.key, baseURL: api.url, maxRetries: 0 }).messages.batches;
    for (const call of [() => theirs.retrieve(made.id), () => theirs.cancel(made.id), () => theirs.delete(made.id), () => theirs.results(made.id)]) {
      const refused = await call().catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(NotFoundError);
      expect((refused as APIError).message).toContain(`Message Batch ${made.id} not found.`);
    }
    expect((await theirs.list()).data).toEqual([]);
  });
});

describe("a message batch that is not right is refused at once and leaves nothing behind", () => {
  test("problems of custom_id, a bad body and an empty list are told in the provider's words", async () => {
    const before = await countBatches();
    const blobs = (await api.blobs()).length;
    const problem = async (body: unknown): Promise<string> => {
      const response = await post(typeof body === "string" ? body : JSON.stringify({ requests: body }));
      expect(response.status).toBe(400);
      const told = (await response.json()) as { type: string; error: { type: string; message: string } };
      expect(told).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
      return told.error.message;
    };
    expect(await problem(requests("a", "dup", "dup"))).toBe("requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup");
    expect(await problem([{ params: params("x") }])).toBe("requests.0.custom_id: Field required");
    expect(await problem(requests("x".repeat(65)))).toBe("requests.0.custom_id: String should have at most 64 characters");
    expect(await problem(requests("a b"))).toBe("requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'");
    expect(await problem([])).toBe("requests: List should have at least 1 item after validation, not 0");
    expect(await problem("{")).toBe("The request body is not valid JSON.");
    expect(await countBatches()).toBe(before);
    expect(await api.blobs()).toHaveLength(blobs);
  });

  test("a bad deadline is refused, a good one is the batch's expiry", async () => {
    const body = JSON.stringify({ requests: requests("a") });
    expect((await post(body, { "slowboat-deadline": "yesterday" })).status).toBe(400);
    expect((await post(body, { "offpeak-deadline": "2020-01-01T00:00:00Z" })).status).toBe(400);
    const made = (await (await post(body, { "offpeak-deadline": "4h" })).json()) as { created_at: string; expires_at: string };
    expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(4 * 3_600_000);
  });

  test("what the body asks for beside its requests is honoured, and an unknown member is named", async () => {
    const ask = async (
      more: object,
    ): Promise<{ created_at: string; expires_at: string; metadata?: unknown; error?: { message: string }; id: string }> =>
      (await (await post(JSON.stringify({ requests: requests("a"), ...more }))).json()) as never;
    const hours = async (more: object): Promise<number> => {
      const made = await ask(more);
      return (Date.parse(made.expires_at) - Date.parse(made.created_at)) / 3_600_000;
    };
    expect(await hours({ metadata: { deadline: "3h", run: "7" } })).toBe(3);
    expect(await hours({ completion_window: "4h" })).toBe(4);
    expect(await hours({ completion_window: "4h", metadata: { deadline: "3h" } })).toBe(3);
    expect(await hours({ completion_window: "40d" })).toBe(720);
    expect(await hours({ service_tier: "batch" })).toBe(24);
    const tiered = await ask({ service_tier: "batch", metadata: { cache: "never", callback_url: "https://hooks.example.com/m" } });
    const [row] = await api.store
      .sql`select lanes_allow as lanes, reuse_mode as mode, callback_url as url, metadata from batch where id = ${tiered.id}`;
    expect(row).toMatchObject({
      lanes: ["cache", "pool", "openai-batch", "anthropic-batch"],
      mode: "off",
      url: "https://hooks.example.com/m",
      metadata: '{"cache":"never","callback_url":"https://hooks.example.com/m"}',
    });
    expect((await ask({ metadata: { run: "7" } })).metadata).toEqual({ run: "7" });
    const before = await countBatches();
    for (const [more, word] of [
      [{ metadat: {} }, "metadat: Extra inputs are not permitted. Did you mean 'metadata'?"],
      [{ metadata: { deadline: "yesterday" } }, "yesterday"],
      [{ metadata: { deep: {} } }, "metadata.deep"],
      [{ completion_window: ["24h"] }, "completion window"],
      [{ service_tier: "priority" }, "service_tier: 'priority'"],
    ] as const)
      expect((await ask(more)).error?.message).toContain(word);
    expect(await countBatches()).toBe(before);
  });

  test("a request's own metadata.deadline is its deadline and is not sent on; a bad one is that request's error", async () => {
    const of = (custom_id: string, metadata: object) => ({ custom_id, params: { ...params(custom_id), metadata } });
    const made = (await (
      await post(JSON.stringify({ requests: [...requests("plain"), of("own", { user_id: "u", deadline: "3h" }), of("bad", { deadline: "soon" })] }))
    ).json()) as { id: string; created_at: string };
    await populate(made.id);
    const rows = await api.store.sql<{ state: string; deadline: number; body: string | null; error: string | null }[]>`
      select state, deadline_at_ms as deadline, body, error from job where batch_id = ${made.id} order by line_no`;
    const hours = rows.map((row) => (row.deadline - Date.parse(made.created_at)) / 3_600_000);
    expect(hours).toEqual([24, 3, 24]);
    expect(JSON.parse(rows[1]?.body ?? "{}").metadata).toEqual({ user_id: "u" });
    expect(rows.map((row) => row.state)).toEqual(["accepted", "accepted", "failed"]);
    expect(JSON.parse(rows[2]?.error ?? "{}").code).toBe("deadline-unreadable");
  });

  test("the same Idempotency-Key gives the same batch, with another body a conflict", async () => {
    const body = JSON.stringify({ requests: requests("once") });
    const send = async (text: string): Promise<[number, string]> => {
      const response = await post(text, { "idempotency-key": "key-1" });
      return [response.status, ((await response.json()) as { id: string }).id];
    };
    const first = await send(body);
    expect(await send(body)).toEqual(first);
    expect((await send(`${body} `))[0]).toBe(409);
  });

  test("a batch is answered again after its deadline has passed, says so, and leaves no second blob", async () => {
    const body = JSON.stringify({ requests: requests("late") });
    const deadline = new Date(Date.now() + 600).toISOString();
    const headers = { "idempotency-key": "key-late", "slowboat-deadline": deadline };
    const first = await post(body, headers);
    const made = (await first.json()) as { id: string };
    expect([first.status, first.headers.get("idempotent-replayed")]).toEqual([200, null]);
    const blobs = (await api.blobs()).length;
    await until(() => Date.now() > Date.parse(deadline), "the deadline has passed");
    expect((await post(body, { "slowboat-deadline": deadline })).status).toBe(400);
    const again = await post(body, headers);
    expect([again.status, ((await again.json()) as { id: string }).id, again.headers.get("idempotent-replayed")]).toEqual([200, made.id, "true"]);
    expect((await post(body, { "idempotency-key": "key-late" })).status).toBe(409);
    expect(await api.blobs()).toHaveLength(blobs);
  });

  test("a body over the limit is refused with 413, announced or not", async () => {
    const before = await countBatches();
    const piece = Buffer.from(`{"custom_id":"ID","params":{"x":"${"y".repeat(1024 * 1024)}"}},`);
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"requests":[');
      for (let i = 0; i < 300; i++) yield Buffer.from(piece.toString("latin1").replace("ID", `id-${i}`));
    }
    // The refusal may close the connection while the client is still sending.
    const told = await post(endless()).then(
      async (response) => [response.status, ((await response.json()) as { error: { type: string } }).error.type],
      () => "cut off",
    );
    expect(["cut off", [413, "request_too_large"]]).toContainEqual(told);
    expect(await countBatches()).toBe(before);
  });
});
