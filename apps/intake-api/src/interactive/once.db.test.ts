import { testClock, until, watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

const leaks = watchLeaks();
const clock = testClock();
let api: TestApi;
beforeAll(async () => {
  api = await startApi({ clock });
});
afterAll(async () => {
  await api.stop();
  await leaks.check();
});

const CHAT = "/v1/chat/completions";
const chat = (content: string, more: object = {}): string =>
  JSON.stringify({ model: "gpt-5.4-mini", messages: [{ role: "user", content }], ...more });

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly code: string | null;
  readonly jobId: string | null;
  readonly replayed: boolean;
}
const send = async (
  key: string,
  body: string,
  options: { path?: string; headers?: Record<string, string>; apiKey?: string } = {},
): Promise<Reply> => {
  const response = await fetch(`${api.url}${options.path ?? CHAT}`, {
    method: "POST",
    body,
    headers: {
      authorization: `Bearer ${options.apiKey ?? api.key}`,
      "content-type": "application/json",
      "anthropic-version": "2023-06-01",
      "idempotency-key": key,
      ...options.headers,
    },
  });
  const text = await response.text();
  const code = response.ok ? null : (JSON.parse(text) as { error: { code: string } }).error.code;
  return {
    status: response.status,
    text,
    code,
    jobId: response.headers.get("slowboat-job-id"),
    replayed: response.headers.has("idempotent-replayed"),
  };
};
const charges = async (): Promise<number> => (await api.emulator.invoice()).lines.length;

describe("a synchronous call under an Idempotency-Key", () => {
  test.each([
    [CHAT, chat("Say hello.")],
    ["/v1/responses", JSON.stringify({ model: "gpt-5.4-mini", input: "Say hello." })],
    ["/v1/embeddings", JSON.stringify({ model: "text-embedding-3-small", input: "one text" })],
    ["/v1/messages", JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 20, messages: [{ role: "user", content: "Say hello." }] })],
  ])("%s: the same request gets the first answer byte for byte, and is charged once", async (path, body) => {
    const before = await charges();
    const first = await send("plain", body, { path });
    const again = await send("plain", body, { path });
    expect([first.status, first.replayed], first.text).toEqual([200, false]);
    expect(again).toEqual({ ...first, replayed: true });
    expect(await charges()).toBe(before + 1);
  });

  test("ten at once are one call, and all get its answer", async () => {
    const before = await charges();
    api.emulator.addFaults({ delayMs: 300, times: 1 });
    const replies = await Promise.all(Array.from({ length: 10 }, () => send("crowd", chat("All at once."))));
    expect(new Set(replies.map((reply) => `${reply.status} ${reply.text}`)).size).toBe(1);
    expect(replies.filter((reply) => !reply.replayed)).toHaveLength(1);
    expect(await charges()).toBe(before + 1);
  });

  test("another body, and headers that change the request, are a conflict; another route and another tenant are free", async () => {
    expect((await send("mine", chat("a"))).status).toBe(200);
    expect(await send("mine", chat("b"))).toMatchObject({ status: 409, code: "idempotency_mismatch" });
    expect(await send("mine", chat("a"), { headers: { "slowboat-deadline": "5m" } })).toMatchObject({ status: 409, code: "idempotency_mismatch" });
    const other = await api.newTenant("somebody else");
    expect(await send("mine", chat("b"), { apiKey: other.key })).toMatchObject({ status: 200, replayed: false });
    expect(await send("mine", JSON.stringify({ model: "gpt-5.4-mini", input: "a" }), { path: "/v1/responses" })).toMatchObject({ replayed: false });
  });

  test("a call is answered again after its deadline has passed", async () => {
    const headers = { "slowboat-deadline": new Date(clock.job() + 5 * 60_000).toISOString() };
    const first = await send("late", chat("in time"), { headers });
    expect(first.status, first.text).toBe(200);
    clock.advance(6 * 60_000);
    expect(await send("too late", chat("in time"), { headers })).toMatchObject({ status: 400, code: "deadline_past" });
    expect(await send("late", chat("in time"), { headers })).toEqual({ ...first, replayed: true });
  });

  test("a stream is not given twice: its key is refused with the job that has the answer", async () => {
    const before = await charges();
    expect((await send("stream", chat("flow", { stream: true }))).text).toContain("[DONE]");
    const again = await send("stream", chat("flow", { stream: true }));
    expect(again).toMatchObject({ status: 409, code: "wrong_state", text: expect.stringMatching(/GET \/v1\/jobs\/job_/) });
    expect(await charges()).toBe(before + 1);
  });

  test("a stream in flight refuses its key", async () => {
    api.emulator.addFaults({ delayMs: 600, times: 1 });
    const first = send("flight", chat("slow", { stream: true }));
    await until(async () => (await api.store.sql`select from idempotency where key = 'flight'`).length > 0, "the claim is there");
    expect(await send("flight", chat("slow", { stream: true }))).toMatchObject({ status: 409, code: "idempotency_in_flight" });
    expect((await first).status).toBe(200);
  });

  test("what was refused for the moment frees its key; what is refused for good is refused again", async () => {
    api.emulator.addFaults({ preset: "overloaded", times: 3 });
    expect((await send("busy", chat("x"), { headers: {} })).status).toBeGreaterThanOrEqual(500);
    expect(await send("busy", chat("x"))).toMatchObject({ status: 200, replayed: false });
    const wrong = chat("x", { max_completion_tokens: 999_999_999 });
    const first = await send("wrong", wrong);
    expect(first.status).toBe(400);
    expect(await send("wrong", wrong)).toMatchObject({ status: 400, text: first.text });
    // What was never accepted leaves no claim behind.
    expect((await send("unknown", chat("x", { model: "gpt-5.4-minni" }))).status).toBe(404);
    expect(await send("unknown", chat("x"))).toMatchObject({ status: 200, replayed: false });
  });

  test("a call whose outcome is unknown is not paid for a second time under its key", async () => {
    const before = await charges();
    api.emulator.addFaults({ drop: "after-commit", times: 1 });
    const first = await send("lost", chat("gone"));
    expect([first.status, first.code]).toEqual([502, "outcome_unknown"]);
    expect(await send("lost", chat("gone"))).toMatchObject({ status: 502, code: "outcome_unknown", replayed: true });
    expect(await charges()).toBe(before + 1);
  });

  test("another process's call is waited for, and taken over when that process has died", async () => {
    const claim = (key: string, leaseMs: number) => api.store.sql`
      insert into idempotency (tenant_id, route, key, fingerprint, response_id, created_at_ms, lease_until_real_ms)
      select tenant_id, route, ${key}, fingerprint, 'req_elsewhere', ${clock.job()}, ${clock.real() + leaseMs} from idempotency where key = 'origin' and route = ${`POST ${CHAT}`}`;
    const origin = await send("origin", chat("far away"));
    await claim("alive", 60_000);
    const waiting = send("alive", chat("far away"));
    await api.store.sql`update idempotency set response_id = ${origin.jobId ?? ""}, lease_until_real_ms = null where key = 'alive'`;
    expect(await waiting).toEqual({ ...origin, replayed: true });
    await claim("dead", -1);
    expect(await send("dead", chat("far away"))).toMatchObject({ status: 200, replayed: false });
  });
});
