import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until, watchLeaks } from "@slowboat/testkit";
import postgres from "postgres";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { type EmbeddedPostgres, openStore, type Sql, startEmbeddedPostgres } from "./index.ts";

let dir: string;
let leaks: ReturnType<typeof watchLeaks>;
const running: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];
beforeEach(() => {
  leaks = watchLeaks();
  dir = mkdtempSync(join(tmpdir(), "slowboat-embedded-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await until(() => serversIn(dir).length === 0, "no server left in the folder");
  rmSync(dir, { recursive: true, force: true });
  await leaks.check();
});

// Not durable but where it is said: syncing folders takes seconds.
const start = async (port = 0, durable = false): Promise<EmbeddedPostgres> => {
  const made = await startEmbeddedPostgres({ dir, port, durable });
  running.push(made);
  return made;
};
/** Starts a server in a process of its own; answers its address and the server's process number. */
async function startInChild(): Promise<{ child: ChildProcess; url: string; pid: number }> {
  const child = fork(new URL("./embedded-child.fixture.ts", import.meta.url), [dir], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  children.push(child);
  const said = await new Promise<{ url: string; pid: number }>((resolve) =>
    child.once("message", (message) => resolve(message as { url: string; pid: number })),
  );
  return { child, ...said };
}
const kill = async (child: ChildProcess): Promise<void> => {
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await gone;
};
const near = async <T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> => {
  const store = openStore(url, { max: 1 });
  return await work(store.sql).finally(() => store.close());
};
async function query<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  return await work(sql).finally(() => sql.end({ timeout: 1 }));
}
const serversIn = (folder: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === join(realpathSync(folder), "data");
    } catch {
      return false;
    }
  });
