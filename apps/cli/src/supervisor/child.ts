import { type ChildProcess, fork } from "node:child_process";
import { closeSync, copyFileSync, existsSync, openSync, readSync, statSync, truncateSync } from "node:fs";
import { type Backoff, backoffMs, type Rng } from "@slowboat/kernel";
import { serviceArguments } from "@slowboat/runtime";

const RESTART: Backoff = { baseMs: 200, factor: 2, maxMs: 10_000, jitter: 0.3 };
/** An app that ran this long is forgiven its earlier crashes. */
const STEADY_MS = 30_000;
const READY_MS = 90_000;
const STARTS_TRIED = 3;
/** Longer than the grace of an app's own stop. */
const STOP_MS = 12_000;
const LOG_BYTES = 32 * 1024 * 1024;

/** One app as a process of its own. */
export interface AppSpec {
  readonly name: string;
  /** Path of its main module. */
  readonly main: string;
  /** Asked for at every start of the process. */
  readonly args?: () => readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
}

/** A process that is kept running. */
export interface KeptApp {
  readonly name: string;
  pid(): number | null;
  /** Crashes since the start that were mended by a restart. */
  restarts(): number;
  /** Resolves when the app says it is ready; throws a text with the end of its log when it cannot start. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL when it does not end in time. May be called twice. */
  stop(): Promise<void>;
  /** Sends a message to the running process; one that does not run hears nothing. */
  tell(message: object): void;
  /** Keeps the log under its bound; to be called now and then. */
  trimLog(): void;
}

/**
 * Keeps an app running: after a crash it starts again, with pauses that double up to ten seconds. It runs in a process group of its
 * own, so that Ctrl-C reaches the supervisor alone, and ends by itself when the supervisor's end of the channel closes.
 */
export function keepApp(spec: AppSpec, hooks: { readonly rng: Rng; readonly say: (text: string) => void; readonly changed: () => void }): KeptApp {
  let child: ChildProcess | null = null;
  let stopping = false;
  let crashes = 0;
  let restarts = 0;
  let timer: NodeJS.Timeout | null = null;

  const launch = (): Promise<void> => {
    const log = openSync(spec.logPath, "a", 0o600);
    const started = performance.now();
    const made = fork(spec.main, spec.args?.() ?? [], {
      env: spec.env,
      execArgv: serviceArguments(spec.name),
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    });
    closeSync(log);
    child = made;
    hooks.changed();
    return new Promise((ready, failed) => {
      const slow = setTimeout(() => made.kill("SIGKILL"), READY_MS);
      made.once("error", (error) => failed(error));
      made.on("message", (message) => {
        if ((message as { kind?: string } | null)?.kind !== "ready") return;
        clearTimeout(slow);
        ready();
      });
      made.once("exit", (code, signal) => {
        clearTimeout(slow);
        child = null;
        hooks.changed();
        if (performance.now() - started > STEADY_MS) crashes = 0;
        failed(new Error(`${spec.name} ended with ${signal ?? code} before it was ready; the end of ${spec.logPath}:\n${tail(spec.logPath)}`));
        onEnd(code, signal);
      });
    });
  };

  let running = false;
  const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (stopping || !running) return;
    const pauseMs = backoffMs(RESTART, crashes++, hooks.rng);
    restarts++;
    hooks.say(`${spec.name} ended with ${signal ?? code}; starting it again in ${pauseMs} ms (log: ${spec.logPath})`);
    timer = setTimeout(() => {
      launch().catch(() => undefined); // its end is told by the exit handler, which also tries again
    }, pauseMs);
  };

  return {
    name: spec.name,
    pid: () => child?.pid ?? null,
    restarts: () => restarts,
    start: async () => {
      for (let tried = 1; ; tried++) {
        try {
          await launch();
          running = true;
          return;
        } catch (error) {
          if (stopping || tried === STARTS_TRIED) throw error;
        }
      }
    },
    stop: async () => {
      stopping = true;
      if (timer) clearTimeout(timer);
      const ending = child;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const ended = new Promise<void>((done) => ending.once("exit", () => done()));
      const hard = setTimeout(() => ending.kill("SIGKILL"), STOP_MS);
      ending.kill("SIGTERM");
      await ended;
      clearTimeout(hard);
    },
    tell: (message) => {
      if (child?.connected) child.send(message, () => undefined); // a process that ends just now reads the truth at its next start
    },
    trimLog: () => trimLog(spec.logPath),
  };
}

/** The app writes with O_APPEND, so cutting the file under it is safe; a line written in between may be lost. */
function trimLog(path: string): void {
  if (!existsSync(path) || statSync(path).size < LOG_BYTES) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path, 0);
}

const TAIL_BYTES = 2000;

function tail(path: string): string {
  const size = statSync(path).size;
  const bytes = Buffer.alloc(Math.min(TAIL_BYTES, size));
  const file = openSync(path, "r");
  readSync(file, bytes, 0, bytes.length, size - bytes.length);
  closeSync(file);
  return bytes.toString("utf8").trim() || "(it is empty)";
}
