import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { systemRng } from "@slowboat/runtime";
import {
  chooseLaunch,
  countLiveJobs,
  forgetEmulatedReuse,
  migrate,
  readClock,
  recordPriceBook,
  type Store,
  touchClock,
  writeClock,
} from "@slowboat/store";
import { type Config, isEmulated, plainEnvironment, providerKeys, readMarket } from "../config.ts";
import { ROOT } from "../root.ts";
import { appSpecs } from "./apps.ts";
import { type KeptApp, keepApp } from "./child.ts";
import { eveningMs, lastJobMs, planClock } from "./clock-plan.ts";
import { buildConsole } from "./console-build.ts";
import { claimFor, type DataFolder, type FolderLock, isSame, lockFolder, openDataFolder } from "./data-folder.ts";
import { keepDatabase } from "./database.ts";
import { type FirstKey, firstKey } from "./first-key.ts";
import { type JobTime, keepTime } from "./job-time.ts";
import { freePort } from "./ports.ts";
import { reopeningStore } from "./reopening-store.ts";

/** How a stack is started. */
export interface StackOptions {
  readonly dir: string;
  readonly port: number;
  readonly timeScale: number;
  /** Move an idle job clock to the next evening and let it stand there until `time.goOn`; else to the machine's time. Never with a provider key. */
  readonly evening: boolean;
  readonly say: (text: string) => void;
}

/** A running installation. */
export interface Stack {
  readonly url: string;
  readonly consoleUrl: string;
  readonly emulated: boolean;
  readonly first: FirstKey;
  readonly store: Store;
  readonly time: JobTime;
  readonly folder: DataFolder;
  readonly apps: readonly KeptApp[];
  /** Resolves when something broke that no restart can mend. */
  readonly broken: Promise<Error>;
  /** Orderly stop in reverse order, each part bounded in time. May be called twice. */
  stop(): Promise<void>;
}

const HEARTBEAT_MS = 1000;
const TRIM_EVERY = 60;
const ORPHANS_MS = 12_000;
const ANY_PORT = 0;
/** Longer than any start. */
const HELD_MS = 86_400_000;

/** Starts everything, in order; on a failure stops what had started and throws a text for the user. */
export async function startStack(config: Config, options: StackOptions): Promise<Stack> {
  process.umask(0o077);
  const folder = openDataFolder(options.dir, needsPassableFolder(config));
  const lock = lockFolder(folder);
  const stops: (() => Promise<void>)[] = [async () => lock.release()];
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= stopAll(stops));
  try {
    claimFor(folder, isEmulated(config) ? "emulated" : "real");
    return await startParts(config, options, folder, lock, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopAll(stops: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const one of stops.reverse()) await one().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, "not everything stopped in order");
}

async function startParts(
  config: Config,
  options: StackOptions,
  folder: DataFolder,
  lock: FolderLock,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const { say } = options;
  const { promise: broken, resolve: breaks } = Promise.withResolvers<Error>();
  await outlive(lock.orphans, say);
  const market = readMarket(config);
  const emulated = isEmulated(config);

  say(config.DATABASE_URL === undefined ? "starting Postgres ..." : "using the database of DATABASE_URL");
  const database = await keepDatabase({ given: config.DATABASE_URL, dir: folder.at("postgres"), say, fatal: breaks });
  stops.push(() => database.stop());
  const store = reopeningStore(database.url, { max: 3, name: "slowboat-supervisor" });
  stops.push(() => store.close());
  await migrate(store, Date.now());

  const stored = await setClock(store, options, !emulated);
  const apps: KeptApp[] = [];
  const time = keepTime(store, stored, apps);
  const { clock } = time;
  if (!emulated) {
    const forgotten = await forgetEmulatedReuse(store.sql);
    if (forgotten > 0) say(`forgot ${forgotten} kept answers of the emulator: a real provider is set now`);
  }
  const secret = config.SLOWBOAT_SECRET ?? folder.secret();
  const rng = systemRng();
  await recordPriceBook(store.sql, { version: market.book.version, content: market.book.content, nowMs: clock.job() });
  const first = await firstKey(store, folder, {
    given: config.SLOWBOAT_API_KEY,
    secret,
    retentionDays: config.SLOWBOAT_RETENTION_DAYS,
    nowMs: clock.job(),
    rng,
  });

  const plain = plainEnvironment();
  const unbuilt = await buildConsole(ROOT, folder.at("logs", "console-build.log"), plain, say);
  if (unbuilt !== null) say(unbuilt);

  const ports = await choosePorts(options.port, say);
  const layout = {
    root: ROOT,
    dataDir: folder.dir,
    databaseUrl: database.url,
    secret,
    emulated,
    providerKeys: providerKeys(market),
    clock: time.row,
    ports,
  };
  const changed = (): void => lock.note(apps.flatMap((app) => app.pid() ?? []));
  for (const spec of appSpecs(layout, config, plain)) {
    const app = keepApp(spec, { rng, say, changed });
    apps.push(app);
    stops.push(() => app.stop());
    say(`starting ${app.name} ...`);
    await app.start();
  }
  stops.push(heartbeat(store, apps, say));
  if (stored.scale > 1 && !options.evening) await time.goOn(stored.scale);

  const url = `http://127.0.0.1:${ports.intake}`;
  const consoleUrl = `http://127.0.0.1:${ports.results}/`;
  const connection = {
    url,
    console_url: consoleUrl,
    pool_url: `http://127.0.0.1:${ports.pool}`,
    key_id: first.keyId,
    pid: process.pid,
    emulated,
    database_url: database.url,
  };
  folder.write("connection.json", `${JSON.stringify(connection, null, 2)}\n`);
  stops.push(async () => rmSync(folder.at("connection.json"), { force: true }));
  return { url, consoleUrl, emulated, first, store, time, folder, apps, broken, stop };
}

/** Where root may make no user namespace, Postgres runs as nobody, who must pass through the data folder. */
function needsPassableFolder(config: Config): boolean {
  return config.DATABASE_URL === undefined && process.getuid?.() === 0 && chooseLaunch().how === "nobody";
}

/** Children of a killed supervisor end by themselves; those that have not after a while are ended. */
async function outlive(orphans: FolderLock["orphans"], say: (text: string) => void): Promise<void> {
  const until = performance.now() + ORPHANS_MS;
  if (orphans.length > 0) say(`waiting for ${orphans.length} processes of the last start to end ...`);
  let left = orphans.filter(isSame);
  while (left.length > 0 && performance.now() < until) {
    await pause(50);
    left = left.filter(isSame);
  }
  for (const one of left) process.kill(one.pid, "SIGKILL");
}

async function setClock(store: Store, options: StackOptions, pinned: boolean): Promise<Parameters<typeof writeClock>[1]> {
  const realNowMs = Date.now();
  const stored = await readClock(store.sql);
  // Unfinished jobs keep their deadlines only while the clock does not jump over them.
  const hurried = stored !== null && stored.scale > 1;
  const mayJump = (await countLiveJobs(store.sql)) === 0;
  const seenMs = stored === null ? 0 : lastJobMs(stored, realNowMs);
  const wantedMs = options.evening ? eveningMs(realNowMs, seenMs) : realNowMs;
  const planned = planClock({
    stored,
    realNowMs,
    scale: options.timeScale,
    pinned,
    notBeforeJobMs: mayJump || (!options.evening && !hurried) ? wantedMs : 0,
  });
  if ("refused" in planned) throw new Error(planned.refused);
  // Hurried time stands still until all is ready: a start on a busy machine takes as long as hours of it.
  const clock = planned.clock.scale > 1 ? { ...planned.clock, realAnchorMs: realNowMs + HELD_MS } : planned.clock;
  await writeClock(store.sql, clock);
  return clock;
}

async function choosePorts(
  wanted: number,
  say: (text: string) => void,
): Promise<{ intake: number; results: number; pool: number; emulator: number }> {
  const intake = await freePort(wanted);
  if (wanted !== 0 && intake !== wanted) say(`port ${wanted} is in use; the API listens on ${intake}`);
  const taken = new Set([intake]);
  const results = await freePort(intake + 1, taken);
  if (results !== intake + 1) say(`port ${intake + 1} is in use; the console listens on ${results}`);
  taken.add(results);
  const pool = await freePort(ANY_PORT, taken);
  taken.add(pool);
  const emulator = await freePort(ANY_PORT, taken);
  return { intake, results, pool, emulator };
}

/** Writes down every second that we live, so that job time goes on from here after a crash; trims logs once a minute. */
function heartbeat(store: Store, apps: readonly KeptApp[], say: (text: string) => void): () => Promise<void> {
  let beat = 0;
  let writing: Promise<void> | null = null;
  let failing = false;
  const write = async (): Promise<void> => {
    try {
      await touchClock(store.sql, Date.now());
      failing = false;
    } catch (error) {
      if (!failing) say(`the database did not take the heartbeat: ${error instanceof Error ? error.message : String(error)}`);
      failing = true;
    }
  };
  const timer = setInterval(() => {
    if (++beat % TRIM_EVERY === 0) for (const app of apps) app.trimLog();
    writing ??= write().finally(() => {
      writing = null;
    });
  }, HEARTBEAT_MS);
  return async () => {
    clearInterval(timer);
    await writing;
  };
}
