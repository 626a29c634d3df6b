import { newId } from "@slowboat/kernel";
import { systemRng } from "@slowboat/runtime";
import { keepReusable } from "@slowboat/store";
import { until, watchLeaks } from "@slowboat/testkit";
import OpenAI, { APIError, BadRequestError, InternalServerError, NotFoundError, RateLimitError } from "openai";
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

const MODEL = "gpt-5.4-mini";
const ask = (content: string, more: object = {}) => ({ model: MODEL, messages: [{ role: "user" as const, content }], ...more });

interface AttemptFacts {
  readonly state: string;
  readonly lane: string;
  readonly status_code: number | null;
  readonly answer: string | null;
  readonly error_code: string | null;
  readonly seq: number;
}
const attemptsOf = (jobId: string): Promise<AttemptFacts[]> =>
  api.store.sql<AttemptFacts[]>`select state, lane, status_code, answer, error_code, seq from attempt where job_id = ${jobId} order by seq` as never;
const jobState = async (jobId: string): Promise<string | undefined> =>
  (await api.store.sql<{ state: string }[]>`select state from job where id = ${jobId}`)[0]?.state;
const jobOf = (response: Response): string => response.headers.get("slowboat-job-id") ?? "";
const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}${path}`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${api.key}`, "content-type": "application/json", ...headers },
  });

