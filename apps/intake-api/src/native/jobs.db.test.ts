import { newId } from "@slowboat/kernel";
import { testRng, watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";

const leaks = watchLeaks();
let intake: TestIntake;
let me: TestCaller;

beforeAll(async () => {
  intake = await startIntake({ callbackAllow: ["127.0.0.1:9999"] });
  me = intake.tenant;
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

const chat = { model: "gpt-5-mini", messages: [{ role: "user", content: "Summarise." }], max_completion_tokens: 100 };
const count = async (): Promise<number> => (await intake.store.sql<{ n: number }[]>`select count(*)::int as n from job`)[0]?.n ?? 0;

describe("POST /v1/jobs", () => {
  test("a job is committed when the 202 arrives, with its deadline as an instant and its body byte for byte", async () => {
    const body = `{"model":"gpt-5-mini", "messages":[{"role":"user","content":"a\\u0000b \\ud800 9007199254740993"}],"seed":9007199254740993,"max_completion_tokens":5}`;
    const reply = await me.call("POST", "/v1/jobs", `{"endpoint":"/v1/chat/completions","body":${body},"deadline":"4h","metadata":{"a":"b\\u0000"}}`);
    expect(reply.status, reply.text).toBe(202);
    expect(reply.json).toMatchObject({
      object: "job",
      state: "accepted",
      model: "gpt-5-mini",
      deadline: new Date(intake.clock.job() + 4 * 3_600_000).toISOString(),
    });
    const [row] = await intake.store.sql<
      { body: string; state: string; due: number }[]
    >`select body, state, next_decision_at_ms as due from job where id = ${reply.json.id}`;
    expect(row).toEqual({ body, state: "accepted", due: intake.clock.job() });
    const shown = await me.call("GET", `/v1/jobs/${reply.json.id}`);
    expect(shown.json).toMatchObject({ id: reply.json.id, state: "accepted", attempts: [], receipt: null, result: null, metadata: { a: "b\u0000" } });
  });

  test("the endpoint is inferred where only one is possible", async () => {
    const endpointOf = async (body: unknown): Promise<string> => (await me.call("POST", "/v1/jobs", { body })).json.endpoint;
    expect(await endpointOf(chat)).toBe("/v1/chat/completions");
    expect(await endpointOf({ model: "slowboat-embed", input: "x" })).toBe("/v1/embeddings");
    expect(await endpointOf({ model: "use-lite-en", input: "x", labels: ["a", "b"] })).toBe("/v1/classifications");
    expect(await endpointOf({ model: "claude-haiku-4-5", messages: [{ role: "user", content: "x" }], max_tokens: 5 })).toBe("/v1/messages");
    expect(await endpointOf({ model: "gpt-5-mini", input: "x" })).toBe("/v1/responses");
    expect((await me.call("POST", "/v1/jobs", { body: { model: "gpt-5-mini" } })).json.error).toMatchObject({
      param: "endpoint",
      code: "missing_required_parameter",
    });
  });

  test("service_tier batch gives a day and the cheap lanes; flex gives a quarter of an hour and allows real time as its fallback", async () => {
    const batch = await me.call("POST", "/v1/jobs", { body: { ...chat, service_tier: "batch" } });
    expect(batch.json).toMatchObject({
      allow: ["cache", "pool", "openai-batch", "anthropic-batch"],
      deadline: new Date(intake.clock.job() + 24 * 3_600_000).toISOString(),
    });
    const flex = await me.call("POST", "/v1/jobs", { body: { ...chat, service_tier: "flex" } });
    expect(flex.json).toMatchObject({
      allow: ["cache", "pool", "openai-flex", "openai", "anthropic"],
      deadline: new Date(intake.clock.job() + 15 * 60_000).toISOString(),
    });
  });
});

describe("what a job asks for is never dropped", () => {
  const inHours = (hours: number): string => new Date(intake.clock.job() + hours * 3_600_000).toISOString();
  const sent = async (request: Record<string, unknown>, headers: Record<string, string> = {}) =>
    (await me.call("POST", "/v1/jobs", request, headers)).json;

  test.each(["slowboat-deadline", "offpeak-deadline"])("%s goes before the envelope's deadline", async (name) => {
    expect((await sent({ body: chat }, { [name]: "4h" })).deadline).toBe(inHours(4));
    expect((await sent({ body: chat, deadline: "9h" }, { [name]: "4h" })).deadline).toBe(inHours(4));
    expect((await sent({ body: chat }, { [name]: "soon" })).error).toMatchObject({ code: "deadline_unreadable", param: name });
  });

  test("a deadline in the envelope's metadata counts, one in the body's counts and is not sent on", async () => {
    expect(await sent({ body: chat, metadata: { deadline: "3h", a: "b" } })).toMatchObject({
      deadline: inHours(3),
      metadata: { deadline: "3h", a: "b" },
    });
    const text = `{"endpoint":"/v1/chat/completions","body":{"model":"gpt-5-mini","metadata":{"deadline":"2h","n":"x"},"seed":9007199254740993,"messages":[{"role":"user","content":"x"}],"max_completion_tokens":5}}`;
    const { id, deadline } = (await me.call("POST", "/v1/jobs", text)).json;
    expect(deadline).toBe(inHours(2));
    const [row] = await intake.store.sql<{ body: string; bytes: number }[]>`select body, body_bytes as bytes from job where id = ${id}`;
    expect(row?.body).toBe(text.slice(text.indexOf('{"model"'), -1).replace('"deadline":"2h",', ""));
    expect(row?.bytes).toBe(row?.body.length);
    expect((await sent({ body: chat, deadline: "4h", metadata: { deadline: "3h" } })).deadline).toBe(inHours(4));
    expect((await sent({ body: { ...chat, metadata: { deadline: "06:00" } } })).error).toMatchObject({
      code: "deadline_unreadable",
      param: "body.metadata.deadline",
    });
  });

  test("lanes and cache in headers go before the envelope's", async () => {
    const headers = { "slowboat-allow": "openai, batch", "slowboat-deny": "anthropic-batch" };
    expect(await sent({ body: chat, deadline: "1d", allow: ["pool"], deny: ["openai"] }, headers)).toMatchObject({
      allow: ["openai", "openai-batch", "anthropic-batch"],
      deny: ["anthropic-batch"],
    });
    const reuses = async (cache: string | undefined, header: string | undefined): Promise<boolean> => {
      const body = { ...chat, temperature: 1 };
      const { id } = await sent(cache === undefined ? { body } : { body, cache }, header === undefined ? {} : { "slowboat-cache": header });
      return (await intake.store.sql<{ kept: boolean }[]>`select reuse_key is not null as kept from job where id = ${id}`)[0]?.kept ?? false;
    };
    expect(await Promise.all([reuses(undefined, "always"), reuses("off", "exact"), reuses("always", undefined), reuses("exact", "never")])).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  test("the words for the cache are the same everywhere, and so is the refusal of another word", async () => {
    const message = expect.stringContaining("'sometimes' is not a cache mode; known: auto, exact (or always), semantic, off (or never).") as string;
    expect((await sent({ body: chat, cache: "sometimes" })).error).toMatchObject({ param: "cache", message });
    expect((await sent({ body: chat }, { "slowboat-cache": "sometimes" })).error).toMatchObject({ param: "slowboat-cache", message });
    const batch = { input_file_id: "file-x", endpoint: "/v1/chat/completions", completion_window: "24h" };
    expect((await me.call("POST", "/v1/batches", { ...batch, metadata: { cache: "sometimes" } })).json.error).toMatchObject({
      param: "metadata.cache",
      message,
    });
    for (const cache of ["auto", "exact", "always", "off", "never"]) {
      expect((await sent({ body: chat, cache })).state).toBe("accepted");
      expect((await me.call("POST", "/v1/batches", { ...batch, metadata: { cache } })).status).toBe(200);
    }
  });

  test("metadata of any name is kept", async () => {
    const reply = await me.call("POST", "/v1/jobs", `{"body":${JSON.stringify(chat)},"metadata":{"__proto__":"kept"}}`);
    expect(reply.text).toContain('"metadata":{"__proto__":"kept"}');
  });
});

describe("Idempotency-Key", () => {
  test("the same body gets the same answer once more, another body is 409, and only one job exists", async () => {
    const headers = { "idempotency-key": "night-1" };
    const before = await count();
    const first = await me.call("POST", "/v1/jobs", { body: chat, deadline: "2h" }, headers);
    const again = await me.call("POST", "/v1/jobs", { body: chat, deadline: "2h" }, headers);
    expect(first.status, first.text).toBe(202);
    expect([again.status, again.text, again.headers.get("idempotent-replayed")]).toEqual([202, first.text, "true"]);
    const other = await me.call("POST", "/v1/jobs", { body: chat, deadline: "3h" }, headers);
    expect([other.status, other.json.error.code]).toEqual([409, "idempotency_mismatch"]);
    expect(await count()).toBe(before + 1);
    const stranger = await intake.newTenant("idem");
    expect((await stranger.call("POST", "/v1/jobs", { body: chat, deadline: "3h" }, headers)).status).toBe(202);
  });

  test("a job is answered again after its deadline has passed, and headers that change the request make it another one", async () => {
    const headers = { "idempotency-key": "kept" };
    const absolute = { body: chat, deadline: new Date(intake.clock.job() + 3_600_000).toISOString() };
    const first = await me.call("POST", "/v1/jobs", absolute, headers);
    intake.clock.advance(2 * 3_600_000);
    const again = await me.call("POST", "/v1/jobs", absolute, headers);
    expect([again.status, again.text, again.headers.get("idempotent-replayed")]).toEqual([202, first.text, "true"]);
    expect((await me.call("POST", "/v1/jobs", absolute)).json.error.code).toBe("deadline_past");
    for (const more of [
      { "slowboat-deadline": "4h" },
      { "offpeak-deadline": "4h" },
      { "slowboat-allow": "openai" },
      { "slowboat-deny": "pool" },
      { "slowboat-cache": "off" },
    ] as Record<string, string>[]) {
      expect((await me.call("POST", "/v1/jobs", absolute, { ...headers, ...more })).json.error?.code, JSON.stringify(more)).toBe(
        "idempotency_mismatch",
      );
    }
  });

  test("twenty at once make one job", async () => {
    const before = await count();
    const replies = await Promise.all(Array.from({ length: 20 }, () => me.call("POST", "/v1/jobs", { body: chat }, { "idempotency-key": "crowd" })));
    expect(new Set(replies.map((reply) => reply.text)).size).toBe(1);
    expect(await count()).toBe(before + 1);
  });

  test("after a day the key is free again", async () => {
    const headers = { "idempotency-key": "yesterday" };
    const first = await me.call("POST", "/v1/jobs", { body: chat }, headers);
    intake.clock.advance(24 * 3_600_000 + 1);
    const later = await me.call("POST", "/v1/jobs", { body: { ...chat, seed: 1 } }, headers);
    expect([first.status, later.status]).toEqual([202, 202]);
    expect(later.json.id).not.toBe(first.json.id);
  });
});

describe("who may see what", () => {
  test("without a key, with a wrong one and with a mistyped one it is 401", async () => {
    const typo = me.key.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    for (const [authorization, code] of [
      ["", "invalid_api_key"],
      [`Bearer ${"x".repeat(40)}`, "invalid_api_key"],
      [`Bearer ${typo}`, "invalid_api_key"],
    ] as const) {
      const response = await fetch(`${intake.url}/v1/jobs`, { headers: authorization === "" ? {} : { authorization } });
      expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([401, code]);
    }
    const anthropic = await fetch(`${intake.url}/v1/messages/batches`, { headers: { "x-api-key": "nope-nope-nope-nope" } });
    expect(await anthropic.json()).toMatchObject({
      type: "error",
      error: { type: "authentication_error" },
      request_id: anthropic.headers.get("request-id"),
    });
  });

  test("a key may come as x-api-key", async () => {
    expect((await fetch(`${intake.url}/v1/jobs`, { headers: { "x-api-key": me.key } })).status).toBe(200);
  });

  test("another tenant's job is 404 to read, to cancel and in no list", async () => {
    const { id } = (await me.call("POST", "/v1/jobs", { body: chat })).json;
    const stranger = await intake.newTenant("stranger");
    expect((await stranger.call("GET", `/v1/jobs/${id}`)).status).toBe(404);
    expect((await stranger.call("POST", `/v1/jobs/${id}/cancel`)).status).toBe(404);
    expect((await stranger.call("GET", "/v1/jobs")).json.data).toEqual([]);
    expect((await me.call("GET", `/v1/jobs/${id}`)).json.state).toBe("accepted");
  });

  test("ids that are no ids are 404, wrong methods 405 with what is allowed, unknown paths 404", async () => {
    for (const id of ["job_nope", "%00", "..%2f..", newId("job", 0, testRng())]) expect((await me.call("GET", `/v1/jobs/${id}`)).status).toBe(404);
    const wrong = await me.call("DELETE", "/v1/jobs");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST, GET"]);
    expect((await me.call("GET", "/v1/nothing")).status).toBe(404);
    expect((await fetch(`${intake.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${intake.url}/readyz`)).status).toBe(200);
    expect((await me.call("GET", "/v1/clock")).json).toMatchObject({ object: "clock", scale: 1, job_time_ms: intake.clock.job(), emulated: false });
    expect((await me.call("GET", "/v1/clock")).headers.get("x-request-id")).toMatch(/^req_/);
  });
});

describe("list and cancel", () => {
  test("pages newest first, without a gap or a repeat, and filters by state", async () => {
    const lister = await intake.newTenant("lister");
    const made: string[] = [];
    for (let i = 0; i < 5; i++) {
      intake.clock.advance(1);
      made.push((await lister.call("POST", "/v1/jobs", { body: chat })).json.id);
    }
    const seen: string[] = [];
    for (let after = ""; ; ) {
      const page = (await lister.call("GET", `/v1/jobs?limit=2${after === "" ? "" : `&after=${after}`}`)).json;
      seen.push(...page.data.map((job: { id: string }) => job.id));
      if (!page.has_more) break;
      after = page.last_id;
    }
    expect(seen).toEqual(made.toReversed());
    await lister.call("POST", `/v1/jobs/${made[0]}/cancel`);
    expect((await lister.call("GET", "/v1/jobs?state=cancelled")).json.data.map((job: { id: string }) => job.id)).toEqual([made[0]]);
    for (const query of ["limit=0", "limit=101", "after=x", "state=lost"]) expect((await lister.call("GET", `/v1/jobs?${query}`)).status).toBe(400);
  });

  test("a cancelled job is never due again, is announced once, and cancelling twice changes nothing", async () => {
    const { id } = (await me.call("POST", "/v1/jobs", { body: chat, callback_url: "https://hooks.example.com/x" })).json;
    for (let round = 0; round < 2; round++) expect((await me.call("POST", `/v1/jobs/${id}/cancel`)).json).toMatchObject({ id, state: "cancelled" });
    const [row] = await intake.store.sql`select state, next_decision_at_ms as due from job where id = ${id}`;
    expect(row).toEqual({ state: "cancelled", due: null });
    const events = await intake.store.sql<{ type: string }[]>`select type from webhook_event where subject_id = ${id}`;
    expect(events.map((event) => event.type)).toEqual(["job.cancelled"]);
  });

  test("a completed job cannot be cancelled", async () => {
    const { id } = (await me.call("POST", "/v1/jobs", { body: chat })).json;
    await intake.store.sql`update job set state = 'completed', next_decision_at_ms = null where id = ${id}`;
    const reply = await me.call("POST", `/v1/jobs/${id}/cancel`);
    expect([reply.status, reply.json.error.code]).toEqual([409, "wrong_state"]);
  });
});