const occupy = (port: number): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer().listen(port, "127.0.0.1", () => resolve(server));
  });
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("the server takes only the password, which lies closed in a closed folder, and loses nothing", async () => {
  const server = await start(0, true);
  expect(
    await query(server.url, (sql) => sql`select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`),
  ).toMatchObject([{ fsync: "on", commit: "on" }]);
  expect(await query(server.url, async (sql) => (await sql`select current_database() as name`)[0]?.["name"])).toBe("slowboat");
  const url = new URL(server.url);
  url.password = "wrong";
  await expect(query(url.href, (sql) => sql`select 1`)).rejects.toThrow("password authentication failed");
  expect([mode(dir), mode(join(dir, "password")), mode(join(dir, "data"))]).toEqual(["700", "600", "700"]);
  expect(readFileSync(join(dir, "data", "pg_hba.conf"), "utf8")).not.toMatch(/^[^#]*\btrust\b/m);
});

test("rows are there after a stop and a start, and a stop may come twice", async () => {
  const first = await start();
  await query(first.url, async (sql) => await sql`create table kept as select 1 as n`);
  await Promise.all([first.stop(), first.stop()]);
  const second = await start();
  expect(await query(second.url, (sql) => sql`select n from kept`)).toMatchObject([{ n: 1 }]);
});

test("the same database is reached by the socket file in its folder, and no other way without the password", async () => {
  const server = await start();
  expect(server.socketUrl).toContain(`127.0.0.1:${server.port}/slowboat?host=`);
  const address = (sql: Sql): Promise<unknown> => sql`select inet_server_addr() as address, current_database() as name`.then((rows) => [...rows]);
  expect(await near(server.socketUrl, address)).toEqual([{ address: null, name: "slowboat" }]);
  expect(mode(join(dir, `.s.PGSQL.${server.port}`))).toBe("700");
  const wrong = new URL(server.socketUrl);
  wrong.password = "wrong";
  await expect(near(wrong.href, address)).rejects.toThrow("password authentication failed");
});

test("where the folder can have no socket, there is TCP alone", async () => {
  const first = await start();
  await first.stop();
  // Postgres removes a socket that lies there, but not a folder.
  mkdirSync(join(dir, `.s.PGSQL.${first.port}`, "x"), { recursive: true });
  const server = await start(first.port);
  expect([server.port, server.socketUrl]).toEqual([first.port, server.url]);
  expect(await query(server.url, (sql) => sql`select 1 as n`)).toMatchObject([{ n: 1 }]);
});

test("where the socket's path would be too long, there is TCP alone", async () => {
  const above = dir;
  onTestFinished(() => rmSync(above, { recursive: true, force: true }));
  dir = join(above, "x".repeat(90));
  const server = await start();
  expect(server.socketUrl).toBe(server.url);
  expect(await query(server.url, (sql) => sql`select 1 as n`)).toMatchObject([{ n: 1 }]);
});

test("a stop does not wait for clients", async () => {
  const server = await start();
  const client = postgres(server.url, { max: 1, onnotice: () => undefined });
  const asleep = client`select pg_sleep(60)`.catch((error: Error) => error.message);
  await until(
    () =>
      query(
        server.url,
        async (sql) => (await sql`select 1 from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()`).length > 0,
      ),
    "the sleeper asleep",
  );
  await server.stop();
  expect(await asleep).toMatch(/terminating connection|CONNECTION/);
  await client.end({ timeout: 1 });
});

test("a busy port is passed over for the next free one, which is told", async () => {
  const blocked = await occupy(0);
  const port = (blocked.address() as { port: number }).port;
  const server = await start(port);
  expect(server.port).toBeGreaterThan(port);
  expect(new URL(server.url).port).toBe(String(server.port));
  await new Promise((resolve) => blocked.close(resolve));
});

test("a second Slowboat on the same folder is refused by name, and the first goes on", async () => {
  const server = await start();
  await expect(startEmbeddedPostgres({ dir, port: 0 })).rejects.toThrow(`Another Slowboat (process ${process.pid}) already runs in ${dir}`);
  const other = await startInChildRefused();
  expect(other).toContain("Another Slowboat");
  expect(await query(server.url, (sql) => sql`select 1 as n`)).toMatchObject([{ n: 1 }]);
});

async function startInChildRefused(): Promise<string> {
  const child = fork(new URL("./embedded-child.fixture.ts", import.meta.url), [dir], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return text;
}

test("kill -9 of whoever started the server ends the server, and the next start finds every row", async () => {
  const { child, url, pid } = await startInChild();
  await query(url, async (sql) => await sql`create table kept as select generate_series(1, 1000) as n`);
  await kill(child);
  const next = await start(); // waits for the old server, whatever it is still doing
  expect(next.pid).not.toBe(pid);
  expect(await query(next.url, (sql) => sql`select count(*)::int as n from kept`)).toMatchObject([{ n: 1000 }]);
});

test("kill -9 of the server itself is told, and the next start is on the same port with all that was committed", async () => {
  const first = await start(0, true);
  const clients = postgres(first.url, { max: 4, onnotice: () => undefined });
  await clients`create table kept as select generate_series(1, 1000) as n`;
  const busy = Array.from({ length: 4 }, () => clients`select pg_sleep(60)`.catch(() => "lost"));
  process.kill(first.pid, "SIGKILL");
  expect((await first.exited).log).toContain("ready to accept connections");
  const next = await start(first.port, true);
  expect(next.port).toBe(first.port);
  expect(await query(next.url, (sql) => sql`select count(*)::int as n from kept`)).toMatchObject([{ n: 1000 }]);
  expect(await Promise.all(busy)).toEqual(["lost", "lost", "lost", "lost"]);
  await clients.end({ timeout: 1 });
});

test("a left pid file whose number another process has now does not stop a start", async () => {
  const first = await start();
  await first.stop();
  writeFileSync(join(dir, "data", "postmaster.pid"), `${process.pid}\n${dir}/data\n0\n5432\n\n\n0 0\nready\n`);
  writeFileSync(join(dir, `.s.PGSQL.${first.port}.lock`), `${process.pid}\n${dir}/data\n0\n5432\n${dir}\n`);
  writeFileSync(join(dir, "owner"), `${process.pid} 1`); // our number, but born at another time
  const next = await start(first.port);
  expect(next.pid).toBeGreaterThan(0);
  expect([next.port, next.socketUrl === next.url]).toEqual([first.port, false]);
});

test("a first start that was killed half-way is made anew", async () => {
  const half = join(dir, "data.new");
  const first = await start();
  await first.stop();
  rmSync(join(dir, "data"), { recursive: true });
  writeFileSync(half, "left by a killed start");
  const next = await start();
  expect(await query(next.url, (sql) => sql`select 1 as n`)).toMatchObject([{ n: 1 }]);
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("not root: how root starts the server as nobody was not tested");
test.runIf(isRoot)("where root may not make a user namespace, the server runs as nobody", async () => {
  const bin = mkdtempSync(join(tmpdir(), "slowboat-bin-"));
  writeFileSync(join(bin, "unshare"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const path = process.env["PATH"];
  process.env["PATH"] = `${bin}:${path}`;
  try {
    const server = await start();
    expect(server.how).toBe("nobody");
    expect(statSync(`/proc/${server.pid}`).uid).toBe(65_534);
    expect(await query(server.url, (sql) => sql`select 1 as n`)).toMatchObject([{ n: 1 }]);
    await server.stop();
    const closed = mkdtempSync(join(tmpdir(), "slowboat-closed-")); // 0700 of root: nobody cannot pass
    await expect(startEmbeddedPostgres({ dir: join(closed, "data"), port: 0 })).rejects.toThrow("cannot reach");
    rmSync(closed, { recursive: true });
  } finally {
    process.env["PATH"] = path;
    rmSync(bin, { recursive: true });
  }
});

test("root never runs the server as root", async () => {
  const server = await start();
  const line = readFileSync(join(dir, "data", "postmaster.opts"), "utf8");
  expect(line).toContain("listen_addresses=127.0.0.1");
  expect(server.how === "direct").toBe(process.getuid?.() !== 0);
});
