import { fileCallLog } from "@slowboat/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ logged: true });
});
afterAll(() => api.stop());

const ask = async (headers: Record<string, string> = {}, body: object = { model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }] }) => {
  const reply = await fetch(`${api.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return { status: reply.status, jobId: reply.headers.get("slowboat-job-id") ?? "", json: (await reply.json()) as Record<string, unknown> };
};
const get = async (path: string, key = api.key) => {
  const reply = await fetch(`${api.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
  return { status: reply.status, json: (await reply.json()) as Record<string, never> };
};
const logged = async (): Promise<number> => (await api.store.sql`select 1 from call_log`).length;

test("a call is in the log when its answer is given, and whoever asks for its job finds it there at once", async () => {
  const { status, jobId } = await ask();
  expect(status).toBe(200);
  expect([await logged(), (await api.store.sql`select 1 from job where id = ${jobId}`).length]).toEqual([2, 0]);
  const { newTenant } = api;
  expect((await get(`/v1/jobs/${jobId}`, (await newTenant("another")).key)).status).toBe(404);
  const job = await get(`/v1/jobs/${jobId}`);
  expect(job.json).toMatchObject({ id: jobId, state: "placed", attempts: [{ state: "answered", status_code: 200 }] });
  expect(await logged()).toBe(0);
});

test("an answer that is logged after its call was filed shows at once", async () => {
  const { jobId } = await ask();
  await api.store.sql`create table later as with gone as (delete from call_log where readings is not null returning *) select * from gone`;
  await fileCallLog(api.store);
  const again = "intents, bodies, decisions, readings, answers, items, at_ms, at_real_ms";
  await api.store.sql.unsafe(`insert into call_log (${again}) select ${again} from later`);
  expect((await get(`/v1/jobs/${jobId}`)).json).toMatchObject({ state: "placed", attempts: [{ state: "answered", status_code: 200 }] });
});

test("the list of jobs has what was answered a moment ago", async () => {
  const { jobId } = await ask();
  expect((await get("/v1/jobs")).json["data"]).toMatchObject([{ id: jobId }, ...(await api.store.sql`select 1 from job offset 1`).map(() => ({}))]);
});

test("a call that must happen once gives its answer again while it is only logged", async () => {
  const once = { "idempotency-key": "k1" };
  const first = await ask(once);
  const again = await ask(once);
  expect([again.status, again.jobId, again.json]).toEqual([200, first.jobId, first.json]);
  expect((await ask(once, { model: "gpt-5-mini", messages: [{ role: "user", content: "other" }] })).status).toBe(409);
});

test("feedback and a cancel find the call too", async () => {
  const { jobId } = await ask();
  const said = await fetch(`${api.url}/v1/jobs/${jobId}/feedback`, {
    method: "POST",
    headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json" },
    body: JSON.stringify({ good: true }),
  });
  expect(said.status).toBe(201);
  const other = await ask();
  const cancelled = await fetch(`${api.url}/v1/jobs/${other.jobId}/cancel`, { method: "POST", headers: { authorization: `Bearer ${api.key}` } });
  expect(cancelled.status).toBe(200);
});
