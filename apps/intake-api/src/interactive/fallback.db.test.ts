import type { FaultRule } from "@slowboat/emulator";
import { until } from "@slowboat/testkit";
import { APIError } from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

let api: TestApi;
const open = async (options: Parameters<typeof startApi>[0] = {}): Promise<void> => {
  api = await startApi(options);
};
afterEach(() => api.stop());

const MODEL = "gpt-5.4-mini";
const CHAT = "/v1/chat/completions";
const ask = (more: object = {}) => ({
  model: MODEL,
  messages: [{ role: "user" as const, content: "Name a river." }],
  fallbacks: ["claude-haiku-4-5"],
  ...more,
});
const fails = (effect: FaultRule): void => api.emulator.addFaults({ times: 100, match: { path: CHAT }, ...effect });
const call = async (more: object = {}, options: object = {}) => {
  const { data, response } = await api.openai.chat.completions.create(ask(more), options).withResponse();
  return { data, headers: response.headers, attempts: await attemptsOf(response.headers.get("slowboat-job-id")) };
};
interface Seen {
  readonly lane: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly model: string | null;
}
const attemptsOf = async (jobId: string | null | undefined): Promise<Seen[]> => [
  ...(await api.store.sql<Seen[]>`select lane, state, outcome, model from attempt where job_id = ${jobId ?? ""} order by seq`),
];
const lanesOf = (seen: readonly Seen[]): string[] => seen.map((row) => `${row.lane} ${row.state}`);
const failure = async (more: object = {}): Promise<APIError> => {
  const thrown = await api.openai.chat.completions.create(ask(more)).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof APIError)) throw new Error(`not refused: ${thrown}`);
  return thrown;
};
const rateLimited = (retryAfter: string): FaultRule => ({
  status: 429,
  headers: { "retry-after": retryAfter },
  body: { error: { message: "Rate limit reached", type: "requests", param: null, code: "rate_limit_exceeded" } },
});

describe("a caller who waits and named another model", () => {
  test("is not kept waiting for a provider that asks for more than two seconds", async () => {
    await open();
    fails(rateLimited("20"));
    const startedAt = performance.now();
    const { data, attempts } = await call();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(data.model).toContain("claude-haiku-4-5");
    expect(lanesOf(attempts)).toEqual(["openai void", "anthropic answered"]);
  });

  test("gets the asked model after one failure that passes, and the other after two", async () => {
    await open();
    fails({ status: 500, times: 1 });
    expect(lanesOf((await call()).attempts)).toEqual(["openai void", "openai answered"]);
    fails({ status: 500, times: 2 });
    const second = await call();
    expect(lanesOf(second.attempts)).toEqual(["openai void", "openai void", "anthropic answered"]);
    expect(second.attempts.at(-1)?.model).toBe("claude-haiku-4-5");
  });

  test("is answered elsewhere at once by an account that refuses everything, and from then on without asking it", async () => {
    await open();
    fails({ preset: "insufficient-quota" });
    expect(lanesOf((await call()).attempts)).toEqual(["openai void", "anthropic answered"]);
    expect(lanesOf((await call()).attempts)).toEqual(["anthropic answered"]);
  });

  test("does not knock at an open breaker, and is answered by its model again once that is closed", async () => {
    await open();
    fails({ status: 500 });
    let last = await call();
    for (let n = 0; n < 6 && last.attempts.length > 1; n++) last = await call();
    expect(lanesOf(last.attempts)).toEqual(["anthropic answered"]);
    expect(last.headers.get("slowboat-model")).toBe("claude-haiku-4-5");
    await fetch(`${api.emulator.url}/emulator/faults`, { method: "DELETE" });
    await until(async () => lanesOf((await call()).attempts).join() === "openai answered", "the asked model answers again");
  });

  test("is answered although its own provider has no key here, or cannot be reached", async () => {
    await open({ lanes: { openai: undefined } });
    expect(lanesOf((await call()).attempts)).toEqual(["anthropic answered"]);
    await api.stop();
    // Port 9 of this machine: nothing listens there.
    await open({ lanes: { openai: { apiKey: "sk-test", baseURL: "http://127.0.0.1:9/v1" } } });
    expect(lanesOf((await call()).attempts)).toEqual(["openai void", "openai void", "anthropic answered"]);
  });

  test("is answered although its model is gone, but gets its own provider's word on a bad request", async () => {
    await open();
    const gone = { error: { message: "The model does not exist", type: "invalid_request_error", param: null, code: "model_not_found" } };
    fails({ status: 404, body: gone, times: 1 });
    const { attempts } = await call();
    expect(attempts).toMatchObject([
      { lane: "openai", state: "void", outcome: "rejected" },
      { lane: "anthropic", state: "answered" },
    ]);
    expect((await failure({ max_completion_tokens: -1 })).status).toBe(400);
  });

  test("is not answered twice: what may have been paid for is asked nowhere else", async () => {
    await open();
    fails({ drop: "after-commit", times: 1 });
    const error = await failure();
    expect(error).toMatchObject({ status: 502, code: "outcome_unknown" });
    expect(lanesOf(await attemptsOf(error.headers?.get("slowboat-job-id")))).toEqual(["openai unknown"]);
    expect((await api.emulator.invoice()).lines.map((line) => line.provider)).toEqual(["openai"]);
  });

  test("hears from the last one asked when all are down, in the API's own shape and with its own status", async () => {
    await open();
    fails({ status: 500 });
    api.emulator.addFaults({ match: { path: "/v1/messages" }, preset: "overloaded", times: 100 });
    const error = await failure();
    expect(error.status).toBe(503);
    expect(error.code).toBe("server_is_overloaded");
    const seen = await attemptsOf(error.headers?.get("slowboat-job-id"));
    expect(lanesOf(seen)).toEqual(["openai void", "openai void", "anthropic void", "anthropic void"]);
  });

  test("is refused by the name of the field where the tenant denies that model, before anybody is asked", async () => {
    await open();
    await api.store.begin((tx) => tx`update tenant set models = '{"allow":null,"deny":["claude-haiku-4-5"]}'`);
    const error = await failure();
    expect(error).toMatchObject({ status: 400, param: "fallbacks" });
    expect(error.message).toContain("the tenant denies this model");
    expect((await api.emulator.invoice()).lines).toEqual([]);
  });

  test("of the flex tier goes to the standard tier of the same model first", async () => {
    await open();
    api.emulator.addFaults({ preset: "flex-unavailable", match: { serviceTier: "flex" }, times: 100 });
    const { data, attempts } = await call({ service_tier: "flex" });
    expect(lanesOf(attempts)).toEqual(["openai-flex void", "openai answered"]);
    expect(data.service_tier).toBe("default");
  });
});
