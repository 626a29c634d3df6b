import { connect, type Socket } from "node:net";
import { until, watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";

const leaks = watchLeaks();
let intake: TestIntake;
beforeAll(async () => {
  intake = await startIntake();
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

/** Opens a connection, writes raw bytes, and resolves with what comes back first; the socket stays open. */
function raw(text: string): { socket: Socket; reply: Promise<string> } {
  const { hostname, port } = new URL(intake.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.write(text);
  return { socket, reply: new Promise((resolve) => socket.once("data", (data) => resolve(data.toString()))) };
}
const post = (length: number): string =>
  `POST /v1/jobs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${intake.tenant.key}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
const job = { body: { model: "gpt-5-mini", messages: [{ role: "user", content: "x" }], max_completion_tokens: 5 } };

describe("bodies in flight", () => {
  test("beyond the budget a large body is 503 with Retry-After before it is read; small ones and health go on, and room comes back", async () => {
    const large = 32 * 1024 * 1024;
    // Seven have room, whichever they are: one of eight is refused at once, and no other says anything.
    const open = Array.from({ length: 8 }, () => raw(post(large)));
    const told = await Promise.race(open.map(({ reply }) => reply));
    expect(told).toMatch(/^HTTP\/1\.1 503 /);
    expect(told.toLowerCase()).toMatch(/retry-after: 1\r\n/);
    expect(told.toLowerCase()).toMatch(/x-should-retry: true\r\n/);
    expect(told.toLowerCase()).toMatch(/connection: close\r\n/);
    expect(told).toContain('"code":"overloaded"');
    expect((await fetch(`${intake.url}/healthz`)).status).toBe(200);
    expect((await intake.tenant.call("POST", "/v1/jobs", job)).status).toBe(202);
    for (const { socket } of open) socket.destroy();
    await until(async () => {
      const body = `${" ".repeat(large - 2)}{}`;
      return (await intake.tenant.call("POST", "/v1/jobs", body)).status === 400;
    }, "there is room again");
  });
});

describe("a body that cannot be read", () => {
  test("coded in any way is 415 and says what is taken; identity is taken", async () => {
    for (const coding of ["gzip", "br", "gzip, identity", "GZIP"]) {
      const reply = await intake.tenant.call("POST", "/v1/jobs", job, { "content-encoding": coding });
      expect([coding, reply.status, reply.json.error.code, reply.headers.get("accept-encoding")]).toEqual([
        coding,
        415,
        "unsupported_encoding",
        "identity",
      ]);
    }
    expect((await intake.tenant.call("POST", "/v1/jobs", job, { "content-encoding": "identity" })).status).toBe(202);
  });

  test("with a byte order mark is no JSON, as in a line of a batch file", async () => {
    const reply = await intake.tenant.call("POST", "/v1/jobs", `\ufeff${JSON.stringify(job)}`);
    expect([reply.status, reply.json.error.code]).toEqual([400, "invalid_json"]);
  });

  test("a request without a Host, with one that is none, or that is no HTTP is 400 in JSON", async () => {
    for (const text of [
      "GET /v1/jobs HTTP/1.1\r\n\r\n",
      "GET /v1/jobs HTTP/1.1\r\nhost: a b\r\n\r\n",
      "GET /v1/jobs HTTP/1.1\r\nhost: x/y@z\r\n\r\n",
      "NONSENSE\r\n\r\n",
    ]) {
      const { socket, reply } = raw(text);
      const told = await reply;
      socket.destroy();
      expect(told, text).toMatch(/^HTTP\/1\.1 400 /);
      expect(JSON.parse(told.slice(told.indexOf("{"), told.lastIndexOf("}") + 1)).error, text).toMatchObject({ type: "invalid_request_error" });
    }
  });
});