describe("the openai SDK against the intake API", () => {
  test("a chat is answered, and its raw answer is committed before the reply", async () => {
    const { data, response } = await api.openai.chat.completions.create(ask("Say hello.")).withResponse();
    expect(data.choices[0]?.message.content).toBeTruthy();
    expect(response.headers.get("slowboat-lane")).toBe("openai");
    expect(response.headers.get("x-slowboat-emulated")).toContain("no money is spent");
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
    const [attempt] = await attemptsOf(jobOf(response));
    expect(attempt).toMatchObject({ state: "answered", lane: "openai", status_code: 200 });
    expect(JSON.parse(attempt?.answer ?? "{}").id).toBe(data.id);
  });

  test("a stream arrives in pieces, ends as the SDK expects, and its whole answer is committed", async () => {
    const { data, response } = await api.openai.chat.completions.create(ask("Tell me a story.", { stream: true as const })).withResponse();
    let text = "";
    let usage = 0;
    for await (const chunk of data as unknown as AsyncIterable<OpenAI.ChatCompletionChunk>) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage += chunk.usage ? 1 : 0;
    }
    expect(text.length).toBeGreaterThan(0);
    // Not asked for by the caller, so not shown; asked for by the house, so the answer holds it.
    expect(usage).toBe(0);
    const [attempt] = await attemptsOf(jobOf(response));
    expect(attempt?.state).toBe("answered");
    const kept = JSON.parse(attempt?.answer ?? "{}");
    expect(kept.choices[0].message.content).toBe(text);
    expect(kept.usage.completion_tokens).toBeGreaterThan(0);
    const final = await api.openai.chat.completions.stream(ask("And another one.")).finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe("stop");
  });

  test("embeddings in base64, the SDK's default, and in floats", async () => {
    const made = await api.openai.embeddings.create({ model: "text-embedding-3-small", input: ["one text", "another"] });
    expect(made.data).toHaveLength(2);
    expect(made.data[0]?.embedding).toHaveLength(1536);
    const floats = await api.openai.embeddings.create({
      model: "text-embedding-3-small",
      input: "one text",
      encoding_format: "float",
      dimensions: 8,
    });
    expect(floats.data[0]?.embedding).toHaveLength(8);
  });

  test("responses, plain and streamed", async () => {
    const made = await api.openai.responses.create({ model: MODEL, input: "Say hello." });
    expect(made.output_text.length).toBeGreaterThan(0);
    const final = await api.openai.responses.stream({ model: MODEL, input: "Say hello." }).finalResponse();
    expect(final.status).toBe("completed");
    await expect(api.openai.responses.create({ model: MODEL, input: "x", background: true })).rejects.toThrow(/\/v1\/jobs/);
  });

  test("every model of a provider that the list names can be run, snapshots too", async () => {
    const listed = (await api.openai.models.list()).data as (OpenAI.Model & { endpoints: string[] })[];
    const ids = listed.filter((model) => model.owned_by !== "slowboat");
    expect(ids.map((model) => model.id)).toEqual(expect.arrayContaining(["gpt-4o-mini-2024-07-18", "claude-haiku-4-5-20251001"]));
    const message = [{ role: "user", content: "x" }];
    const bodies: Record<string, object> = {
      "/v1/chat/completions": { messages: message },
      "/v1/responses": { input: "x" },
      "/v1/embeddings": { input: "x" },
      "/v1/messages": { messages: message, max_tokens: 5 },
    };
    for (const { id, endpoints } of ids)
      for (const endpoint of endpoints) {
        const reply = await post(endpoint, JSON.stringify({ model: id, ...bodies[endpoint] }), { "anthropic-version": "2023-06-01" });
        expect([id, endpoint, reply.status]).toEqual([id, endpoint, 200]);
        await reply.text();
      }
  });

  test("an unknown model is refused and the nearest known one is named", async () => {
    const refused = await api.openai.chat.completions.create({ ...ask("x"), model: "gpt-5.4-minni" }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(NotFoundError);
    expect((refused as APIError).code).toBe("model_not_found");
    expect((refused as APIError).message).toContain("gpt-5.4-mini");
    await expect(api.openai.chat.completions.create({ messages: [] } as never)).rejects.toMatchObject({
      status: 400,
      code: "missing_required_parameter",
    });
    await expect(api.openai.chat.completions.create({ ...ask("x"), model: "claude-haiku-4-5" })).rejects.toMatchObject({ status: 400 });
  });

  test("a deadline beyond ten minutes, an unreadable one and a past one are refused, a near one is kept", async () => {
    const within = (deadline: string) => api.openai.chat.completions.create(ask("x"), { headers: { "Slowboat-Deadline": deadline } });
    await expect(within("4h")).rejects.toThrow(/POST \/v1\/batches/);
    await expect(within("soon")).rejects.toMatchObject({ status: 400, code: "deadline_unreadable" });
    await expect(within("2020-01-01T00:00:00Z")).rejects.toMatchObject({ status: 400, code: "deadline_past" });
    await expect(api.openai.chat.completions.create(ask("x", { metadata: { deadline: "9h" } }))).rejects.toThrow(/10 minutes/);
    expect((await within("9m")).choices).toHaveLength(1);
  });

  test.each([
    ["/v1/chat/completions", { model: MODEL, messages: [{ role: "user", content: "x" }] }],
    ["/v1/responses", { model: MODEL, input: "x" }],
    ["/v1/embeddings", { model: "text-embedding-3-small", input: "x" }],
    ["/v1/messages", { model: "claude-haiku-4-5", max_tokens: 5, messages: [{ role: "user", content: "x" }] }],
  ])("Offpeak-Deadline is the deadline of %s", async (path, body) => {
    const send = (deadline: string) => post(path, JSON.stringify(body), { "offpeak-deadline": deadline, "anthropic-version": "2023-06-01" });
    const sentAtMs = Date.now();
    const kept = await send("9m");
    expect(kept.status, await kept.text()).toBe(200);
    const [row] = await api.store.sql<{ deadline: number }[]>`select deadline_at_ms as deadline from job where id = ${jobOf(kept)}`;
    expect((row?.deadline ?? 0) - sentAtMs - 9 * 60_000).toBeGreaterThanOrEqual(0);
    expect((row?.deadline ?? 0) - sentAtMs - 9 * 60_000).toBeLessThan(20_000);
    for (const deadline of ["soon", "4h", "2020-01-01T00:00:00Z"]) expect((await send(deadline)).status).toBe(400);
  });

  test("service_tier batch is sent elsewhere; flex falls back to real time when it has no room", async () => {
    await expect(api.openai.chat.completions.create(ask("x", { service_tier: "batch" }))).rejects.toThrow(/POST \/v1\/jobs/);
    const { data, response } = await api.openai.chat.completions.create(ask("x", { service_tier: "flex" })).withResponse();
    expect(response.headers.get("slowboat-lane")).toBe("openai-flex");
    expect(data.service_tier).toBe("flex");
    api.emulator.addFaults({ preset: "flex-unavailable", match: { serviceTier: "flex" } });
    const second = await api.openai.chat.completions.create(ask("y", { service_tier: "flex" })).withResponse();
    expect(second.response.headers.get("slowboat-lane")).toBe("openai");
    expect((await attemptsOf(jobOf(second.response))).map((a) => [a.lane, a.state])).toEqual([
      ["openai-flex", "void"],
      ["openai", "answered"],
    ]);
  });

  test("a refusal that may pass is tried again; one that lasts is the caller's answer with the provider's status", async () => {
    api.emulator.addFaults({ preset: "rate-limit", times: 1 });
    const { response } = await api.openai.chat.completions.create(ask("again")).withResponse();
    expect((await attemptsOf(jobOf(response))).map((a) => a.state)).toEqual(["void", "answered"]);
    api.emulator.addFaults({
      status: 429,
      body: { error: { message: "Rate limit reached. Please try again in 5ms.", type: "tokens", param: null, code: "rate_limit_exceeded" } },
      times: 3,
    });
    const refused = await api.openai.chat.completions.create(ask("never")).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RateLimitError);
    expect((refused as APIError).code).toBe("rate_limit_exceeded");
    const failed = (refused as APIError).headers?.get("slowboat-job-id") ?? "";
    expect((await attemptsOf(failed)).map((a) => a.state)).toEqual(["void", "void", "void"]);
    expect(await jobState(failed)).toBe("failed");
  });

  test("a final 4xx of the provider is passed on word for word and is the attempt's answer", async () => {
    api.emulator.addFaults({
      status: 400,
      body: {
        error: {
          message: "Unsupported value: 'messages[0].role'.",
          type: "invalid_request_error",
          param: "messages[0].role",
          code: "unsupported_value",
        },
      },
    });
    const refused = (await api.openai.chat.completions.create(ask("z")).catch((error: unknown) => error)) as APIError;
    expect(refused).toBeInstanceOf(BadRequestError);
    expect(refused).toMatchObject({ code: "unsupported_value", param: "messages[0].role" });
    const [attempt] = await attemptsOf(refused.headers?.get("slowboat-job-id") ?? "");
    expect(attempt).toMatchObject({ state: "answered", status_code: 400 });
  });

  test("a reply that was lost after the work was done is in suspense, and is not sent twice", async () => {
    const before = (await api.emulator.invoice()).lines.length;
    api.emulator.addFaults({ drop: "after-commit" });
    const lost = (await api.openai.chat.completions.create(ask("lost")).catch((error: unknown) => error)) as APIError;
    expect(lost).toBeInstanceOf(InternalServerError);
    expect(lost.headers?.get("x-should-retry")).toBe("false");
    const jobId = lost.headers?.get("slowboat-job-id") ?? "";
    expect((await attemptsOf(jobId)).map((a) => a.state)).toEqual(["unknown"]);
    expect(await jobState(jobId)).toBe("failed");
    expect((await api.emulator.invoice()).lines.length).toBe(before + 1);
  });

  test("an upstream that answers with a proxy's page is tried again, then told as 502", async () => {
    api.emulator.addFaults({ preset: "html-502", times: 3 });
    await expect(api.openai.chat.completions.create(ask("html"))).rejects.toMatchObject({ status: 502, code: "provider_failed" });
  });
});

