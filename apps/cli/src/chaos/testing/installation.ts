import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "@slowboat/store";
import { until } from "@slowboat/testkit";
import { plainEnvironment } from "../../config.ts";
import { ROOT } from "../../root.ts";
import { reopeningStore } from "../../supervisor/reopening-store.ts";
import { type Member, membersOf, type Part } from "./processes.ts";

const START_MS = 90_000;
const SCALE = 480;

/** A whole installation as real processes on a folder of its own, seen and treated from outside. */
export interface Installation {
  readonly dir: string;
  readonly url: string;
  readonly key: string;
  /** Of the first key; shown at the first start only. */
  readonly webhookSecret: string;
  readonly store: Store;
  members(): Member[];
  /** kill -9; returns the pid that died, which the kernel has taken when this resolves. */
  kill(part: Part | "supervisor"): Promise<number>;
  /** kill -9 of everything that runs on the folder, in one go. */
  killAll(): Promise<void>;
  /** True when a process of another pid than `before` has the part. */
  replaced(part: Part, before: number): boolean;
  /** Origin of the emulator, whose port changes with every start. */
  emulator(): string;
  /** Starts it again on the same folder after its end. */
  restart(): Promise<void>;
  /** Orderly stop; resolves with the supervisor's exit code, and throws when a process outlives it. */
  stop(): Promise<number | null>;
  /** What the supervisor said, and the end of every log: for a test that failed. */
  words(): string;
  /** Ends what still runs and removes the folder. */
  remove(): Promise<void>;
}

/** Starts an installation with the emulator under an accelerated clock. `env` goes to the supervisor. */
export async function startInstallation(env: Readonly<Record<string, string>>): Promise<Installation> {
  const dir = mkdtempSync(join(tmpdir(), "slowboat-chaos-"));
  let run = await launch(dir, env);
  const webhookSecret = /whsec_\S+/.exec(run.said())?.[0] ?? "";
  const { key } = JSON.parse(readFileSync(join(dir, "api-key.json"), "utf8")) as { key: string };
  let at = connection(dir);
  let store = reopeningStore(at.database_url, { max: 2, name: "chaos" });
  const members = (): Member[] => membersOf(dir);
  const kill = async (part: Part | "supervisor"): Promise<number> => {
    const pid = members().find((one) => one.name === part)?.pid;
    if (pid === undefined) throw new Error(`no ${part} runs on ${dir}`);
    process.kill(pid, "SIGKILL");
    await until(() => !members().some((one) => one.pid === pid), `${part} is dead`, 5000);
    return pid;
  };
  const killAll = async (): Promise<void> => {
    for (let left = members(); left.length > 0; left = members()) {
      for (const { pid } of left) killQuietly(pid);
      await run.ended;
    }
  };
  return {
    dir,
    key,
    webhookSecret,
    get url() {
      return at.url;
    },
    get store() {
      return store;
    },
    members,
    kill,
    killAll,
    replaced: (part, before) => members().some((one) => one.name === part && one.pid !== before),
    emulator: () => {
      const pid = members().find((one) => one.name === "emulator")?.pid;
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return `http://127.0.0.1:${words[words.indexOf("--port") + 1]}`;
    },
    restart: async () => {
      await store.close();
      await run.ended;
      run = await launch(dir, env);
      at = connection(dir);
      store = reopeningStore(at.database_url, { max: 2, name: "chaos" });
    },
    stop: async () => {
      await store.close();
      run.child.kill("SIGTERM");
      const code = await run.ended;
      await until(() => members().length === 0, `nothing outlives the stop on ${dir}`, 5000);
      return code;
    },
    words: () =>
      [
        run.said(),
        ...["scheduler", "intake-api", "results-service", "gpu-worker", "emulator"].map(
          (name) => `--- ${name}\n${tail(join(dir, "logs", `${name}.log`))}`,
        ),
      ].join("\n"),
    remove: async () => {
      await store.close();
      await killAll();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface Run {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

/** Resolves when everything is ready. The channel ends the stack with this process, whatever becomes of it. */
async function launch(dir: string, env: Readonly<Record<string, string>>): Promise<Run> {
  const args = [join(ROOT, "apps/cli/src/main.ts"), "up", "--json", "--port", "0", "--data-dir", dir, "--time-scale", String(SCALE)];
  const child = spawn(process.execPath, args, { env: { ...plainEnvironment(), ...env }, stdio: ["ignore", "pipe", "pipe", "ipc"] });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
  await new Promise<void>((ready, failed) => {
    child.stdout?.once("data", () => ready());
    void ended.then((code) => failed(new Error(`the supervisor ended with ${code}: ${said}`)));
  });
  clearTimeout(timer);
  return { child, said: () => said, ended };
}

const connection = (dir: string): { url: string; database_url: string } =>
  JSON.parse(readFileSync(join(dir, "connection.json"), "utf8")) as { url: string; database_url: string };

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

const TAIL_CHARS = 3000;

function tail(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(-TAIL_CHARS);
  } catch {
    return "(no log)";
  }
}
