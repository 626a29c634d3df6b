import { fork } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimFor, lockFolder, openDataFolder } from "./data-folder.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-cli-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("the folder, its secret and everything in it are for our eyes only, and the secret stays", () => {
  const folder = openDataFolder(join(dir, "data"));
  const secret = folder.secret();
  expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect(openDataFolder(join(dir, "data")).secret()).toBe(secret);
  const mode = (name: string): number => statSync(join(dir, "data", name)).mode & 0o777;
  expect([mode("."), mode("secret"), mode("logs"), mode("blobs")]).toEqual([0o700, 0o600, 0o700, 0o700]);
});

test("a cut secret is never replaced by a new one", () => {
  const folder = openDataFolder(dir);
  writeFileSync(join(dir, "secret"), "12345");
  expect(() => folder.secret()).toThrow(/backup/);
});

test("one supervisor a folder: a second is refused by name, and may start after the first has gone", () => {
  const folder = openDataFolder(dir);
  const lock = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(`process ${process.pid}`);
  lock.release();
  lockFolder(folder).release();
  expect(readdirSync(dir).filter((name) => name.includes("lock"))).toEqual([]);
});

test("a killed supervisor's lock is replaced, and its living children are named", async () => {
  const fixture = join(dir, "wait.mjs");
  writeFileSync(fixture, "process.on('message', () => process.exit(0)); process.send('up');");
  const child = fork(fixture, { stdio: "ignore" });
  await new Promise((done) => child.once("message", done));
  const folder = openDataFolder(dir);
  const first = lockFolder(folder);
  first.note([child.pid ?? 0]);
  const held = JSON.parse(folder.read("supervisor.lock") ?? "{}") as { children: unknown[] };
  // The same file as a supervisor of a reused number would leave: alive by its number, another by its birth.
  folder.write("supervisor.lock", JSON.stringify({ ...held, birth: "1" }));
  const second = lockFolder(folder);
  expect(second.orphans).toEqual(held.children);
  second.release();
  const gone = new Promise((done) => child.once("exit", done));
  child.send("end");
  await gone;
});

test("a lock cut short by a crash holds nobody off", () => {
  const folder = openDataFolder(dir);
  writeFileSync(join(dir, "supervisor.lock"), '{"pid":');
  lockFolder(folder).release();
});

test("a folder keeps to the kind of provider of its first start, and the other kind is told the command that mends it", () => {
  const folder = openDataFolder(join(dir, "data"));
  claimFor(folder, "emulated");
  claimFor(folder, "emulated");
  expect(() => claimFor(folder, "real")).toThrow(`npm start -- --data-dir ${folder.dir}-real`);
});
