import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { type Fault, isFault } from "@slowboat/kernel";
import { createLogger } from "@slowboat/runtime";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bodyBudget } from "../http/body-budget.ts";
import type { AppEnv } from "../http/env.ts";
import { errorReply } from "../http/errors.ts";
import { bodyChunks, wholeBody } from "./read-body.ts";

const IDLE_MS = 50;
let server: Server;
let seen: PromiseWithResolvers<Fault>;

beforeEach(async () => {
  seen = Promise.withResolvers();
  const logger = createLogger("body-test", "silent");
  const app = new Hono<AppEnv>();
  app.onError((thrown, c) => {
    if (isFault(thrown)) seen.resolve(thrown);
    else seen.reject(thrown);
    return errorReply(thrown, c, logger);
  });
  app.post("/whole", async (c) => {
    const share = bodyBudget().open();
    return c.json((await wholeBody(c.env.incoming, { maxBytes: 1e6, announced: 0, share, idleMs: IDLE_MS })).byteLength);
  });
  app.post("/pieces", async (c) => {
    let size = 0;
    for await (const chunk of bodyChunks(c.req.raw, IDLE_MS)) size += chunk.byteLength;
    return c.json(size);
  });
  server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Sends the head of a body of a hundred bytes and the first five of them. */
function begin(path: string): { socket: Socket; reply: Promise<string> } {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n12345`);
  return { socket, reply: new Promise((resolve) => socket.once("data", (data) => resolve(data.toString()))) };
}

describe.each(["/whole", "/pieces"])("a body read as %s", (path) => {
  test("that stops arriving is 408, and its connection is closed", async () => {
    const { socket, reply } = begin(path);
    const told = await reply;
    socket.destroy();
    expect(told).toMatch(/^HTTP\/1\.1 408 /);
    expect(told.toLowerCase()).toContain("connection: close");
    expect(await seen.promise).toMatchObject({ code: "body-timeout", retryable: true });
  });

  test("whose client leaves is the caller's fault, no error of ours", async () => {
    const { socket } = begin(path);
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.end();
    socket.destroy();
    expect(await seen.promise).toMatchObject({ status: 400 });
  });
});
