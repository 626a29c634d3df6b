import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRng } from "@slowboat/kernel";
import { until } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepApp } from "./child.ts";
import { freePort } from "./ports.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-cli-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const app = (source: string) => {
  const main = join(dir, "app.mjs");
  writeFileSync(main, source);
  const said: string[] = [];
  const kept = keepApp(
    { name: "app", main, env: {}, logPath: join(dir, "app.log") },
    { rng: seededRng(1), say: (text) => said.push(text), changed: () => undefined },
  );
  return { kept, said };
};

const GOOD =
  "console.log('up', process.pid); process.on('disconnect', () => process.exit(0)); process.on('SIGTERM', () => process.exit(0)); process.send({ kind: 'ready' });";
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("an app that is killed runs again, and stops when it is told to", async () => {
  const { kept, said } = app(GOOD);
  await kept.start();
  const first = kept.pid() ?? 0;
  process.kill(first, "SIGKILL");
  await until(
    async () => kept.pid() !== null && kept.pid() !== first && readFileSync(join(dir, "app.log"), "utf8").split("\n").length > 2,
    "the app runs again",
  );
  expect(kept.restarts()).toBe(1);
  expect(said.join()).toContain("SIGKILL");
  const second = kept.pid() ?? 0;
  await kept.stop();
  await kept.stop();
  expect(alive(second)).toBe(false);
});

test("an app that cannot start is tried three times and told with the end of its log", async () => {
  const { kept } = app("console.error('no such lane'); process.exit(3);");
  await expect(kept.start()).rejects.toThrow(/ended with 3[\s\S]*no such lane/);
  expect(readFileSync(join(dir, "app.log"), "utf8").trim().split("\n")).toHaveLength(3);
});

test("a log past its bound is cut while the app goes on writing", async () => {
  const { kept } = app(`${GOOD} process.on('message', () => console.log('later'));`);
  await kept.start();
  const log = join(dir, "app.log");
  truncateSync(log, 33 * 1024 * 1024);
  kept.trimLog();
  expect(statSync(log).size).toBe(0);
  expect(existsSync(`${log}.1`)).toBe(true);
  await kept.stop();
});

test("a busy port gives the next free one", async () => {
  const busy = createServer();
  const port = await freePort(0);
  await new Promise<void>((done) => busy.listen(port, "127.0.0.1", done));
  const next = await freePort(port);
  expect(next).toBeGreaterThan(port);
  expect(await freePort(port, new Set([next]))).toBeGreaterThan(next);
  await new Promise((done) => busy.close(done));
});
