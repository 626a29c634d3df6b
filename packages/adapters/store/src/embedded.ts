import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { isMainThread } from "node:worker_threads";
import postgres from "postgres";
import { type Binaries, findBinaries } from "./embedded-binaries.ts";
import { takeFolder } from "./embedded-owner.ts";
import { chooseLaunch, type Launch, mayWrite } from "./embedded-user.ts";

const USER = "slowboat";
const DATABASE = "slowboat";
const DEFAULT_PORT = 25_432;
const PORTS_TRIED = 50;
const LOG_KEPT_CHARS = 64 * 1024;
const LOG_FILE_BYTES = 8 * 1024 * 1024;
const START_MS = 60_000;

/** A running server of our own. */
export interface EmbeddedPostgres {
  /** Of the database `slowboat`, with the password in it; by TCP. */
  readonly url: string;
  /** The same by the socket file in its folder, which saves a good part of every way there and back; `url` where there can be none. */
  readonly socketUrl: string;
  readonly port: number;
  readonly pid: number;
  /** How it was kept from running as root. */
  readonly how: Launch["how"];
  /** Settles when the server has ended, asked or not, with its last words. */
  readonly exited: Promise<{ readonly code: number | null; readonly log: string }>;
  /** Orderly stop: open transactions are rolled back. May be called twice. */
  stop(): Promise<void>;
}

/** Where and how to start. */
export interface EmbeddedOptions {
  /** Belongs to us alone: server data, password, log. Made when missing, and closed to other users. */
  readonly dir: string;
  /** The first port tried on 127.0.0.1 (25432 when left out); the next free one is taken. 0: any. */
  readonly port?: number;
  /** False: may lose everything in a crash, for tests. */
  readonly durable?: boolean;
}

/**
 * Starts the packaged Postgres on 127.0.0.1 with a random password, making its data folder at the first start, and the database
 * `slowboat`. Recovers after a crash. The server ends with this process, even by kill -9 (on Linux). Throws a text for the user.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  // The kernel ties the server's life to the thread that started it.
  if (!isMainThread) throw new Error("Postgres must be started from the main thread.");
  const binaries = await findBinaries();
  const launch = chooseLaunch();
  const dir = resolve(options.dir);
  const data = join(dir, "data");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  if (launch.owner !== null) chownSync(dir, launch.owner, launch.owner);
  if (!mayWrite(launch, dir))
    throw new Error(`Postgres, which runs as the user nobody here, cannot reach ${dir}; choose a data folder outside closed homes.`);
  const giveBack = await takeFolder(dir, data);
  try {
    if (!existsSync(join(data, "PG_VERSION"))) await initialise({ binaries, launch, dir, data, durable: options.durable ?? true });
    const password = readFileSync(join(dir, "password"), "utf8").trim();
    const { child, port, log, sockets } = await startOnFreePort(binaries, launch, dir, options);
    const url = (database: string): string => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
    const socketUrl = sockets === null ? url(DATABASE) : `${url(DATABASE)}?host=${encodeURIComponent(sockets)}`;
    const exited = new Promise<{ code: number | null; log: string }>((done) => {
      child.once("close", (code) => {
        giveBack();
        done({ code, log: log() });
      });
    });
    const stop = (): Promise<void> => stopServer(child, exited);
    try {
      await createDatabase(url("postgres"));
    } catch (error) {
      await stop();
      throw error;
    }
    return { url: url(DATABASE), socketUrl, port, pid: child.pid ?? 0, how: launch.how, exited, stop };
  } catch (error) {
    giveBack();
    throw error;
  }
}

async function initialise(at: { binaries: Binaries; launch: Launch; dir: string; data: string; durable: boolean }): Promise<void> {
  const { launch, dir } = at;
  const password = join(dir, "password");
  const fresh = join(dir, "data.new");
  rmSync(fresh, { recursive: true, force: true });
  writeFileSync(password, `${randomBytes(24).toString("hex")}\n`, { mode: 0o600 });
  if (launch.owner !== null) chownSync(password, launch.owner, launch.owner);
  // The locale is named, else the caller's LANG would choose the encoding.
  const how = ["-U", USER, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C", ...(at.durable ? [] : ["--no-sync"])];
  const child = run(launch, at.binaries.initdb, ["-D", fresh, ...how]);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-LOG_KEPT_CHARS);
  });
  const code = await new Promise<number | null>((done, failed) => {
    child.once("error", failed);
    child.once("close", done);
  });
  if (code !== 0)
    throw new Error(`The packaged Postgres could not make its data folder in ${dir} (exit ${code}): ${said.trim() || "no message; it needs glibc"}`);
  renameSync(fresh, at.data); // only a whole folder gets the name
}

interface Started {
  readonly child: ChildProcess;
  /** Where its socket file is; `null` where there is none. */
  readonly sockets: string | null;
  readonly port: number;
  readonly log: () => string;
}

async function startOnFreePort(binaries: Binaries, launch: Launch, dir: string, options: EmbeddedOptions): Promise<Started> {
  const first = options.port ?? DEFAULT_PORT;
  const durable = options.durable ?? true;
  let sockets = socketFolder(dir);
  for (let tried = 0; tried < PORTS_TRIED; tried++) {
    const port = first === 0 ? await anyPort() : first + tried;
    let started = await startServer(binaries, launch, { dir, sockets, port, durable });
    // Some shared and layered file systems have no sockets.
    if (started === "no-socket") {
      sockets = null;
      started = await startServer(binaries, launch, { dir, sockets, port, durable });
    }
    if (typeof started === "object") return started;
  }
  throw new Error(`Every port from ${first} to ${first + PORTS_TRIED - 1} on 127.0.0.1 is in use.`);
}

async function startServer(
  binaries: Binaries,
  launch: Launch,
  at: { readonly dir: string; readonly sockets: string | null; readonly port: number; readonly durable: boolean },
): Promise<Started | "port-busy" | "no-socket"> {
  const { dir, sockets, port, durable } = at;
  const settings = [
    ...["listen_addresses=127.0.0.1", "max_connections=100", "timezone=UTC", "log_timezone=UTC"],
    ...(sockets === null
      ? ["unix_socket_directories="]
      : [`unix_socket_directories="${sockets.replaceAll('"', '""')}"`, "unix_socket_permissions=0700"]),
    // A row that changes anywhere in a large table takes its whole page into the log once a checkpoint: seldom, and not compressed, which takes
    // a tenth of a millisecond a page from whoever waits. A fresh segment of the log is not filled with zeros first: sixteen megabytes, for
    // which every caller waits, again and again until old ones are used again.
    ...[`shared_buffers=${sharedBuffersMb()}MB`, "wal_compression=off", "wal_init_zero=off", "max_wal_size=8GB", "checkpoint_timeout=15min"],
    // No other server follows this one: the log's full segments need not stay in memory (docs/decisions/0013).
    ...["wal_level=minimal", "max_wal_senders=0"],
    ...(durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]),
  ];
  const child = run(launch, binaries.postgres, ["-D", join(dir, "data"), "-p", String(port), ...settings.flatMap((one) => ["-c", one])]);
  const log = keepLog(child, join(dir, "postgres.log"));
  return await new Promise<Started | "port-busy" | "no-socket">((done, failed) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    const onExit = (code: number | null): void => {
      clearTimeout(timer);
      if (sockets !== null && /could not create any Unix-domain sockets|lock file ".*\.s\.PGSQL/.test(log())) done("no-socket");
      else if (/could not bind .*Address already in use/.test(log())) done("port-busy");
      else failed(new Error(`The packaged Postgres did not start in ${dir} (exit ${code}): ${log().trim()}`));
    };
    child.once("error", failed);
    child.once("close", onExit);
    const onText = (): void => {
      if (!log().includes("ready to accept connections")) return;
      clearTimeout(timer);
      child.off("close", onExit).off("error", failed).stderr?.off("data", onText);
      done({ child, port, log, sockets });
    };
    child.stderr?.on("data", onText);
  });
}

/** A socket's path, its end and all, is at most this long on every system. */
const SOCKET_PATH_BYTES = 103;

/** Where the server's socket file is to lie: in its folder, which nobody else may enter. `null` where there are none, or the path would be too long. */
function socketFolder(dir: string): string | null {
  const fits = process.platform !== "win32" && Buffer.byteLength(join(dir, ".s.PGSQL.65535")) <= SOCKET_PATH_BYTES;
  return fits ? dir : null;
}

/** A fifth of the memory there is, from Postgres' own 128 MB to 512 MB (docs/decisions/0013). A container's bound counts where there is one. */
const sharedBuffersMb = (): number => Math.round(Math.min(512, Math.max(128, memoryBytes() / 5 / 1024 ** 2)));

const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

/** Keeps the last words in memory and all of them in a file that is replaced when it grows past its bound. */
function keepLog(child: ChildProcess, path: string): () => string {
  let kept = "";
  let bytes = existsSync(path) ? statSync(path).size : 0;
  let file = createWriteStream(path, { flags: "a", mode: 0o600 }).on("error", () => undefined); // a full disk must not end us
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-LOG_KEPT_CHARS);
    bytes += text.length;
    if (bytes > LOG_FILE_BYTES) {
      file.end();
      renameSync(path, `${path}.1`);
      file = createWriteStream(path, { flags: "a", mode: 0o600 }).on("error", () => undefined);
      bytes = text.length;
    }
    file.write(text);
  });
  child.once("close", () => file.end());
  return () => kept;
}

/** The C library gives memory back to the system after every larger statement and takes it again page by page, unless it may keep this much. */
const KEPT_BYTES = String(16 * 1024 * 1024);
const KEEPING = { MALLOC_TRIM_THRESHOLD_: KEPT_BYTES, MALLOC_MMAP_THRESHOLD_: KEPT_BYTES };

/** In a process group of its own: Ctrl-C in a terminal reaches us, who stop it last. Nothing of our environment goes along. */
function run(launch: Launch, program: string, args: readonly string[]): ChildProcess {
  const [command = program, ...rest] = [...launch.prefix, program, ...args];
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC", ...KEEPING };
  return spawn(command, rest, { stdio: ["ignore", "ignore", "pipe"], detached: true, env });
}

/** SIGINT ends sessions in order, SIGQUIT leaves recovery to the next start, SIGKILL is for a server that hears neither. */
async function stopServer(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  const timers = [setTimeout(() => child.kill("SIGQUIT"), 10_000), setTimeout(() => child.kill("SIGKILL"), 15_000)];
  child.kill("SIGINT");
  await exited;
  for (const timer of timers) clearTimeout(timer);
}

async function createDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 30, onnotice: () => undefined });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql`create database ${sql(DATABASE)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const anyPort = (): Promise<number> =>
  new Promise((done, failed) => {
    const probe = createServer().once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });
