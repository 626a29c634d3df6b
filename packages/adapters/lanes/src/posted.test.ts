import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createGzip } from "node:zlib";
import { watchLeaks } from "@slowboat/testkit";
import { Agent } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { posted } from "./posted.ts";
import { replyOf, textOf } from "./reply.ts";

let agent: Agent;
let leaks: ReturnType<typeof watchLeaks>;
let seen: number;
/** What the server does with a request; it has read the body by then. */
let reply: (response: ServerResponse) => void;
const server = createServer((request, response) => {
  seen++;
  request.resume().on("end", () => reply(response));
});

beforeEach(async () => {
  leaks = watchLeaks();
  agent = new Agent({ connections: 1 });
  seen = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  await agent.destroy();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await leaks.check();
});

const post = (signal: AbortSignal = new AbortController().signal, onSent: () => void = () => undefined) =>
  posted(agent, { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, path: "/", method: "POST", body: "{}" }, { signal, onSent });

test("a body comes whole, its characters unbroken and without a mark of byte order", async () => {
  const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from("a 🛶 b")]);
  reply = (response) => {
    response.writeEarlyHints({ link: "</x>; rel=preload" });
    response.writeHead(200, { "x-a": "1" });
    response.write(bytes.subarray(0, 6));
    setTimeout(() => response.end(bytes.subarray(6)), 20);
  };
  const said = await post();
  expect(said).toMatchObject({ status: 200, headers: { "x-a": "1" } });
  expect(await said.body.text()).toBe("a 🛶 b");
});

/** Sends as much as the other end takes; says how much it took. */
function flood(bytes: number): () => number {
  const block = Buffer.alloc(64 * 1024, "x");
  let written = 0;
  reply = (response) => {
    const more = (): void => {
      while (written < bytes) {
        written += block.length;
        if (!response.write(block)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  };
  return () => written;
}
const standsStill = async (value: () => number): Promise<void> => {
  let last = -1;
  const same = (): boolean => {
    const before = last;
    last = value();
    return last === before;
  };
  await expect.poll(same, { interval: 100, timeout: 10_000 }).toBe(true);
};

test("a reader that is slow holds up the sender, and misses nothing", async () => {
  const written = flood(64 * 1024 * 1024);
  const { body } = await post();
  const parts = body[Symbol.asyncIterator]();
  let read = (await parts.next()).value?.length ?? 0;
  await standsStill(written);
  expect(written()).toBeLessThan(32 * 1024 * 1024);
  for (let part = await parts.next(); !part.done; part = await parts.next()) read += part.value.length;
  expect(read).toBe(64 * 1024 * 1024);
});

test("a body that waited for its reader comes whole", async () => {
  const written = flood(32 * 1024 * 1024);
  const { body } = await post();
  await standsStill(written);
  expect((await body.text()).length).toBe(32 * 1024 * 1024);
});

test("a reader that leaves early closes the connection", async () => {
  const closed = new Promise((done) => {
    reply = (response) => {
      response.on("close", done).write("first");
    };
  });
  const { body } = await post();
  for await (const part of body) {
    expect(String(part)).toBe("first");
    break;
  }
  await closed;
});

test("so does one of a packed body, however silent the sender is", async () => {
  const closed = new Promise((done) => {
    reply = (response) => {
      const packed = createGzip();
      packed.pipe(response.on("close", done).writeHead(200, { "content-encoding": "gzip" }));
      packed.write("first");
      packed.flush();
    };
  });
  for await (const part of textOf(replyOf(await post()))) {
    expect(part).toBe("first");
    break;
  }
  await closed;
});

test("a connection that breaks off is an error, however the body is read", async () => {
  reply = (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("part");
    setTimeout(() => response.destroy(), 20);
  };
  await expect((await post()).body.text()).rejects.toThrow();
  const { body } = await post();
  const read = async (): Promise<void> => {
    for await (const part of body) expect(String(part)).toBe("part");
  };
  await expect(read()).rejects.toThrow();
});

test("an abort is heard at once, and a request that had no socket is never written", async () => {
  reply = () => undefined;
  const [first, second] = [new AbortController(), new AbortController()];
  const sent: string[] = [];
  const hanging = post(first.signal, () => sent.push("first"));
  const waiting = post(second.signal, () => sent.push("second"));
  await expect.poll(() => seen).toBe(1);
  second.abort(new Error("left"));
  await expect(waiting).rejects.toThrow("left");
  first.abort(new Error("late"));
  await expect(hanging).rejects.toThrow("late");
  reply = (response) => void response.end("ok");
  expect(await (await post()).body.text()).toBe("ok");
  expect([seen, sent]).toEqual([2, ["first"]]);
  await expect(post(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
});

test("an abort while the body comes ends its reading", async () => {
  reply = (response) => void response.write("part");
  const controller = new AbortController();
  const { body } = await post(controller.signal);
  const text = body.text();
  controller.abort(new Error("timed out"));
  await expect(text).rejects.toThrow("timed out");
});
