import { type ChildProcess, fork } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

/** A process that the bench started and that said it is ready. */
export interface Child {
  readonly pid: number;
  /** What it said with its readiness. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** The next message of this kind. */
  ask(message: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>;
  /** Sends a message that has no answer. */
  tell(message: Readonly<Record<string, unknown>>): void;
  /** Hears every message of this kind until the returned function is called. */
  watch(kind: string, onMessage: (message: Readonly<Record<string, unknown>>) => void): () => void;
  /** SIGTERM, then SIGKILL; may be called twice. */
  stop(): Promise<void>;
}

const READY_MS = 180_000;
const STOP_MS = 12_000;

/** Starts a module as a process and waits until it sends `{kind: "ready"}`. Its output goes to `logPath`. */
export async function startChild(spec: {
  readonly main: string;
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
  readonly profileDir?: string | null;
}): Promise<Child> {
  const log = openSync(spec.logPath, "a", 0o600);
  const profiling = spec.profileDir ? ["--cpu-prof", `--cpu-prof-dir=${spec.profileDir}`] : [];
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ...spec.env };
  const child = fork(spec.main, spec.args ?? [], {
    env,
    execArgv: [...(spec.nodeArgs ?? ["--disable-warning=ExperimentalWarning"]), ...profiling],
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  const ready = await untilReady(child, spec.main, spec.logPath);
  return {
    pid: child.pid ?? 0,
    ready,
    ask: (message) =>
      new Promise((answered, failed) => {
        child.once("message", (answer) => answered(answer as Record<string, unknown>));
        child.send(message, (error) => error && failed(error));
      }),
    tell: (message) => void child.send(message),
    watch: (kind, onMessage) => {
      const heard = (message: unknown): void => {
        if ((message as { kind?: string } | null)?.kind === kind) onMessage(message as Record<string, unknown>);
      };
      child.on("message", heard);
      return () => void child.off("message", heard);
    },
    stop: () => stopChild(child),
  };
}

function untilReady(child: ChildProcess, main: string, logPath: string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS);
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(timer);
      failed(new Error(`${main} ended with ${signal ?? code} before it was ready:\n${readFileSync(logPath, "utf8").slice(-2000)}`));
    };
    child.once("exit", onExit);
    child.once("error", failed);
    const onMessage = (message: unknown): void => {
      if ((message as { kind?: string } | null)?.kind !== "ready") return;
      clearTimeout(timer);
      child.off("message", onMessage).off("exit", onExit);
      done(message as Record<string, unknown>);
    };
    child.on("message", onMessage);
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const hard = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  await ended;
  clearTimeout(hard);
}
