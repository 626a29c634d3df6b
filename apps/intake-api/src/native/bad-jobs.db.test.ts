import { watchLeaks } from "@slowboat/testkit";
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

describe("bad input leaves nothing behind and says how to mend it", () => {
  const refused = async (request: unknown, status: number, error: Record<string, unknown>): Promise<void> => {
    const before = await count();
    const reply = await me.call("POST", "/v1/jobs", request);
    expect({ status: reply.status, error: reply.json?.error }).toMatchObject({ status, error });
    expect(await count()).toBe(before);
  };

  test("malformed JSON, an array, and a lone value are 400", async () => {
    await refused('{"body":', 400, { code: "invalid_json", type: "invalid_request_error" });
    await refused("[]", 400, { type: "invalid_request_error" });
    await refused("3", 400, { type: "invalid_request_error" });
  });

  test("JSON nested too deeply is 400 before it is parsed", async () => {
    await refused(`{"body":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 400, { code: "json_too_deep" });
  });

  test("a cache mode that is none is refused, a bare likeness among them: what may be wrong is said as an error, not as a distance", async () => {
    for (const cache of ["maybe", "0.5", "similar", ""])
      await refused({ body: chat, cache }, 400, {
        param: "cache",
        message: expect.stringContaining("known: auto, exact (or always), semantic, off (or never)"),
      });
    await refused({ body: chat, cache: 0.5 }, 400, { param: "cache" });
    await refused({ body: chat, cache_threshold: 0.5 }, 400, { message: expect.stringContaining("Unknown field 'cache_threshold'") });
  });

  test("an unknown field is named with the nearest known one", async () => {
    await refused({ body: chat, dedline: "4h" }, 400, { param: "dedline", message: "Unknown field 'dedline'. Did you mean 'deadline'?" });
  });

  test("a deadline that cannot be read, lacks a zone, has passed or lies too far ahead is 400", async () => {
    await refused({ body: chat, deadline: "soon" }, 400, { param: "deadline", code: "deadline_unreadable" });
    await refused({ body: chat, deadline: "06:00" }, 400, { code: "deadline_unreadable", message: expect.stringContaining("06:00 Europe/Berlin") });
    await refused({ body: chat, deadline: "06:00 Mars/Base" }, 400, { code: "deadline_unreadable" });
    await refused({ body: chat, deadline: "2020-01-01T00:00:00Z" }, 400, { code: "deadline_past" });
    await refused({ body: chat, deadline: "31d" }, 400, { code: "deadline_too_far" });
  });

  test("an unknown model is named with the nearest known; a tenant that allows unpriced models may use it", async () => {
    await refused({ body: { ...chat, model: "gpt-5-minni" } }, 404, {
      code: "model_not_found",
      param: "body.model",
      message: expect.stringContaining("'gpt-5-mini'"),
    });
    const open = await intake.newTenant("unpriced", { allowUnpriced: true });
    const reply = await open.call("POST", "/v1/jobs", { endpoint: "/v1/chat/completions", body: { ...chat, model: "brand-new" } });
    expect(reply.status, reply.text).toBe(202);
  });

  test("a model on an endpoint that it does not serve is 400", async () => {
    await refused({ endpoint: "/v1/embeddings", body: { model: "gpt-5-mini", input: "x" } }, 400, { param: "body.model" });
  });

  test.each([
    "not a url",
    "ftp://example.com/x",
    "http://example.com/x",
    "https://user:secret@example.com/x",
    "https://example.com:8443/x",
    "https://127.0.0.1/x",
    "https://0x7f.1/x",
    "https://2130706433/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://169.254.169.254/latest",
    "https://10.0.0.1/x",
    "https://localhost/x",
    "https://metadata.google.internal/x",
    "http://127.0.0.1:9998/x",
    "https://[::127.0.0.1]/x",
    "https://[::7f00:1]/x",
    "https://[::10.0.0.1]/x",
    "https://[64:ff9b::127.0.0.1]/x",
    "https://\uff11\uff12\uff17.0.0.1/x",
    "https://127\u30020\u30020\u30021/x",
    "https://%31%32%37.0.0.1/x",
    "https://%6cocalhost/x",
    "https://0177.0.0.1/x",
    "https://127.0.0.1./x",
    "https://localhost./x",
    "https://example..com/x",
    "https://example.com../x",
    "https://.example.com/x",
    "https://-.com/x",
    "https://-a.com/x",
    "https://a-.com/x",
    `https://${"a".repeat(64)}.com/x`,
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https://intranet/x",
    "https://printer.local/x",
    "https://db.internal./x",
    "https://hidden.onion/x",
    "https://nobody.invalid/x",
    "https://unit.test/x",
    "https://api.team.svc/x",
    "https://api.team.svc.cluster.local/x",
    "https://kubernetes.default/x",
    "https://10-0-0-1.team.pod/x",
    "https://1.0.0.127.in-addr.arpa/x",
  ])("the callback address %s is refused", async (callback_url) => {
    await refused({ body: chat, callback_url }, 400, { code: "callback_refused", param: "callback_url" });
  });

  test("a public callback, and a private one that is listed exactly, are taken", async () => {
    for (const callback_url of [
      "https://hooks.example.com/x?y=1",
      "http://127.0.0.1:9999/hook",
      "https://a_b.svc.example.com./x",
      "https://xn--mnchen-3ya.de/x",
    ]) {
      expect((await me.call("POST", "/v1/jobs", { body: chat, callback_url })).json.callback_url).toBe(callback_url);
    }
  });

  test("a lane set that cannot make the deadline is 409 and names the earliest that could be made", async () => {
    const before = await count();
    const reply = await me.call("POST", "/v1/jobs", { body: chat, deadline: "10m", allow: ["batch"] });
    expect({ status: reply.status, error: reply.json.error }).toMatchObject({ status: 409, error: { code: "deadline_infeasible" } });
    expect(Date.parse(reply.json.error.earliest_feasible_deadline)).toBeGreaterThan(intake.clock.job() + 10 * 60_000);
    expect(reply.headers.get("x-should-retry")).toBe("false");
    const later = await me.call("POST", "/v1/jobs", { body: chat, deadline: reply.json.error.earliest_feasible_deadline, allow: ["batch"] });
    expect(later.status, later.text).toBe(202);
    expect(await count()).toBe(before + 1);
  });

  test("lanes that are no lanes, leave nothing, or cost more than max_cost_usd are refused", async () => {
    await refused({ body: chat, allow: ["warp"] }, 400, { param: "allow" });
    await refused({ body: chat, allow: ["pool"] }, 400, { code: "lanes_empty" });
    await refused({ body: chat, max_cost_usd: "0.000000001" }, 400, { code: "over_max_cost" });
    await refused({ body: chat, max_cost_usd: -1 }, 400, { param: "max_cost_usd" });
  });

  test("a missing body, two bodies, a missing message list and a stream are 400", async () => {
    await refused({}, 400, { code: "missing_required_parameter", param: "body" });
    await refused({ body: chat, request: { body: chat } }, 400, { param: "body" });
    await refused({ endpoint: "/v1/chat/completions", body: { model: "gpt-5-mini" } }, 400, {
      param: "body.messages",
      code: "missing_required_parameter",
    });
    await refused({ body: { ...chat, stream: true } }, 400, { param: "body.stream" });
  });

  test("a body over the limit is 413 by its announced length, before any of it is read", async () => {
    const { connect } = await import("node:net");
    const { hostname, port } = new URL(intake.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${me.key}\r\ncontent-type: application/json\r\ncontent-length: 99000000\r\n\r\n`,
    );
    const head = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    socket.destroy();
    expect(head).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("a body over the limit that does not announce its length is 413 as soon as it passes the bound", async () => {
    const piece = new Uint8Array(1024 * 1024).fill(32);
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        if (sent++ > 64) controller.close();
        else controller.enqueue(piece);
      },
    });
    const reply = await fetch(`${intake.url}/v1/jobs`, {
      method: "POST",
      headers: { authorization: `Bearer ${me.key}` },
      body,
      duplex: "half",
    } as RequestInit).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      // The server closes while we still send; what counts is that it stopped reading.
      (error: unknown) => ({ status: 413, text: String(error) }),
    );
    expect(reply.status).toBe(413);
    expect(sent).toBeLessThan(64);
  });
});
