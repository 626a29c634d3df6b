import type { ServerResponse } from "node:http";
import { startEmulator } from "@slowboat/emulator";
import { seededRng } from "@slowboat/kernel";
import { afterEach, describe, expect, test } from "vitest";
import { type CallLane, createLanes, type LaneAnswer, type LaneRequest, type LaneStream } from "./index.ts";
import type { PaceSettings } from "./paces.ts";
import { json, type Script, scriptedServer } from "./testing/scripted-server.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const never = new AbortController().signal;
/** The provider's minute in machine ms, and a clock that makes it so. */
const MINUTE = 100;
const SCALE = 60_000 / MINUTE;
const FAST = { scale: SCALE, job: (): number => Date.now() * SCALE };
const DAILY = { scale: 1, job: (): number => Date.now() };
/** Where something must still be so a moment later, however busy the machine is. */
const SLOW = { scale: 2, job: (): number => Date.now() * 2 };
const chat = (n: number, over: Partial<LaneRequest> = {}): LaneRequest => ({
  attemptId: `att_${n}`,
  endpoint: "/v1/chat/completions",
  model: "m",
  body: `{"model":"${over.model ?? "m"}","n":${n},"messages":[]}`,
  ...over,
});
const message = (n: number): LaneRequest => chat(n, { endpoint: "/v1/messages" });
const ANSWER = '{"choices":[],"content":[]}';

async function served(script: Script, pace: Partial<Omit<PaceSettings, "clock">> = {}, clock: PaceSettings["clock"] = FAST) {
  const arrivals: number[] = [];
  const server = await scriptedServer((heard, res, req) => {
    arrivals.push(performance.now());
    script(heard, res, req);
  });
  open.push(server);
  const lanes = createLanes({
    openai: { apiKey: "key", baseURL: `${server.url}/v1` },
    anthropic: { apiKey: "key", baseURL: server.url },
    emulated: false,
    clock,
    pace: { rng: seededRng(1), ...pace },
  });
  const lane = (id: string): CallLane => {
    const found = lanes.get(id);
    if (found?.shape !== "call") throw new Error(`no call lane ${id}`);
    return found;
  };
  const order = (): number[] => server.heard.map((one) => (JSON.parse(one.body) as { n: number }).n);
  return { lanes, lane, arrivals, heard: server.heard, order, openai: lane("openai"), anthropic: lane("anthropic") };
}

const until = async (met: () => boolean): Promise<void> => {
  while (!met()) await new Promise((done) => setImmediate(done));
};
const limited = (limit: number, remaining: number): Record<string, string> => ({
  "x-ratelimit-limit-requests": String(limit),
  "x-ratelimit-remaining-requests": String(remaining),
  "x-ratelimit-reset-requests": "1s",
});
const error = (code: string, type = "server_error"): string => JSON.stringify({ error: { message: "no", type, param: null, code } });
const kinds = (answers: readonly LaneAnswer[]): string[] => answers.map((one) => (one.kind === "refused" ? one.code : one.kind));

