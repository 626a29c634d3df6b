import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { newId } from "@slowboat/kernel";
import { createLogger, newWebhookSecret } from "@slowboat/runtime";
import { announceEvents } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testRng } from "@slowboat/testkit";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createDeliverer, type Deliverer } from "./index.ts";

const SECRET = "ab".repeat(32);
const rng = testRng(3);
const { signal } = new AbortController();

interface Seen {
  readonly headers: Record<string, string>;
  readonly body: string;
}

let database: TestDatabase;
let clock: TestClock;
let server: Server;
let seen: Seen[];
let reply: (request: IncomingMessage) => { status: number; headers?: Record<string, string> };
let owner: { tenantId: string; keyId: string };
let plainSecret: string;
let deliverer: Deliverer;
let port: number;

beforeEach(async () => {
  database = await testDatabase();
  clock = testClock();
  owner = await seedTenant(database.store);
  const made = newWebhookSecret(SECRET, owner.keyId);
  plainSecret = made.plain;
  await database.store.sql`update api_key set webhook_secret_sealed = ${made.sealed} where id = ${owner.keyId}`;
  seen = [];
  reply = () => ({ status: 200 });
  server = createServer((req, res) => {
    let body = "";
    req.on("data", (chunk) => {
      body += String(chunk);
    });
    req.on("end", () => {
      seen.push({ headers: req.headers as Record<string, string>, body });
      const { status, headers } = reply(req);
      res.writeHead(status, headers).end("thanks");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  deliverer = make([`127.0.0.1:${port}`]);
});
afterEach(async () => {
  await deliverer.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await database.drop();
});

const make = (allow: string[]): Deliverer =>
  createDeliverer({ store: database.store, clock, rng, logger: createLogger("test", "silent"), secret: SECRET, allow });

async function announce(url: string, subjectId = newId("job", clock.job(), rng)): Promise<string> {
  const id = newId("event", clock.job(), rng);
  await announceEvents(
    database.store.sql,
    [{ id, ...owner, subjectId, url, type: "job.completed", payload: `{"type":"job.completed","data":{"id":"${subjectId}"}}` }],
    {
      nowMs: clock.job(),
      realMs: clock.real(),
    },
  );
  return id;
}

const event = async (id: string) =>
  (
    await database.store.sql<
      { state: string; tries: number; next: number | null }[]
    >`select state, tries, next_try_real_ms as next from webhook_event where id = ${id}`
  )[0];

test("a delivery verifies with the key's own secret, and is made once", async () => {
  const id = await announce(`http://127.0.0.1:${port}/hook`);
  expect(await deliverer.deliverDue(signal)).toBe(1);
  expect(await deliverer.deliverDue(signal)).toBe(0);
  const [one] = seen;
  expect(one?.headers["webhook-id"]).toBe(id);
  // The verifier holds the timestamp against its own clock, so it is given the test's.
  const verified = new Webhook(plainSecret).sign(id, new Date(clock.real()), one?.body ?? "");
  expect(one?.headers["webhook-signature"]).toBe(verified);
  expect((await event(id))?.state).toBe("delivered");
});

test("a failure is tried again on the schedule with the same id, and ends dead after the last try", async () => {
  reply = () => ({ status: 500 });
  const id = await announce(`http://127.0.0.1:${port}/hook`);
  for (let tries = 1; tries <= 10; tries++) {
    expect(await deliverer.deliverDue(signal)).toBe(1);
    clock.advance(30 * 3_600_000);
  }
  expect(await deliverer.deliverDue(signal)).toBe(0);
  expect(await event(id)).toMatchObject({ state: "dead", tries: 10 });
  expect(new Set(seen.map((one) => one.headers["webhook-id"])).size).toBe(1);
  const rows = await database.store.sql`select 1 from webhook_delivery where event_id = ${id} and status_code = 500`;
  expect(rows).toHaveLength(10);
});

test("410 Gone ends an event at once, and Retry-After puts the next try off", async () => {
  reply = (req) => (req.url === "/gone" ? { status: 410 } : { status: 429, headers: { "retry-after": "3600" } });
  const gone = await announce(`http://127.0.0.1:${port}/gone`);
  const busy = await announce(`http://127.0.0.1:${port}/busy`);
  await deliverer.deliverDue(signal);
  expect((await event(gone))?.state).toBe("dead");
  expect((await event(busy))?.next).toBeGreaterThanOrEqual(clock.real() + 3_600_000);
});

test("a redirect is a failure and is not followed", async () => {
  reply = () => ({ status: 302, headers: { location: `http://127.0.0.1:${port}/inside` } });
  const id = await announce(`http://127.0.0.1:${port}/hook`);
  await deliverer.deliverDue(signal);
  expect(seen).toHaveLength(1);
  expect((await event(id))?.state).toBe("pending");
});

test("no spelling of a private address is dialled", async () => {
  await deliverer.close();
  deliverer = make([]);
  const hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1", "0.0.0.0"];
  for (const host of hosts) await announce(`http://${host}:${port}/hook`);
  expect(await deliverer.deliverDue(signal)).toBe(hosts.length);
  expect(seen).toHaveLength(0);
  const errors = await database.store.sql<{ error: string }[]>`select error from webhook_delivery`;
  expect(errors.every((row) => /not a public address/.test(row.error))).toBe(true);
});

test("a deliverer that died leaves its events to the next one", async () => {
  const id = await announce(`http://127.0.0.1:${port}/hook`);
  await database.store.sql`update webhook_event set next_try_real_ms = ${clock.real() + 60_000} where id = ${id}`;
  expect(await deliverer.deliverDue(signal)).toBe(0);
  clock.advance(60_001);
  expect(await deliverer.deliverDue(signal)).toBe(1);
});
