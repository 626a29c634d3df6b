import Anthropic, { APIError, BadRequestError, NotFoundError } from "@anthropic-ai/sdk";
import { watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

const leaks = watchLeaks();
let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api.stop();
  await leaks.check();
});

const ask = (content: string) => ({ model: "claude-haiku-4-5", max_tokens: 200, messages: [{ role: "user" as const, content }] });
const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}${path}`, {
    method: "POST",
    body,
    headers: { "x-api-key": api.key, "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
  });

describe("the Anthropic SDK against the intake API", () => {
  test("a message is answered; the version and both kinds of auth header are understood", async () => {
    const { data, response } = await api.anthropic.messages.create(ask("Say hello.")).withResponse();
    expect(data.content[0]?.type).toBe("text");
    expect(response.headers.get("slowboat-lane")).toBe("anthropic");
    expect(response.headers.get("request-id")).toMatch(/^req_/);
    const old = await post("/v1/messages", JSON.stringify({ ...ask("Say hello."), temperature: 1 }));
    expect(old.status).toBe(200);
    const strict = await post("/v1/messages", JSON.stringify({ ...ask("Say hello."), temperature: 1 }), { "anthropic-version": "2026-10-21" });
    expect(strict.status).toBe(400);
    const bearer = await fetch(`${api.url}/v1/messages`, {
      method: "POST",
      body: JSON.stringify(ask("x")),
      headers: { authorization: `Bearer ${api.key}`, "anthropic-version": "2023-06-01" },
    });
    expect(bearer.status).toBe(200);
  });

  test("a missing anthropic-version and a missing key are refused in Anthropic's shape", async () => {
    const response = await fetch(`${api.url}/v1/messages`, { method: "POST", body: JSON.stringify(ask("x")), headers: { "x-api-key": api.key } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      type: "error",
      error: { type: "invalid_request_error", message: "anthropic-version: header is required" },
      request_id: expect.stringMatching(/^req_/),
    });
    await expect(
      new Anthropic({ apiKey: "nobody's key, twenty chars", baseURL: api.url, maxRetries: 0 }).messages.create(ask("x")),
    ).rejects.toMatchObject({ status: 401 });
    await expect(api.anthropic.messages.create({ ...ask("x"), model: "claude-haiku-4-6" })).rejects.toThrow(/claude-haiku-4-5/);
  });

  test("a stream gives its final message, and the whole answer is committed", async () => {
    const stream = api.anthropic.messages.stream(ask("Tell me a story."));
    const final = await stream.finalMessage();
    expect(final.stop_reason).toBe("end_turn");
    const jobId = stream.response?.headers.get("slowboat-job-id") ?? "";
    const [attempt] = await api.store.sql<{ state: string; answer: string }[]>`select state, answer from attempt where job_id = ${jobId}`;
    expect(attempt?.state).toBe("answered");
    expect(JSON.parse(attempt?.answer ?? "{}")).toMatchObject({ id: final.id, usage: { output_tokens: final.usage.output_tokens } });
  });

  test("a stream that was cut upstream ends with an error event, never with message_stop", async () => {
    for (const end of ["eof", "half-line"] as const) {
      api.emulator.addFaults({ stream: { afterEvents: 4, end } });
      const response = await post("/v1/messages", JSON.stringify({ ...ask("cut"), stream: true }));
      const text = await response.text();
      expect(text).toContain('event: error\ndata: {"type":"error"');
      expect(text).not.toContain("message_stop");
      api.emulator.addFaults({ stream: { afterEvents: 4, end } });
      await expect(api.anthropic.messages.stream(ask("cut")).finalMessage()).rejects.toBeInstanceOf(APIError);
    }
  });

  test("an overload is tried again; one that lasts is told with the provider's own status and body", async () => {
    api.emulator.addFaults({ preset: "overloaded", times: 1 });
    expect((await api.anthropic.messages.create(ask("once"))).type).toBe("message");
    api.emulator.addFaults({ preset: "overloaded", times: 3 });
    await expect(api.anthropic.messages.create(ask("for ever"))).rejects.toMatchObject({ status: 529 });
  });

  test("tokens are counted by the provider", async () => {
    const counted = await api.anthropic.messages.countTokens({ model: "claude-haiku-4-5", messages: [{ role: "user", content: "How many?" }] });
    expect(counted.input_tokens).toBeGreaterThan(0);
    await expect(api.anthropic.messages.countTokens({ model: "claude-nobody", messages: [] })).rejects.toBeInstanceOf(NotFoundError);
  });

  test("what only OpenAI's API serves is refused", async () => {
    await expect(api.anthropic.messages.create({ ...ask("x"), model: "gpt-5.4-mini" })).rejects.toBeInstanceOf(BadRequestError);
  });
});