describe("limits", () => {
  test("of the headers are kept in any window, in the order in which calls came, and no call is lost", async () => {
    const at = await served((_, res) => json(res, ANSWER, 200, limited(8, 8)));
    await at.openai.call(chat(0), never);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => at.openai.call(chat(n + 1), never)));
    expect(new Set(kinds(answers))).toEqual(new Set(["answered"]));
    // Calls let out together race for their sockets.
    expect(at.order().filter((n, place) => Math.abs(n - place) > 12)).toEqual([]);
    expect(new Set(at.order()).size).toBe(31);
    // 31 calls at 8 in any window take three windows and more.
    expect((at.arrivals.at(-1) ?? 0) - (at.arrivals[0] ?? 0)).toBeGreaterThanOrEqual(3 * MINUTE - 5);
  });

  test("that would make a call wait too long refuse it unsent, for later and with the wait", async () => {
    const at = await served((_, res) => json(res, ANSWER, 200, limited(1, 0)), { waitMsMax: 20 }, SLOW);
    await at.openai.call(chat(0), never);
    const held = await at.openai.call(chat(1), never);
    expect(held).toMatchObject({ kind: "refused", attemptId: "att_1", statusCode: 429, code: "paced", retry: "later", held: true, body: "" });
    // In job ms, as every wish of a provider's is.
    expect(held.kind === "refused" && held.retryAfterMs).toBeGreaterThan(20 * SLOW.scale);
    expect(await at.openai.stream(chat(2), never)).toMatchObject({ code: "paced" });
    expect(at.order()).toEqual([0]);
  });

  test("belong to a model of an account: another model and another provider go on, the flex tier shares them", async () => {
    const at = await served((_, res) => json(res, ANSWER, 200, limited(1, 0)), { waitMsMax: 0 }, SLOW);
    await at.openai.call(chat(0), never);
    expect(await at.lane("openai-flex").call(chat(1), never)).toMatchObject({ code: "paced" });
    expect(await at.openai.call(chat(2, { model: "other" }), never)).toMatchObject({ kind: "answered" });
    expect(await at.anthropic.call(message(3), never)).toMatchObject({ kind: "answered" });
    expect(at.openai.pace?.().models.get("m")?.waitMs).toBeGreaterThan(0);
  });

  test("Anthropic's input tokens leave out what its cache gave", async () => {
    const cached = '{"content":[],"usage":{"input_tokens":1,"cache_read_input_tokens":9000,"cache_creation_input_tokens":0,"output_tokens":1}}';
    const at = await served(
      (_, res) =>
        json(res, cached, 200, {
          "anthropic-ratelimit-input-tokens-limit": "10000",
          "anthropic-ratelimit-input-tokens-remaining": "10000",
          "anthropic-ratelimit-input-tokens-reset": new Date().toISOString(),
        }),
      { waitMsMax: 50 },
      DAILY,
    );
    const long = (n: number): LaneRequest => ({
      ...message(n),
      body: `{"model":"m","max_tokens":5,"messages":[],"n":${n},"x":"${"word ".repeat(6000)}"}`,
    });
    for (let n = 0; n < 6; n++) expect(await at.anthropic.call(long(n), never)).toMatchObject({ kind: "answered" });
  });

  test("headers that lie or are broken wedge nothing", async () => {
    const lies = [
      { "x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0" },
      { "x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "-7", "x-ratelimit-reset-requests": "9999999h" },
      { "x-ratelimit-limit-requests": "many", "anthropic-ratelimit-requests-limit": "1e400", "retry-after": "never" },
      { "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "9999-12-31T23:59:59Z" },
    ];
    const at = await served((_, res) => json(res, ANSWER, 200, lies.shift() ?? {}));
    for (let n = 0; n < 6; n++) expect(await at.openai.call(chat(n), never)).toMatchObject({ kind: "answered" });
  });

  test("a 429's wish holds everybody behind it, and the width is cut", async () => {
    const at = await served((heard, res) =>
      heard.body.includes('"n":0') ? json(res, error("rate_limit_exceeded", "requests"), 429, { "retry-after": "30" }) : json(res, ANSWER),
    );
    const before = performance.now();
    expect(await at.openai.call(chat(0), never)).toMatchObject({ kind: "refused", retry: "later", retryAfterMs: 30_000 });
    expect(at.openai.pace?.().models.get("m")).toMatchObject({ concurrency: 5, breaker: "closed" });
    await at.openai.call(chat(1), never);
    expect(performance.now() - before).toBeGreaterThanOrEqual(30_000 / SCALE);
  });

  test("flex without room slows nobody else down", async () => {
    const at = await served((heard, res) =>
      heard.body.includes("flex") ? json(res, error("x", "x"), 429, { "retry-after": "900" }) : json(res, ANSWER),
    );
    expect(await at.lane("openai-flex").call(chat(0), never)).toMatchObject({ code: "resource_unavailable" });
    expect(at.openai.pace?.().models.get("m")).toMatchObject({ concurrency: 256, waitMs: 0 });
    expect(await at.openai.call(chat(1), never)).toMatchObject({ kind: "answered" });
  });
});

