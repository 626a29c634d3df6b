import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { populateBatch } from "@slowboat/intake";
import { watchLeaks } from "@slowboat/testkit";
import { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endLines, finish } from "../anthropic/testing/end-lines.ts";
import { startApi, type TestApi } from "./testing/start-api.ts";

// An emulated installation in which not everything is emulated: the pool is a machine of one's own.

const leaks = watchLeaks();
const pool = createServer((_req, res) => {
  res.setHeader("content-type", "application/json");
  res.end(
    `{"object":"list","model":"use-lite-en","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":2,"total_tokens":2}}`,
  );
});
let api: TestApi;

beforeAll(async () => {
  await new Promise<void>((done) => pool.listen(0, "127.0.0.1", done));
  api = await startApi({ lanes: { poolUrl: `http://127.0.0.1:${(pool.address() as AddressInfo).port}` } });
});
afterAll(async () => {
  await api.stop();
  await new Promise((done) => pool.close(done).closeAllConnections());
  await leaks.check();
});

const LABEL = "emulated provider: no money is spent";
const label = (res: Response): string | null => res.headers.get("x-slowboat-emulated");
const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const chat = { model: "gpt-5-mini", seed: 1, messages: [{ role: "user", content: "Name a sea." }] };

test("an emulated provider's answer is labelled, also where it is given again", async () => {
  const first = await call("POST", "/v1/chat/completions", chat);
  expect([first.status, label(first)]).toEqual([200, LABEL]);
  const { id } = (await api.store.sql<{ id: string }[]>`select id from job where id = ${first.headers.get("slowboat-job-id") ?? ""}`)[0] ?? {
    id: "",
  };
  await api.store.sql`insert into reuse_entry (tenant_id, reuse_key, job_id, attempt_id, created_at_ms, expires_at_ms)
    select tenant_id, reuse_key, id, attempt_id, 0, 1e15 from job where id = ${id}`;
  const again = await call("POST", "/v1/chat/completions", chat);
  expect([again.headers.get("slowboat-lane"), label(again)]).toEqual(["cache", LABEL]);
});

test("an answer of the pool is not, also where it is given again", async () => {
  const ask = { model: "use-lite-en", input: "A river." };
  const first = await call("POST", "/v1/embeddings", ask);
  expect([first.status, first.headers.get("slowboat-lane"), label(first)]).toEqual([200, "pool", null]);
  await api.store.sql`insert into reuse_entry (tenant_id, reuse_key, job_id, attempt_id, created_at_ms, expires_at_ms)
    select tenant_id, reuse_key, id, attempt_id, 0, 1e15 from job where id = ${first.headers.get("slowboat-job-id") ?? ""}`;
  const again = await call("POST", "/v1/embeddings", ask);
  expect([again.headers.get("slowboat-lane"), label(again)]).toEqual(["cache", null]);
  expect(label(await call("GET", `/v1/jobs/${first.headers.get("slowboat-job-id")}`))).toBeNull();
});

test("what is no answer is not: lists, models, uploads, accepted work and refusals", async () => {
  for (const path of ["/healthz", "/v1/models", "/v1/jobs", "/v1/batches", "/v1/files", "/v1/clock", "/v1/nothing"])
    expect([path, label(await call("GET", path))]).toEqual([path, null]);
  expect(label(await call("POST", "/v1/jobs", { body: chat }))).toBeNull();
  expect(label(await call("POST", "/v1/chat/completions", { ...chat, model: "gpt-0" }))).toBeNull();
});

test("the results of a message batch are labelled when an emulator gave one of them", async () => {
  const request = (id: string) => ({
    custom_id: id,
    params: { model: "claude-haiku-4-5", max_tokens: 9, messages: [{ role: "user", content: id }] },
  });
  for (const [emulated, shown] of [
    [true, LABEL],
    [false, null],
  ] as const) {
    const made = await api.anthropic.messages.batches.create({ requests: [request("a"), request("b")] as never });
    await populateBatch(api.intake, made.id, AbortSignal.timeout(10_000));
    await endLines(api, made.id, { a: { statusCode: 200, answer: "{}" }, b: "cancelled" });
    if (!emulated) await api.store.sql`update attempt set emulated = false where job_id in (select id from job where batch_id = ${made.id})`;
    await finish(api, made.id);
    const results = await call("GET", `/v1/messages/batches/${made.id}/results`, undefined, { "anthropic-version": "2023-06-01" });
    expect([results.status, label(results)]).toEqual([200, shown]);
    await results.text();
    // The same of a file that such a batch wrote.
    const file = await api.openai.files.create({ file: await toFile(Buffer.from("{}"), "out.jsonl"), purpose: "batch" });
    const content = () => call("GET", `/v1/files/${file.id}/content`);
    expect(label(await content())).toBeNull();
    await api.store.sql`update batch set output_file_id = ${file.id} where id = ${made.id}`;
    expect(label(await content())).toBe(shown);
  }
});
