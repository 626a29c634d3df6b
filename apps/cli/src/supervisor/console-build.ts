import { spawn } from "node:child_process";
import { existsSync, openSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const BUILD_MS = 120_000;

/** True when a page is there that was built after the last change of its sources or of the packages it is built with. */
function isFresh(root: string, app: string): boolean {
  const page = join(app, "dist/index.html");
  if (!existsSync(page)) return false;
  const sources = readdirSync(app, { recursive: true, encoding: "utf8" }).filter((path) => !/^(?:dist|node_modules|\.turbo)(?:\/|$)/.test(path));
  const newest = Math.max(...[...sources.map((path) => join(app, path)), join(root, "package-lock.json")].map((path) => statSync(path).mtimeMs));
  return statSync(page).mtimeMs >= newest;
}

/** Builds the console at the first start, and again after an upgrade. Returns a text for the user when that failed: everything but the console works then. */
export async function buildConsole(
  root: string,
  logPath: string,
  env: Readonly<Record<string, string>>,
  say: (text: string) => void,
): Promise<string | null> {
  const app = join(root, "apps/console");
  if (!existsSync(join(app, "vite.config.ts")) || isFresh(root, app)) return null;
  say("building the console ...");
  const log = openSync(logPath, "a", 0o600);
  const vite = join(dirname(createRequire(join(app, "package.json")).resolve("vite/package.json")), "bin/vite.js");
  const child = spawn(process.execPath, [vite, "build"], { cwd: app, env, stdio: ["ignore", log, log] });
  const timer = setTimeout(() => child.kill("SIGKILL"), BUILD_MS);
  const code = await new Promise<number | null>((done) => {
    child.once("error", () => done(null));
    child.once("exit", done);
  });
  clearTimeout(timer);
  return code === 0 ? null : `the console could not be built (exit ${code}; log: ${logPath})`;
}