describe("a place in flight", () => {
  const sse = (res: ServerResponse, ...events: string[]): void => {
    res.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of events) res.write(`data: ${event}\n\n`);
  };
  const DELTA = '{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}';
  const streaming = (n: number): LaneRequest => chat(n, { body: `{"model":"m","n":${n},"stream":true,"messages":[]}` });
  const asStream = (said: LaneStream | LaneAnswer): LaneStream => {
    if (said.kind !== "stream") throw new Error(`no stream but ${JSON.stringify(said)}`);
    return said;
  };
  /** One call at a time: streams begin and stay open, other calls are answered. */
  const single = async () => {
    const opened: ServerResponse[] = [];
    const at = await served(
      (heard, res) => {
        if (!heard.body.includes('"stream":true')) return json(res, ANSWER);
        opened.push(res);
        sse(res, DELTA);
      },
      { ceiling: 1, waitMsMax: 5_000 },
    );
    return { ...at, opened };
  };

  test("is held until a stream has ended, and then the next one has it", async () => {
    const at = await single();
    const stream = asStream(await at.openai.stream(streaming(0), never));
    const second = at.openai.call(chat(1), never);
    const events = stream.events[Symbol.asyncIterator]();
    await events.next();
    // A call that left after it has been answered: the second one would have arrived by now.
    await at.openai.call(chat(9, { model: "other" }), never);
    await at.openai.call(chat(9, { model: "other" }), never);
    expect(at.order()).toEqual([0, 9, 9]);
    expect(at.openai.pace?.().models.get("m")).toMatchObject({ inFlight: 1, concurrency: 1 });
    at.opened[0]?.end("data: [DONE]\n\n");
    while (!(await events.next()).done);
    expect(await second).toMatchObject({ kind: "answered" });
    expect(at.openai.pace?.().models.get("m")?.inFlight).toBe(0);
  });

  test.each([
    ["the provider cuts the stream", (res: ServerResponse) => void res.destroy()],
    ["the stream ends with an error", (res: ServerResponse) => void res.end(`data: ${error("server_is_overloaded")}\n\n`)],
    ["the stream ends cleanly and too early", (res: ServerResponse) => void res.end()],
  ])("is freed when %s", async (_, end) => {
    const at = await single();
    const stream = asStream(await at.openai.stream(streaming(0), never));
    end(at.opened[0] as ServerResponse);
    for await (const _event of stream.events);
    expect(await stream.final).toMatchObject({ kind: "unknown" });
    expect(await at.openai.call(chat(1), never)).toMatchObject({ kind: "answered" });
  });

  test("is freed when the reader leaves and the provider ends, and when the caller aborts", async () => {
    const at = await single();
    const left = asStream(await at.openai.stream(streaming(0), never));
    for await (const _event of left.events) break;
    at.opened[0]?.end();
    await left.final;
    const caller = new AbortController();
    const aborted = asStream(await at.openai.stream(streaming(1), caller.signal));
    caller.abort();
    expect(await aborted.final).toMatchObject({ kind: "unknown", code: "aborted" });
    expect(await at.openai.call(chat(2), never)).toMatchObject({ kind: "answered" });
    expect(at.openai.pace?.().models.get("m")).toMatchObject({ inFlight: 0, breaker: "closed" });
  });

  test("is not taken by a call that was given up while it waited: it is void and was never sent", async () => {
    const at = await single();
    const stream = asStream(await at.openai.stream(streaming(0), never));
    const caller = new AbortController();
    const waiting = at.openai.call(chat(1), caller.signal);
    const behind = at.openai.call(chat(2), never);
    caller.abort();
    expect(await waiting).toMatchObject({ kind: "void", code: "unsent" });
    at.opened[0]?.end("data: [DONE]\n\n");
    for await (const _event of stream.events);
    expect(await behind).toMatchObject({ kind: "answered" });
    expect(at.order()).toEqual([0, 2]);
  });

  test("that does not come free in time refuses the call unsent", async () => {
    const at = await served(() => {}, { ceiling: 1, waitMsMax: 30 });
    const caller = new AbortController();
    const first = at.openai.call(chat(0), caller.signal);
    await until(() => at.heard.length === 1);
    expect(await at.openai.call(chat(1), never)).toMatchObject({ kind: "refused", code: "paced", held: true });
    caller.abort();
    await first;
    expect(at.order()).toEqual([0]);
  });
});

describe("the breaker", () => {
  test("opens after failures in a row, sends nothing while it is open, and closes after one good probe", async () => {
    let well = false;
    const at = await served((_, res) => (well ? json(res, ANSWER) : json(res, "<html>bad gateway</html>", 502)), {}, SLOW);
    for (let n = 0; n < 5; n++) expect(await at.openai.call(chat(n), never)).toMatchObject({ statusCode: 502 });
    const held = await at.openai.call(chat(5), never);
    expect(held).toMatchObject({ kind: "refused", statusCode: 503, code: "circuit_open", retry: "later", held: true });
    expect(at.openai.pace?.().models.get("m")?.breaker).toBe("open");
    expect(at.heard).toHaveLength(5);
    well = true;
    const answers: LaneAnswer[] = [];
    while (answers.at(-1)?.kind !== "answered") {
      answers.push(await at.openai.call(chat(6), never));
      await new Promise((done) => setImmediate(done));
    }
    expect(new Set(kinds(answers))).toEqual(new Set(["circuit_open", "answered"]));
    expect(at.heard).toHaveLength(6);
    expect(at.openai.pace?.().models.get("m")?.breaker).toBe("closed");
  });

  test.each([
    ["529", (res: ServerResponse) => json(res, '{"type":"error","error":{"type":"overloaded_error","message":"x"}}', 529)],
    ["resets", (res: ServerResponse) => void res.destroy()],
  ])("counts %s", async (_, fail) => {
    const at = await served((__, res) => fail(res), {}, SLOW);
    for (let n = 0; n < 5; n++) await at.anthropic.call(message(n), never);
    expect(await at.anthropic.call(message(5), never)).toMatchObject({ code: "circuit_open" });
  });

  test("counts connections that are refused", async () => {
    const gone = await scriptedServer(() => {});
    await gone.close();
    const lane = createLanes({ openai: { apiKey: "k", baseURL: `${gone.url}/v1` }, emulated: false, clock: SLOW }).get("openai") as CallLane;
    for (let n = 0; n < 5; n++) expect(await lane.call(chat(n), never)).toMatchObject({ kind: "void", code: "unsent" });
    expect(await lane.call(chat(5), never)).toMatchObject({ code: "circuit_open" });
  });

  test("stays closed for requests that are wrong in themselves, rate limits and callers who give up", async () => {
    let n = 0;
    const at = await served((_, res) => {
      n++;
      if (n <= 20) return json(res, error("invalid_value", "invalid_request_error"), 400);
      if (n <= 30) return json(res, error("rate_limit_exceeded", "requests"), 429, { "retry-after-ms": "1" });
    });
    for (let i = 0; i < 30; i++) await at.openai.call(chat(i), never);
    for (let i = 0; i < 6; i++) {
      const caller = new AbortController();
      const call = at.openai.call(chat(i), caller.signal);
      await until(() => at.heard.length === 31 + i);
      caller.abort();
      expect(await call).toMatchObject({ kind: "unknown", code: "aborted" });
    }
    expect(at.openai.pace?.().models.get("m")).toMatchObject({ breaker: "closed", inFlight: 0 });
  });
});

