import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { newId } from "@slowboat/kernel";
import { createLogger, newWebhookSecret } from "@slowboat/runtime";
import { announceEvents } from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testRng, until } from "@slowboat/testkit";
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

test("what is told and kept of deliveries names no secret, no address with its path, no payload and nothing of a reply", async () => {
  const lines: string[] = [];
  const note = (...args: unknown[]): void =>
    void lines.push(JSON.stringify(args, (_name, value) => (value instanceof Error ? { message: value.message, cause: value.cause } : value)));
  const logger = { debug: note, info: note, warn: note, error: note };
  const looking = createDeliverer({ store: database.store, clock, rng, logger: logger as never, secret: SECRET, allow: [`127.0.0.1:${port}`] });
  const statuses = [500, 410, 200];
  reply = () => ({ status: statuses.shift() ?? 200 });
  const subjects = Array.from({ length: 3 }, () => newId("job", clock.job(), rng));
  for (const subject of subjects) await announce(`http://127.0.0.1:${port}/hook/t0ken-in-path?key=t0ken`, subject);
  await looking.deliverDue(signal);
  await looking.close();
  const kept = JSON.stringify(await database.store.sql`select * from webhook_delivery`);
  expect(lines.length).toBeGreaterThan(0);
  for (const text of [...lines, kept])
    for (const word of [plainSecret, plainSecret.slice("whsec_".length), SECRET, "t0ken", '\\"type\\":', "thanks"]) expect(text).not.toContain(word);
  expect(seen).toHaveLength(3);
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

test("an IPv6 address on the allow-list is dialled", async () => {
  const six = createServer((_req, res) => void res.writeHead(200).end());
  const listening = await new Promise<boolean>((resolve) => six.once("error", () => resolve(false)).listen(0, "::1", () => resolve(true)));
  // A machine without IPv6 refuses to listen; then the dial fails too, but not as a refusal of ours.
  const at = listening ? (six.address() as AddressInfo).port : 9;
  await deliverer.close();
  deliverer = make([`[::1]:${at}`]);
  const id = await announce(`http://[::1]:${at}/hook`);
  await deliverer.deliverDue(signal);
  const [row] = await database.store.sql<{ error: string | null }[]>`select error from webhook_delivery where event_id = ${id}`;
  if (listening) expect(row?.error).toBeNull();
  else expect(row?.error).not.toMatch(/not a public address/);
  six.closeAllConnections();
  await new Promise((resolve) => six.close(resolve));
});

test("a deliverer that died leaves its events to the next one", async () => {
  const id = await announce(`http://127.0.0.1:${port}/hook`);
  await database.store.sql`update webhook_event set next_try_real_ms = ${clock.real() + 60_000} where id = ${id}`;
  expect(await deliverer.deliverDue(signal)).toBe(0);
  clock.advance(60_001);
  expect(await deliverer.deliverDue(signal)).toBe(1);
});

/** A receiver on a port of its own that holds its replies until told. */
async function holdingServer(): Promise<{
  port: number;
  open: () => number;
  most: () => number;
  seen: string[];
  release: () => void;
  close: () => Promise<void>;
}> {
  const waiting: (() => void)[] = [];
  const ids: string[] = [];
  let most = 0;
  let held = true;
  const holding = createServer((req, res) => {
    ids.push(String(req.headers["webhook-id"]));
    req.resume();
    const answer = (): void => void res.writeHead(200).end();
    if (!held) return answer();
    waiting.push(answer);
    most = Math.max(most, waiting.length);
  });
  await new Promise<void>((resolve) => holding.listen(0, "127.0.0.1", resolve));
  return {
    port: (holding.address() as AddressInfo).port,
    open: () => waiting.length,
    most: () => most,
    seen: ids,
    release: () => {
      held = false;
      for (const answer of waiting.splice(0)) answer();
    },
    close: async () => {
      holding.closeAllConnections();
      await new Promise((resolve) => holding.close(resolve));
    },
  };
}

const countIn = async (state: string): Promise<number> => (await database.store.sql`select 1 from webhook_event where state = ${state}`).length;

test("a host that does not answer holds four deliveries at most, and the others' outcomes are written down meanwhile", async () => {
  const stuck = await holdingServer();
  await deliverer.close();
  deliverer = make([`127.0.0.1:${port}`, `127.0.0.1:${stuck.port}`]);
  for (let n = 0; n < 40; n++) await announce(`http://127.0.0.1:${stuck.port}/hook`);
  for (let n = 0; n < 20; n++) await announce(`http://127.0.0.1:${port}/hook`);
  const delivering = deliverer.deliverDue(signal);
  await until(async () => (await countIn("delivered")) === 20, "the other host's events are delivered");
  expect(stuck.most()).toBe(4);
  // One that comes while the first host is stuck does not wait for it.
  await announce(`http://127.0.0.1:${port}/late`);
  const late = deliverer.deliverDue(signal);
  await until(async () => (await countIn("delivered")) === 21, "the late event is delivered");
  expect(stuck.open()).toBe(4);
  stuck.release();
  await Promise.all([delivering, late]);
  expect(await countIn("delivered")).toBe(61);
  expect(new Set(stuck.seen).size).toBe(stuck.seen.length);
  await stuck.close();
});

test("no event is posted twice by calls that overlap, however long the posts take", async () => {
  const stuck = await holdingServer();
  await deliverer.close();
  deliverer = make([`127.0.0.1:${stuck.port}`]);
  for (let n = 0; n < 30; n++) await announce(`http://127.0.0.1:${stuck.port}/hook`);
  const first = deliverer.deliverDue(signal);
  await until(() => stuck.open() >= 4, "the first posts are under way");
  clock.advance(61_000);
  const second = deliverer.deliverDue(signal);
  await announce(`http://127.0.0.1:${stuck.port}/more`);
  stuck.release();
  await Promise.all([first, second]);
  await deliverer.deliverDue(signal);
  expect(stuck.seen).toHaveLength(31);
  expect(new Set(stuck.seen).size).toBe(31);
  await stuck.close();
});

test("an endpoint rests after ten failures in a row without a try being used up, and delivers all once it works again", async () => {
  reply = (req) => ({ status: req.url === "/bad" ? 500 : 200 });
  for (let n = 0; n < 40; n++) await announce(`http://127.0.0.1:${port}/bad`);
  await deliverer.deliverDue(signal);
  // Up to three more were under way when the tenth failed.
  expect(seen.length).toBeGreaterThanOrEqual(10);
  expect(seen.length).toBeLessThanOrEqual(13);
  const untried = async (): Promise<number> => (await database.store.sql`select 1 from webhook_event where tries = 0`).length;
  expect(await untried()).toBe(40 - seen.length);
  clock.advance(60_000);
  expect(await deliverer.deliverDue(signal)).toBe(0);
  // Broken still: one try, and it rests for longer.
  clock.advance(3_600_000);
  expect(await deliverer.deliverDue(signal)).toBe(1);
  reply = () => ({ status: 200 });
  for (let hour = 0; hour < 4; hour++) {
    clock.advance(3_600_000);
    await deliverer.deliverDue(signal);
  }
  expect(await countIn("delivered")).toBe(40);
  expect(await database.store.sql`select 1 from webhook_endpoint`).toHaveLength(0);
});

test("one tenant's broken endpoint rests for that tenant alone", async () => {
  reply = (req) => ({ status: req.url === "/bad" ? 500 : 200 });
  for (let n = 0; n < 12; n++) await announce(`http://127.0.0.1:${port}/bad`);
  await deliverer.deliverDue(signal);
  const other = await seedTenant(database.store);
  const { sealed } = newWebhookSecret(SECRET, other.keyId);
  await database.store.sql`update api_key set webhook_secret_sealed = ${sealed} where id = ${other.keyId}`;
  owner = other;
  const id = await announce(`http://127.0.0.1:${port}/good`);
  await deliverer.deliverDue(signal);
  expect((await event(id))?.state).toBe("delivered");
});

test("what waits for an endpoint that never works again ends dead", async () => {
  reply = () => ({ status: 500 });
  for (let n = 0; n < 60; n++) await announce(`http://127.0.0.1:${port}/bad`);
  for (let day = 0; day < 6; day++) {
    for (let hour = 0; hour < 24; hour++) {
      await deliverer.deliverDue(signal);
      clock.advance(3_600_000);
    }
  }
  expect(await countIn("dead")).toBe(60);
}, 60_000);
