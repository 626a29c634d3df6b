import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** How long the server of a killed owner may take to stop. */
const ORPHAN_MS = 15_000;

/**
 * Takes the folder for this process: one server a folder. An owner that is gone is forgotten, and the server it left is asked to stop
 * and waited for. Throws a text for the user when another live process owns it. Returns what gives the folder back.
 */
export async function takeFolder(dir: string, data: string): Promise<() => void> {
  const file = join(dir, "owner");
  const us = `${process.pid} ${birthOf(process.pid)}`;
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, us, { flag: "wx", mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries > 3) throw error;
    }
    const [pid = 0, birth = ""] = readFileSync(file, "utf8")
      .split(" ")
      .map((word, i) => (i === 0 ? Number(word) : word)) as [number, string];
    if (isAlive(pid) && birthOf(pid) === birth) {
      throw new Error(`Another Slowboat (process ${pid}) already runs in ${dir}. Stop it, or choose another data folder.`);
    }
    rmSync(file, { force: true });
  }
  const giveBack = (): void => rmSync(file, { force: true });
  try {
    await clearOrphan(data);
    clearSockets(dir);
  } catch (error) {
    giveBack();
    throw error;
  }
  return giveBack;
}

async function clearOrphan(data: string): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  const until = performance.now() + ORPHAN_MS;
  let asked = false;
  for (;;) {
    const pid = Number(readIf(pidFile)?.split("\n")[0] ?? 0);
    const servers = serversIn(data);
    const alive = servers === null ? pid > 0 && isAlive(pid) : servers.length > 0;
    if (!alive) {
      // Postgres trusts a left pid file when any process of its user has that number, such as after a container's restart.
      if (servers !== null) rmSync(pidFile, { force: true });
      return;
    }
    if (!asked && servers?.includes(pid)) {
      process.kill(pid, "SIGINT");
      asked = true;
    }
    if (performance.now() > until) throw new Error(`A Postgres server (process ${pid}) still runs in ${data} and does not stop; stop it by hand.`);
    await pause(25);
  }
}

/** The socket files of servers that were killed, and their locks, which Postgres trusts like its pid file. */
function clearSockets(dir: string): void {
  for (const one of readdirSync(dir, { withFileTypes: true }))
    if (one.name.startsWith(".s.PGSQL.") && !one.isDirectory()) rmSync(join(dir, one.name), { force: true });
}

/** Processes whose working folder is `data`: a server and its helpers. `null` where the system does not tell. */
function serversIn(data: string): number[] | null {
  if (process.platform !== "linux") return null;
  const real = realIf(data);
  if (real === null) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === real && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "postgres";
      } catch {
        return false; // gone meanwhile, or another user's
      }
    });
}

/**
 * Clock ticks since boot at which a process began, so that a number used again is not taken for the old process; nor one that has
 * ended and was never waited for, as in a container whose first process waits for nobody.
 */
function birthOf(pid: number): string {
  const stat = process.platform === "linux" ? readIf(`/proc/${pid}/stat`) : null;
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" ? "gone" : (fields?.[19] ?? "");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const readIf = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
};

const realIf = (path: string): string | null => {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
};