describe("an account that refuses everything", () => {
  const anthropicError = (type: string, text = "no", details?: object): string =>
    JSON.stringify({ type: "error", error: { type, message: text, ...(details ? { details } : {}) } });
  test.each([
    ["openai", 429, error("insufficient_quota", "insufficient_quota")],
    ["openai", 429, error("billing_hard_limit_reached", "invalid_request_error")],
    ["openai", 400, error("billing_not_active", "invalid_request_error")],
    ["openai", 403, error("account_deactivated", "invalid_request_error")],
    ["openai", 403, error("access_terminated", "invalid_request_error")],
    ["openai", 401, error("invalid_api_key", "invalid_request_error")],
    ["openai", 404, "<html>nginx</html>"],
    ["anthropic", 401, anthropicError("authentication_error")],
    ["anthropic", 402, anthropicError("billing_error")],
    ["anthropic", 403, anthropicError("permission_error")],
    ["anthropic", 400, anthropicError("invalid_request_error", "Your credit balance is too low to access the API.")],
    ["anthropic", 400, anthropicError("invalid_request_error", "no", { error_code: "credit_balance_too_low" })],
    ["anthropic", 429, anthropicError("rate_limit_error", "cap", { error_code: "enforced_spend_limit_reached" })],
  ] as const)("%s %i %s is left alone on all of its lanes, until one call asks again", async (provider, status, body) => {
    const at = await served((_, res) => json(res, body, status), {}, DAILY);
    const lane = at[provider];
    const request = provider === "openai" ? chat : message;
    expect(await lane.call(request(0), never)).toMatchObject({ kind: "refused", retry: "park" });
    const held = { kind: "refused", code: "account_parked", statusCode: 503, retry: "park", held: true };
    expect(await lane.call({ ...request(1), model: "other" }, never)).toMatchObject(held);
    expect(lane.pace?.().parkedMs).toBeGreaterThan(40_000);
    expect(at.lanes.get(`${provider}-batch`)?.pace?.().parkedMs).toBeGreaterThan(40_000);
    expect(lane.pace?.().models.get("m")?.breaker).toBe("closed");
    expect(at.heard).toHaveLength(1);
    const other = provider === "openai" ? at.anthropic : at.openai;
    expect(other.pace?.().parkedMs).toBe(0);
  });

  test("told by its batch lane is left alone by its real-time lanes, too", async () => {
    const at = await served((_, res) => json(res, error("insufficient_quota", "insufficient_quota"), 429));
    const batch = at.lanes.get("openai-batch");
    if (batch?.shape !== "batch") throw new Error("no batch lane");
    await expect(batch.submit("dsp_1", [chat(0)], never)).rejects.toMatchObject({ retry: "park" });
    expect(await at.openai.call(chat(1), never)).toMatchObject({ code: "account_parked" });
  });

  test("is asked again by one call at a time, and serves everybody once that is answered", async () => {
    let well = false;
    const at = await served((_, res) => (well ? json(res, ANSWER) : json(res, error("insufficient_quota", "insufficient_quota"), 429)));
    await at.openai.call(chat(0), never);
    well = true;
    await until(() => at.openai.pace?.().parkedMs === 0);
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => at.openai.call(chat(n + 1), never)));
    expect(new Set(kinds(answers))).toEqual(new Set(["answered"]));
  });
});

describe("the emulator's limits, in a time that goes 120 times as fast", () => {
  const clock = { realAnchorMs: Date.now(), jobAnchorMs: Date.parse("2026-11-25T22:00:00Z"), scale: 120 };
  const job = (): number => clock.jobAnchorMs + (Date.now() - clock.realAnchorMs) * clock.scale;
  test.each(["openai", "anthropic"] as const)("%s: what it says in headers is kept, and nothing is refused", async (provider) => {
    const emulator = await startEmulator({ latency: "instant", clock, requestsPerMinute: 40, tokensPerMinute: 40_000 });
    open.push({ close: () => emulator.stop() });
    const lanes = createLanes({
      openai: { apiKey: "k", baseURL: `${emulator.url}/v1` },
      anthropic: { apiKey: "k", baseURL: emulator.url },
      emulated: true,
      clock: { scale: clock.scale, job },
      pace: { rng: seededRng(2) },
    });
    const lane = lanes.get(provider) as CallLane;
    const request = (n: number): LaneRequest =>
      provider === "openai"
        ? chat(n, { model: "gpt-5-mini", body: `{"model":"gpt-5-mini","max_completion_tokens":20,"messages":[{"role":"user","content":"${n}"}]}` })
        : chat(n, {
            model: "claude-haiku-4-5",
            endpoint: "/v1/messages",
            body: `{"model":"claude-haiku-4-5","max_tokens":20,"messages":[{"role":"user","content":"${n}"}]}`,
          });
    const started = performance.now();
    await lane.call(request(0), never);
    const answers = await Promise.all(Array.from({ length: 120 }, (_, n) => lane.call(request(n + 1), never)));
    expect(new Set(kinds(answers))).toEqual(new Set(["answered"]));
    // Three of its minutes at least; far less than if a minute were taken for one of ours.
    expect(performance.now() - started).toBeGreaterThan(1_480);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
