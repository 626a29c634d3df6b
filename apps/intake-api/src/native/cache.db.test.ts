import { outcomeOf, recordOutcomes } from "@slowboat/results";
import { systemClock } from "@slowboat/runtime";
import { learnAnswered } from "@slowboat/semantic";
import { claimAnswered, setTenant } from "@slowboat/store";
import { teachReuse } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type TestApi } from "../interactive/testing/start-api.ts";

const MODEL = "gpt-5.4-mini";
const SEMANTIC = { "slowboat-cache": "semantic; max-error=0.02" };
const clock = systemClock();
const { signal } = new AbortController();
let api: TestApi;

beforeAll(async () => {
  api = await startApi();
  expect(await api.semantic.encoder.start()).toBe(true);
});
afterAll(() => api.stop());

const bodyOf = (question: string, system: string) => ({
  model: MODEL,
  messages: [
    { role: "system", content: system },
    { role: "user", content: question },
  ],
});

async function call(method: string, path: string, options: { body?: unknown; headers?: Record<string, string>; key?: string } = {}) {
  const reply = await fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${options.key ?? api.key}`, "content-type": "application/json", ...options.headers },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const text = await reply.text();
  return { status: reply.status, headers: reply.headers, text, json: text === "" ? null : JSON.parse(text) };
}

/** Settles and learns what was asked, as the other services do. */
async function settle(jobId: string): Promise<void> {
  await expect.poll(async () => (await api.store.sql`select 1 from semantic_ask where job_id = ${jobId}`).count, { timeout: 20_000 }).toBe(1);
  await api.store.begin(async (tx) => {
    const { rows } = await claimAnswered(tx, { limit: 100, maxBytes: 1e6 });
    await recordOutcomes(
      tx,
      rows.map((row) => outcomeOf(row, api.intake.book)),
      clock.job(),
    );
  });
  await learnAnswered(api.semantic, signal);
  await api.semantic.spaces.tail();
}

/** Asks a question and then one that means the same, until that one is answered from the cache; a twentieth of the time it is asked anew. */
async function hitFor(system: string, key = api.key, tenantId = api.tenantId) {
  const value = bodyOf("What is the capital of France?", system);
  const wish = { mode: "exact", semantic: { maxError: 0.02, ttlMs: null, asked: true } } as const;
  const request = { tenantId, keyId: "k", endpoint: "/v1/chat/completions", model: MODEL, body: JSON.stringify(value), value, wish } as const;
  await teachReuse(api.store, request, clock.job());
  const first = await call("POST", "/v1/chat/completions", { body: value, headers: SEMANTIC, key });
  await settle(first.headers.get("slowboat-job-id") ?? "");
  for (let tries = 1; tries < 8; tries++) {
    const body = bodyOf(`What is the capital city of France?${" ".repeat(tries)}`, system);
    const again = await call("POST", "/v1/chat/completions", { body, headers: SEMANTIC, key });
    await settle(again.headers.get("slowboat-job-id") ?? "");
    if (again.headers.get("slowboat-cache") === "semantic") return { again };
  }
  throw new Error("seven questions in a row were asked anew");
}

test("a hit names itself, its source and its score in headers and in the job, and reads as the answer did", async () => {
  const { again } = await hitFor("Be brief.");
  const source = again.headers.get("slowboat-cache-source") ?? "";
  expect((await call("GET", `/v1/jobs/${source}`)).json.result.body).toEqual(again.json);
  const job = await call("GET", `/v1/jobs/${again.headers.get("slowboat-job-id")}`);
  expect(Number(again.headers.get("slowboat-cache-score"))).toBeCloseTo(job.json.decision.reuse.score, 4);
  expect(job.json.decision.reuse.score).toBeGreaterThan(job.json.decision.reuse.threshold);
  expect(job.json).toMatchObject({ lane: "cache", decision: { reuse: { kind: "semantic", source } }, result: { source: "reuse" } });
});

test("a stream is given the kept answer in events that the official client takes for a whole answer", async () => {
  await hitFor("Be calm.");
  for (let tries = 1; tries < 8; tries++) {
    const body = {
      ...bodyOf(`What's the capital city of France?${" ".repeat(tries)}`, "Be calm."),
      stream: true,
      stream_options: { include_usage: true },
    };
    const { data, response } = await api.openai.chat.completions.create(body as never, { headers: SEMANTIC }).withResponse();
    let text = "";
    let tokens = 0;
    for await (const chunk of data as unknown as AsyncIterable<{
      choices: { delta: { content?: string } }[];
      usage?: { total_tokens: number } | null;
    }>) {
      text += chunk.choices[0]?.delta.content ?? "";
      tokens = chunk.usage?.total_tokens ?? tokens;
    }
    await settle(response.headers.get("slowboat-job-id") ?? "");
    if (response.headers.get("slowboat-cache") !== "semantic") continue;
    // Which of the kept answers it was, the dice decide: what was asked anew is kept as well.
    const kept = (await call("GET", `/v1/jobs/${response.headers.get("slowboat-cache-source")}`)).json.result.body;
    expect(text).toBe(kept.choices[0].message.content);
    expect(tokens).toBe(kept.usage.total_tokens);
    return;
  }
  throw new Error("seven streams in a row were asked anew");
});

