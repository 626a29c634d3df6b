import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The parts of an installation that are processes of their own. */
export const PARTS = ["intake-api", "scheduler", "gpu-worker", "results-service", "emulator", "postgres"] as const;
export type Part = (typeof PARTS)[number];

/** A living process of an installation. `name` is `null` for a helper, such as a server process of Postgres. */
export interface Member {
  readonly pid: number;
  readonly name: Part | "supervisor" | null;
}

/**
 * Every living process that belongs to the data folder `dir`: it names the folder on its command line or in its environment, or works
 * inside it. Read from /proc, so that a process nobody knows of any more is seen as well.
 */
export function membersOf(dir: string): Member[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
        const words = [...command, ...readFileSync(`/proc/${name}/environ`, "utf8").split("\0")];
        const ours = words.some((word) => word.includes(dir)) || readlinkSync(`/proc/${name}/cwd`).startsWith(dir);
        return ours && !isDead(name) ? [{ pid: Number(name), name: nameOf(command) }] : [];
      } catch {
        return []; // ended meanwhile
      }
    });
}

const isDead = (pid: string): boolean => /^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

function nameOf(command: readonly string[]): Member["name"] {
  const main = command.find((word) => word.endsWith("/src/main.ts"));
  if (main?.endsWith("apps/cli/src/main.ts")) return "supervisor";
  const app = PARTS.find((part) => main?.includes(`/${part}/src/`));
  if (app) return app;
  return command[0]?.endsWith("/postgres") && command.includes("-D") ? "postgres" : null;
}
