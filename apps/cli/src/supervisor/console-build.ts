import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const BUILD_MS = 120_000;

/** Builds the console at the first start. Returns a text for the user when that failed: everything but the console works then. */
export async function buildConsole(
  root: string,
  logPath: string,
  env: Readonly<Record<string, string>>,
  say: (text: string) => void,
): Promise<string | null> {
  const app = join(root, "apps/console");
  if (!existsSync(join(app, "vite.config.ts")) || existsSync(join(app, "dist/index.html"))) return null;
  say("building the console (once) ...");
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