test("entries are listed for their tenant alone, and one of another's cannot be evicted", async () => {
  const { again } = await hitFor("Be thorough.");
  const source = again.headers.get("slowboat-cache-source");
  const listed = async () => (await call("GET", `/v1/cache/entries?job_id=${source}`)).json.data;
  // A hit is counted after its question is logged, which is what a caller does not wait for.
  await expect.poll(listed, { timeout: 10_000 }).toMatchObject([{ object: "cache.entry", source: { job_id: source }, model: MODEL, hits: 1 }]);
  const { key } = await api.newTenant("cache-stranger");
  expect((await call("GET", "/v1/cache/entries", { key })).json.data).toEqual([]);
  const [entry] = await listed();
  expect((await call("DELETE", `/v1/cache/entries/${entry.id}`, { key })).status).toBe(404);
  expect((await call("DELETE", `/v1/cache/entries?namespace=${entry.namespace}`, { key })).json).toMatchObject({ evicted: 0 });
  expect((await call("DELETE", `/v1/cache/entries/${entry.id}`)).json).toMatchObject({ deleted: true });
  expect(await listed()).toEqual([]);
  expect((await call("DELETE", `/v1/cache/entries/${entry.id}`)).status).toBe(404);
});

test("an answer that was told to be wrong is evicted, and its pair is never matched again", async () => {
  const { again } = await hitFor("Be kind.");
  const jobId = again.headers.get("slowboat-job-id") ?? "";
  const source = again.headers.get("slowboat-cache-source") ?? "";
  const said = await call("POST", `/v1/jobs/${jobId}/feedback`, { body: { good: false, comment: "this is another city" } });
  expect(said.status).toBe(201);
  expect(said.json).toMatchObject({ object: "feedback", job_id: jobId, kind: "answer", good: false, evicted: 1 });
  expect((await call("GET", `/v1/cache/entries?job_id=${source}`)).json.data).toEqual([]);
  const [family] = await api.store.sql<{ state: string }[]>`
    select f.state from semantic_family f join semantic_ask a on a.family = f.family where a.job_id = ${jobId}`;
  expect(JSON.parse(family?.state ?? "{}")).toMatchObject({ blacklist: [expect.any(String)], raised: expect.any(Number) });
  const { key } = await api.newTenant("feedback-stranger");
  expect((await call("POST", `/v1/jobs/${jobId}/feedback`, { body: { good: true }, key })).status).toBe(404);
});

