import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import type {} from "./provided.ts";

const START_MS = 10_000;

/**
 * Gives the Redis suite its server: REDIS_URL where it is set, which must name a server used for nothing else since the suite empties
 * it, else a child on a free port, configured as BullMQ wants it, that ends with the run.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["REDIS_URL"];
  if (given) {
    project.provide("redisUrl", given);
    return async () => undefined;
  }
  const dir = mkdtempSync(join(tmpdir(), "slowboat-redis-"));
  const port = await freePort();
  const flags = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    dir,
    "--save",
    "",
    "--appendonly",
    "yes",
    "--maxmemory-policy",
    "noeviction",
  ];
  const child = await start("redis-server", flags).catch(() => start("valkey-server", flags));
  project.provide("redisUrl", `redis://127.0.0.1:${port}`);
  return async () => {
    const gone = new Promise((done) => child.once("close", done));
    child.kill("SIGTERM");
    await gone;
    rmSync(dir, { recursive: true, force: true });
  };
}

/** Ends with us even by kill -9, where the kernel can be asked for that. */
function start(program: string, flags: readonly string[]): Promise<ChildProcess> {
  const [command, ...args] = process.platform === "linux" ? ["setpriv", "--pdeathsig", "TERM", program, ...flags] : [program, ...flags];
  const child = spawn(command ?? program, args, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((done, failed) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    let said = "";
    child.once("error", failed);
    child.once("close", (code) => failed(new Error(`${program} ended with ${code}: ${said}`)));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-8192);
      if (!said.includes("eady to accept connections")) return;
      clearTimeout(timer);
      done(child);
    });
  });
}

const freePort = (): Promise<number> =>
  new Promise((done, failed) => {
    const probe = createServer().once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });
