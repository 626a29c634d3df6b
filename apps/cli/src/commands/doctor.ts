import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createQueue, redisPolicy } from "@slowboat/queue";
import { jobClock } from "@slowboat/runtime";
import { migrationNames, readClock, readHealth } from "@slowboat/store";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data } from "../terminal.ts";
import { type Connection, connectionOf, folderOf, type GlobalFlags, withStore } from "./place.ts";

/** One thing that was looked at. `mend` says what to do when it is not well. */
interface Check {
  readonly name: string;
  readonly state: "ok" | "warn" | "bad";
  readonly text: string;
  readonly mend?: string;
}

const LOW_DISK_BYTES = 2 * 1024 ** 3;
const OLDEST_POSTGRES = 14;
const LATE_HEARTBEAT_MS = 10_000;
const PROBE_MS = 5000;

/** Looks at everything a running installation needs; exit code 1 when something is bad. */
export async function doctor(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  const { dir } = folderOf(config, flags);
  const running = connectionOf(config, flags) !== null;
  if (!running && !existsSync(dir) && config.DATABASE_URL === undefined && flags.url === undefined && config.SLOWBOAT_URL === undefined)
    throw new Ended(
      EXIT.error,
      `There is no installation to look at: ${dir} does not exist. Start one with \`npx slowboat up\`, or name its folder with --data-dir.`,
    );
  const checks = [
    ...(await storeChecks(config, flags)),
    await queueCheck(config, flags),
    await diskCheck(config, flags),
    providerCheck(config, connectionOf(config, flags)),
    ...(await httpChecks(config, flags)),
  ];
  for (const check of checks) {
    const mark = { ok: "✓", warn: "!", bad: "✗" }[check.state];
    await data(
      flags.json
        ? JSON.stringify(check)
        : `${mark} ${check.name.padEnd(11)} ${check.text}${check.mend === undefined ? "" : `\n              → ${check.mend}`}`,
    );
  }
  return checks.some((check) => check.state === "bad") ? EXIT.error : EXIT.ok;
}

async function storeChecks(config: Config, flags: GlobalFlags): Promise<Check[]> {
  try {
    return await withStore(config, flags, async (store) => {
      const [health, clock] = [await readHealth(store.sql), await readClock(store.sql)];
      const major = Number.parseInt(health.serverVersion, 10);
      const known = (await migrationNames()).length;
      return [
        check(
          "postgres",
          major >= OLDEST_POSTGRES,
          `${health.serverVersion}, ${health.connections} of ${health.maxConnections} connections`,
          `Slowboat needs Postgres ${OLDEST_POSTGRES} or newer.`,
        ),
        check("migrations", health.migrations === known, `${health.migrations} of ${known}`, "Start Slowboat once: it migrates at its start."),
        clockCheck(clock),
        check("keys", health.liveKeys > 0, `${health.liveKeys} live`, "Make one with: npx slowboat keys create"),
        check(
          "ledger",
          health.unbalanced === 0,
          `${health.ledgerTxns} transactions, ${health.unbalanced} out of balance`,
          "A defect: keep the database and report it.",
        ),
        check(
          "settlement",
          health.unsettled + health.logged === 0 ? true : "warn",
          `${health.unsettled} answers wait, ${health.logged} writes of calls are to be filed, ${health.liveJobs} jobs run`,
          "More than a moment: is the results-service running?",
        ),
        check(
          "suspense",
          health.unknown === 0 ? true : "warn",
          `${health.unknown} attempts with unknown outcome`,
          "They may have been billed; see: npx slowboat suspense list, and reconcile when the bill is there.",
        ),
      ];
    });
  } catch (error) {
    return [{ name: "postgres", state: "bad", text: error instanceof Error ? error.message : String(error) }];
  }
}

const check = (name: string, good: boolean | "warn", text: string, mend: string): Check =>
  good === true ? { name, state: "ok", text } : { name, state: good === "warn" ? "warn" : "bad", text, mend };

function clockCheck(clock: Awaited<ReturnType<typeof readClock>>): Check {
  if (!clock) return { name: "clock", state: "bad", text: "not set", mend: "Start Slowboat once." };
  const lateMs = Date.now() - clock.seenRealMs;
  const text = `job time ${new Date(jobClock(clock).job()).toISOString()}, scale ${clock.scale}, heartbeat ${(lateMs / 1000).toFixed(1)} s ago`;
  return check("clock", lateMs < LATE_HEARTBEAT_MS ? true : "warn", text, "The supervisor does not run: job time stands still until its next start.");
}

async function queueCheck(config: Config, flags: GlobalFlags): Promise<Check> {
  const databaseUrl = config.DATABASE_URL ?? connectionOf(config, flags)?.database_url;
  if (config.REDIS_URL === undefined && databaseUrl === undefined) return { name: "queue", state: "bad", text: "no database to queue on" };
  try {
    const options =
      config.REDIS_URL === undefined
        ? { backend: "postgres" as const, url: databaseUrl ?? "", max: 2 }
        : { backend: "redis" as const, url: config.REDIS_URL };
    const queue = await createQueue(options);
    const depth = await queue.depth("plan");
    const policy = config.REDIS_URL === undefined ? null : await redisPolicy(config.REDIS_URL);
    await queue.close();
    const text = `BullMQ on ${queue.backend}, ${depth} waiting to be planned${policy === null ? "" : `, maxmemory-policy ${policy}`}`;
    return check(
      "queue",
      policy === null || policy === "noeviction" ? true : policy === "unknown" ? "warn" : false,
      text,
      "Set maxmemory-policy noeviction: Redis may otherwise drop queued work.",
    );
  } catch (error) {
    return { name: "queue", state: "bad", text: error instanceof Error ? error.message : String(error) };
  }
}

async function diskCheck(config: Config, flags: GlobalFlags): Promise<Check> {
  const { dir } = folderOf(config, flags);
  const disk = await statfs(dir).catch(() => null);
  if (!disk) return { name: "disk", state: "warn", text: `${dir} does not exist yet`, mend: "The first start makes it." };
  const free = disk.bavail * disk.bsize;
  return check(
    "disk",
    free > LOW_DISK_BYTES ? true : "warn",
    `${(free / 1024 ** 3).toFixed(1)} GiB free at ${dir}`,
    "Make room: results and uploads lie here.",
  );
}

function providerCheck(config: Config, connection: Connection | null): Check {
  // A running stack knows best; the keys of this shell may be others than those it was started with.
  if (connection?.emulated) return { name: "providers", state: "ok", text: "emulated provider: no money is spent" };
  if (connection) return { name: "providers", state: "ok", text: "real, by the keys it was started with" };
  const set = [config.OPENAI_API_KEY === undefined ? [] : ["OpenAI"], config.ANTHROPIC_API_KEY === undefined ? [] : ["Anthropic"]].flat();
  return {
    name: "providers",
    state: "ok",
    text: set.length === 0 ? "emulated provider: no money is spent" : `${set.join(" and ")}, by the key of this shell`,
  };
}

async function httpChecks(config: Config, flags: GlobalFlags): Promise<Check[]> {
  const connection = connectionOf(config, flags);
  const api = flags.url ?? config.SLOWBOAT_URL ?? connection?.url;
  if (api === undefined) return [{ name: "api", state: "bad", text: "not running", mend: "Start it with: npx slowboat up" }];
  const probes: [string, string][] = [
    ["api", `${api}/readyz`],
    ...(connection
      ? ([
          ["pool", `${connection.pool_url}/readyz`],
          ["console", connection.console_url],
        ] as [string, string][])
      : []),
  ];
  return await Promise.all(probes.map(([name, url]) => probe(name, url)));
}

async function probe(name: string, url: string): Promise<Check> {
  try {
    const res = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS) });
    await res.body?.cancel();
    return check(name, res.ok, `${url} answers ${res.status}`, "See its log in the data folder.");
  } catch (error) {
    return {
      name,
      state: "bad",
      text: `${url} does not answer (${error instanceof Error ? error.message : String(error)})`,
      mend: "See its log in the data folder.",
    };
  }
}