test("the report counts what was asked, reused and explored, and says nothing of an error that nobody measured", async () => {
  const { key, tenantId } = await api.newTenant("report");
  const empty = await call("GET", "/v1/cache/report", { key });
  expect(empty.json).toMatchObject({
    asked: 0,
    hit_rate: null,
    realised_error: null,
    families: [],
    judge: { asked: 0, said_yes: 0, given: 0, looked_at: 0, wrong: 0 },
  });
  await hitFor("Be clear.", key, tenantId);
  const report = (await call("GET", "/v1/cache/report?days=1", { key })).json;
  expect(report.reused).toBe(1);
  expect(report.asked).toBe(report.reused + report.explored + report.missed);
  expect(report.families).toMatchObject([{ model: MODEL, drifting: false, entries: expect.any(Number) }]);
});

test.each([
  ["GET", "/v1/cache/entries?job_id=x", undefined, "job_id"],
  ["GET", "/v1/cache/entries?namespace=x", undefined, "namespace"],
  ["DELETE", "/v1/cache/entries", undefined, "job_id"],
  ["GET", "/v1/cache/report?days=0", undefined, "days"],
])("%s %s is refused by the name of the field", async (method, path, body, param) => {
  const reply = await call(method, path, body === undefined ? {} : { body });
  expect(reply.status).toBe(400);
  expect(reply.json.error).toMatchObject({ param, message: expect.stringContaining("'") });
});

test.each([
  [{}, "good"],
  [{ good: "yes" }, "good"],
  [{ score: 2 }, "score"],
  [{ good: true, kind: "Very Good" }, "kind"],
  [{ good: true, rating: 5 }, "rating"],
])("feedback %o is refused by the name of the field", async (body, param) => {
  const job = await call("POST", "/v1/chat/completions", { body: bodyOf("Hello there, who is it?", "x") });
  const reply = await call("POST", `/v1/jobs/${job.headers.get("slowboat-job-id")}/feedback`, { body });
  expect(reply.status).toBe(400);
  expect(reply.json.error.param).toBe(param);
});

test.each([
  [{ "slowboat-cache": "semantic; max-error=2" }, "slowboat-cache"],
  [{ "slowboat-cache": "semantics" }, "slowboat-cache"],
])("a wish that cannot be understood is refused with what would do: %o", async (headers, param) => {
  const reply = await call("POST", "/v1/chat/completions", { body: bodyOf("Hello?", "x"), headers });
  expect(reply.status).toBe(400);
  expect(reply.json.error.param).toBe(param);
});

test("a tenant that has it on needs no header; a job may say its own terms, and a batch in its metadata", async () => {
  const { key, tenantId } = await api.newTenant("on");
  await api.store.begin((tx) => setTenant(tx, { name: "on", semanticCache: JSON.stringify({ on: true, maxError: 0.03 }) }));
  // A key's tenant is read anew within ten seconds; this one was not read before.
  const reply = await call("POST", "/v1/chat/completions", { body: bodyOf("What is the tallest mountain of Europe?", "x"), key });
  await settle(reply.headers.get("slowboat-job-id") ?? "");
  const cache = { mode: "semantic", max_error: 0.05, ttl: "1h" };
  const job = await call("POST", "/v1/jobs", { body: { body: bodyOf("What is the longest river of Europe?", "x"), deadline: "24h", cache }, key });
  expect(job.status).toBe(202);
  const rows = await api.store.sql<{ error: number; ttl: number }[]>`
    select max_error as error, ttl_ms as ttl from semantic_ask where tenant_id = ${tenantId} order by created_at_ms`;
  expect(rows.map((row) => row.error)).toEqual([0.03, 0.05]);
  expect(rows[1]?.ttl).toBe(3_600_000);
  const bad = await call("POST", "/v1/jobs", { body: { body: bodyOf("Hm?", "x"), cache: { mode: "exact", ttl: "1h" } }, key });
  expect(bad.json.error).toMatchObject({ param: "cache" });
});