describe("a stream that breaks off upstream", () => {
  for (const end of ["eof", "reset", "half-line", "error"] as const) {
    test(`${end}: the caller gets an error event and never [DONE]`, async () => {
      api.emulator.addFaults({ stream: { afterEvents: 3, end } });
      const response = await post("/v1/chat/completions", JSON.stringify(ask("cut me off", { stream: true })));
      // A reset may overtake the first events: then nothing was begun, and the refusal is an ordinary one.
      expect([200, end === "reset" ? 502 : 200]).toContain(response.status);
      const text = await response.text();
      expect(text).toMatch(/\{"error":\{/);
      expect(text).not.toContain("[DONE]");
      expect((await attemptsOf(jobOf(response))).map((a) => a.state)).toEqual(["unknown"]);
      expect(await jobState(jobOf(response))).toBe("failed");
      api.emulator.addFaults({ stream: { afterEvents: 3, end } });
      await expect(
        (async () => {
          const stream = await api.openai.chat.completions.create(ask("cut me off", { stream: true as const }));
          for await (const _ of stream as unknown as AsyncIterable<unknown>);
        })(),
      ).rejects.toBeInstanceOf(APIError);
    });
  }
});

describe("payloads and answers keep every byte", () => {
  test("\\u0000, lone surrogates and big integers reach the provider and come back as they were", async () => {
    const body = `{"model":"${MODEL}", "seed": 9007199254740993 ,"messages":[{"role":"user","content":"a\\u0000b \\ud800 \u00fc"}],"x_unknown":{"b":1,"a":2}}`;
    const response = await post("/v1/chat/completions", body, { "slowboat-cache": "never" });
    expect(response.status).toBe(200);
    const [row] = await api.store.sql<{ body: string }[]>`select body from job where id = ${jobOf(response)}`;
    expect(row?.body).toBe(body);
    const raw =
      '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"\\u0000 \\ud800","refusal":null},"finish_reason":"stop","logprobs":null}],"big":9007199254740993,"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';
    api.emulator.addFaults({ status: 200, body: raw, headers: { "content-type": "application/json" } });
    const echoed = await post("/v1/chat/completions", body, { "slowboat-cache": "never" });
    expect(await echoed.text()).toBe(raw);
    const [attempt] = await attemptsOf(jobOf(echoed));
    expect(attempt?.answer).toBe(raw);
  });

  test("bad bodies are refused in the API's shape", async () => {
    const problem = async (body: string | Uint8Array): Promise<[number, string]> => {
      const response = await fetch(`${api.url}/v1/chat/completions`, {
        method: "POST",
        body: body as string,
        headers: { authorization: `Bearer ${api.key}` },
      });
      return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
    };
    expect(await problem("{")).toEqual([400, "invalid_json"]);
    expect(await problem("[]")).toEqual([400, null as never]);
    expect(await problem(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]))).toEqual([400, "invalid_json"]);
    expect(await problem(`{"model":"${MODEL}","messages":${"[".repeat(100)}${"]".repeat(100)}}`)).toEqual([400, "json_too_deep"]);
    expect(await problem(`{"model":"${MODEL}","x":"${"y".repeat(33 * 1024 * 1024)}"}`)).toEqual([413, "body_too_large"]);
  });

  test("metadata.deadline is read here and does not travel on", async () => {
    const response = await post(
      "/v1/chat/completions",
      `{"model":"${MODEL}","metadata":{"deadline":"5m","k":"v"},"messages":[{"role":"user","content":"x"}]}`,
    );
    expect(response.status).toBe(200);
    const [row] = await api.store.sql<
      { body: string; deadline: number }[]
    >`select body, deadline_at_ms as deadline from job where id = ${jobOf(response)}`;
    expect(row?.body).toBe(`{"model":"${MODEL}","metadata":{"k":"v"},"messages":[{"role":"user","content":"x"}]}`);
    expect(row?.deadline).toBeGreaterThan(Date.now());
  });
});

describe("exact reuse", () => {
  test("a kept answer is given again with its source named, and costs the provider nothing", async () => {
    const body = ask("What is kept?", { temperature: 0 });
    const first = await api.openai.chat.completions.create(body).withResponse();
    const source = jobOf(first.response);
    const [row] = await api.store.sql<
      { attempt: string; key: Uint8Array }[]
    >`select attempt_id as attempt, reuse_key as key from job where id = ${source}`;
    await keepReusable(
      api.store.sql,
      [
        {
          tenantId: api.tenantId,
          reuseKey: row?.key ?? new Uint8Array(),
          jobId: source,
          attemptId: row?.attempt ?? "",
          expiresAtMs: Date.now() + 60_000,
        },
      ],
      Date.now(),
    );
    const charges = (await api.emulator.invoice()).lines.length;
    const second = await api.openai.chat.completions.create(body).withResponse();
    expect(second.response.headers.get("slowboat-cache")).toBe(`hit; job=${source}`);
    expect(second.response.headers.get("slowboat-lane")).toBe("cache");
    expect(second.data.choices[0]?.message.content).toBe(first.data.choices[0]?.message.content);
    expect((await api.emulator.invoice()).lines.length).toBe(charges);
    expect((await attemptsOf(jobOf(second.response)))[0]).toMatchObject({ state: "answered", lane: "cache" });
    const fresh = await api.openai.chat.completions.create(body, { headers: { "Slowboat-Cache": "never" } }).withResponse();
    expect(fresh.response.headers.get("slowboat-lane")).toBe("openai");
    const other = await api.newTenant(`other-${newId("request", Date.now(), systemRng())}`);
    const theirs = await new OpenAI({ apiKey: other.key, baseURL: `${api.url}/v1`, maxRetries: 0 }).chat.completions.create(body).withResponse();
    expect(theirs.response.headers.get("slowboat-cache")).toBeNull();
  });
});

describe("a caller who hangs up", () => {
  test("does not stop what is being paid for: the answer is saved", async () => {
    api.emulator.addFaults({ delayMs: 150 });
    const gone = new AbortController();
    const call = api.openai.chat.completions.create(ask("hang up"), { signal: gone.signal });
    await until(async () => (await api.store.sql`select 1 from attempt where state = 'sending'`).length === 1, "the attempt is being sent");
    gone.abort();
    await expect(call).rejects.toThrow();
    await until(() => api.interactive.inFlight() === 0, "the call has ended");
    await until(async () => (await api.store.sql`select 1 from attempt where state = 'sending'`).length === 0, "the answer is saved");
    const [last] = await api.store.sql<{ state: string }[]>`select state from attempt order by created_at_ms desc limit 1`;
    expect(last?.state).toBe("answered");
  });
});
