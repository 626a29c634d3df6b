import { watchLeaks } from "@slowboat/testkit";
import { afterAll, afterEach, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

const leaks = watchLeaks();
let api: TestApi;
afterEach(() => api.stop());
afterAll(() => leaks.check());

const SURFACES = ["openai", "anthropic"] as const;
type Surface = (typeof SURFACES)[number];
const PATH = { openai: "/v1/chat/completions", anthropic: "/v1/messages" } as const;

/** One call over a socket of its own, as any client would make it. */
const ask = (surface: Surface, stream = false): Promise<Response> =>
  fetch(`${api.url}${PATH[surface]}`, {
    method: "POST",
    headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({
      model: surface === "openai" ? "gpt-5.4-mini" : "claude-haiku-4-5",
      max_tokens: 20,
      messages: [{ role: "user", content: "When again?" }],
      ...(stream ? { stream } : {}),
    }),
  });
const waits = (response: Response): (string | null)[] => ["retry-after", "retry-after-ms"].map((name) => response.headers.get(name));
const sends = async (): Promise<number> => (await api.store.sql`select 1 from attempt where sent_at_ms is not null`).length;
const errorOf = async (response: Response): Promise<{ type: string; code?: string }> =>
  ((await response.json()) as { error: { type: string } }).error;

test.each(SURFACES)("%s: a provider's 429 and 503 that ask for longer than a caller waits are told with their wish", async (surface) => {
  api = await startApi();
  for (const stream of [false, true]) {
    api.emulator.addFaults({ match: { path: PATH[surface] }, preset: "rate-limit", headers: { "retry-after": "90", "retry-after-ms": "89500" } });
    const limited = await ask(surface, stream);
    expect(limited.status).toBe(429);
    expect(waits(limited)).toEqual(["90", "89500"]);
    await api.stop();
    api = await startApi();
  }
  api.emulator.addFaults({ match: { path: PATH[surface] }, preset: "overloaded", status: 503, headers: { "retry-after": "75" } });
  const overloaded = await ask(surface);
  expect(overloaded.status).toBe(503);
  expect(waits(overloaded)).toEqual(["75", "75000"]);
});

test("a gateway's page becomes an error of the API's own shape and keeps the wish", async () => {
  api = await startApi();
  api.emulator.addFaults({ preset: "html-503", headers: { "retry-after": "60" } });
  const response = await ask("openai");
  expect(response.status).toBe(502);
  expect(waits(response)).toEqual(["60", "60000"]);
  expect(await errorOf(response)).toMatchObject({ code: "provider_failed" });
});

test.each(SURFACES)(
  "%s: a call beyond the provider's limit is refused unsent, as a rate limit, with the time until there is room",
  async (surface) => {
    api = await startApi({ emulator: { requestsPerMinute: 1 } });
    expect((await ask(surface)).status).toBe(200);
    const held = await ask(surface);
    expect(held.status).toBe(429);
    const [seconds] = waits(held);
    expect(Number(seconds)).toBeGreaterThan(30);
    expect(Number(seconds)).toBeLessThanOrEqual(64);
    expect(await errorOf(held)).toMatchObject(surface === "openai" ? { code: "rate_limit_exceeded" } : { type: "rate_limit_error" });
    expect((await api.emulator.invoice()).lines).toHaveLength(1);
  },
);

test.each(SURFACES)("%s: behind an open breaker nothing is sent or written, and the caller is told when it is tried again", async (surface) => {
  api = await startApi();
  api.emulator.addFaults({ match: { path: PATH[surface] }, preset: "html-502", times: 5 });
  for (let n = 0; n < 2; n++) await ask(surface);
  const sent = await sends();
  const held = await ask(surface);
  expect(held.status).toBe(503);
  expect(Number(held.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(held.headers.get("x-should-retry")).toBe("true");
  expect(await errorOf(held)).toMatchObject(surface === "openai" ? { code: "lane_unavailable" } : { type: "overloaded_error" });
  expect(await sends()).toBe(sent);
});

test.each(SURFACES)("%s: an account without quota is told as unavailable with the time of the next try", async (surface) => {
  api = await startApi();
  api.emulator.addFaults({ match: { path: PATH[surface] }, preset: "spend-limit" });
  expect((await ask(surface)).status).toBe(503);
  const sent = await sends();
  const again = await ask(surface);
  expect(again.status).toBe(503);
  expect(Number(again.headers.get("retry-after"))).toBeGreaterThan(30);
  expect(await sends()).toBe(sent);
});
