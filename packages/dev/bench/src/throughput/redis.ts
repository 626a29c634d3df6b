import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../stack/ports.ts";

/** A Redis for the bench. */
export interface RedisServer {
  readonly url: string;
  stop(): Promise<void>;
}

const START_MS = 10_000;

/** The Redis of `REDIS_URL`, else one from the PATH as a child with AOF on; `null` where there is neither. */
export async function findRedis(dir: string): Promise<RedisServer | null> {
  const given = process.env["REDIS_URL"];
  if (given) return { url: given, stop: async () => undefined };
  const port = await freePort();
  const folder = join(dir, "redis");
  mkdirSync(folder, { recursive: true });
  const flags = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--save",
    "",
    "--appendonly",
    "yes",
    "--maxmemory-policy",
    "noeviction",
  ];
  for (const program of ["redis-server", "valkey-server"]) {
    const child = await start(program, flags).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (child === null) continue;
    const ended = new Promise<void>((done) => child.once("close", () => done()));
    return {
      url: `redis://127.0.0.1:${port}`,
      stop: async () => {
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
  return null;
}

function start(program: string, flags: readonly string[]): Promise<ChildProcess> {
  const child = spawn(program, flags, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((done, failed) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    let said = "";
    child.once("error", failed);
    child.once("close", (code) => failed(new Error(`${program} ended with ${code}: ${said.slice(-500)}`)));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (!said.includes("eady to accept connections")) return;
      clearTimeout(timer);
      child.stdout?.removeAllListeners("data").resume();
      done(child);
    });
  });
}
