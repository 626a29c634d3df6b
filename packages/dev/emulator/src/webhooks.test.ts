import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import { batchLine, HOUR, MINUTE, makeBatch, started } from "./test-bed.ts";

interface Heard {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** A receiver that answers with `answers` one after the other, then 200, and hands out what it hears. */
async function receiver(...answers: number[]): Promise<{ url: string; heard: Heard[]; until(count: number): Promise<void> }> {
  const heard: Heard[] = [];
  let look = (): void => undefined;
  const server = createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    req.on("end", () => {
      heard.push({ headers: req.headers, body });
      const status = answers.shift() ?? 200;
      res.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
      look();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closing.push(
    () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  const until = (count: number): Promise<void> =>
    new Promise((done) => {
      look = () => {
        if (heard.length >= count) done();
      };
      look();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard, until };
}

const ALL = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"] as const;
const TEN_MINUTES = { batchTurnaroundMs: 10 * MINUTE };
const webhook = { match: { path: "webhook" } };

async function subscribed(...answers: number[]) {
  const bed = await started(TEN_MINUTES);
  const at = await receiver(...answers);
  const endpoint = await bed.openai.webhooks.create({ name: "soak", url: at.url, event_types: [...ALL] });
  const secret = endpoint.signing_secret;
  const client = new OpenAI({ apiKey: "any", webhookSecret: secret });
  const opened = (one: Heard | undefined, key = secret) => client.webhooks.unwrap(one?.body ?? "", one?.headers as Record<string, string>, key);
  return { ...bed, ...at, endpoint, secret, opened };
}

test("each ending of a batch is announced once to who asked for it, signed as the official client verifies it", async () => {
  const { openai, time, heard, until, opened } = await subscribed();
  const { batch: good } = await makeBatch(openai, [batchLine("a")]);
  const { batch: bad } = await makeBatch(openai, ["{nope"]);
  const { batch: called } = await makeBatch(openai, [batchLine("c")]);
  await openai.batches.cancel(called.id);
  time.nowMs += HOUR;
  await until(3);
  const events = await Promise.all(heard.map((one) => opened(one)));
  expect(events.map((event) => [event.type, (event.data as { id: string }).id]).sort()).toEqual(
    [
      ["batch.completed", good.id],
      ["batch.failed", bad.id],
      ["batch.cancelled", called.id],
    ].sort(),
  );
  expect(events[0]).toMatchObject({ object: "event", id: expect.stringMatching(/^evt_/), created_at: expect.any(Number) });
  expect(new Set(heard.map((one) => one.headers["webhook-id"])).size).toBe(3);
  expect(heard[0]?.headers["user-agent"]).toMatch(/^OpenAI\/1\.0/);
});

test("a receiver that fails, redirects or says nothing useful is told again under the same id, until it accepts", async () => {
  const { openai, time, heard, until, opened } = await subscribed(500, 302);
  await makeBatch(openai, [batchLine("a")]);
  time.nowMs += HOUR;
  await until(1);
  for (let tries = 2; tries <= 3; tries++) {
    expect(heard).toHaveLength(tries - 1);
    // The pause is job time: the clock is moved on until the next try has come.
    const moving = setInterval(() => {
      time.nowMs += MINUTE;
    }, 20);
    await until(tries);
    clearInterval(moving);
  }
  expect(new Set(heard.map((one) => one.headers["webhook-id"])).size).toBe(1);
  expect((await opened(heard[2])).type).toBe("batch.completed");
});

test("an announcement can come twice, and one can overtake another", async () => {
  const { openai, emulator, time, heard, until, opened } = await subscribed();
  emulator.addFaults({ ...webhook, webhook: { lateMs: 30 * MINUTE } }, { ...webhook, webhook: { copies: 2 } });
  const { batch: first } = await makeBatch(openai, [batchLine("a")]);
  time.nowMs += 11 * MINUTE;
  expect((await openai.batches.retrieve(first.id)).status).toBe("completed");
  // The first one's announcement is on its way before the second batch exists.
  await expect.poll(async () => ((await (await fetch(`${emulator.url}/emulator/faults`)).json()) as { fired: object }).fired).toEqual({ webhook: 1 });
  const { batch: second } = await makeBatch(openai, [batchLine("b")]);
  time.nowMs += 11 * MINUTE;
  await until(2);
  time.nowMs += 20 * MINUTE;
  await until(3);
  const told = (await Promise.all(heard.map((one) => opened(one)))).map((event) => (event.data as { id: string }).id);
  expect(told).toEqual([second.id, second.id, first.id]);
  expect(heard[0]?.headers["webhook-id"]).toBe(heard[1]?.headers["webhook-id"]);
});

test("a wrong signature and an old timestamp are refused by the official client, a wrong one before the right one is not", async () => {
  const { openai, emulator, time, heard, until, opened } = await subscribed();
  emulator.addFaults(
    { ...webhook, webhook: { signature: "wrong" } },
    { ...webhook, webhook: { oldByMs: 10 * MINUTE } },
    { ...webhook, webhook: { signature: "rotated" } },
  );
  for (let i = 1; i <= 3; i++) {
    await makeBatch(openai, [batchLine("a")]);
    time.nowMs += HOUR;
    await until(i);
  }
  await expect(opened(heard[0])).rejects.toThrow();
  await expect(opened(heard[1])).rejects.toThrow();
  expect((await opened(heard[2])).type).toBe("batch.completed");
  expect(String(heard[2]?.headers["webhook-signature"]).split(" ")).toHaveLength(2);
});

test("a rotated secret signs beside the old one for a day where asked, and endpoints are listed, changed and deleted", async () => {
  const { openai, endpoint, heard, until, opened, secret } = await subscribed();
  const rotated = await openai.webhooks.rotateSecret(endpoint.id, { keep_old_secret_active_for_24_hours: true });
  expect(rotated.signing_secret).not.toBe(secret);
  await openai.webhooks.test(endpoint.id, { event_type: "batch.completed" });
  await until(1);
  expect((await opened(heard[0], secret)).type).toBe("batch.completed");
  expect((await opened(heard[0], rotated.signing_secret)).type).toBe("batch.completed");
  const names: string[] = [];
  await openai.webhooks.update(endpoint.id, { name: "other" });
  for await (const one of openai.webhooks.list()) names.push(one.name);
  expect(names).toEqual(["other"]);
  expect(await openai.webhooks.retrieve(endpoint.id)).not.toHaveProperty("signing_secret");
  await openai.webhooks.delete(endpoint.id);
  await expect(openai.webhooks.retrieve(endpoint.id)).rejects.toMatchObject({ status: 404 });
});
