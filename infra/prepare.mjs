// What must be true before any TypeScript can run: the dependencies of the lockfile are installed and a Node that strips
// types is at hand. Dependency-free and in the syntax of Node 20, because it runs before there is anything else.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const MODULES = path.join(ROOT, "node_modules");
const LOCKFILE = path.join(ROOT, "package-lock.json");
const STAMP = path.join(MODULES, ".slowboat-lock-sha256");

/** Ends the process with what is wrong and what mends it. */
function refuse(problem, mend) {
  process.stderr.write(`slowboat: ${problem}\n  ${mend}\n`);
  process.exit(1);
}

/** True when every package that the lockfile requires lies in node_modules in its version; optional ones may be absent. */
function modulesMatchLock(lockText) {
  try {
    const hidden = JSON.parse(fs.readFileSync(path.join(MODULES, ".package-lock.json"), "utf8")).packages;
    for (const [where, wanted] of Object.entries(JSON.parse(lockText).packages)) {
      if (!where.includes("node_modules/")) continue;
      const found = hidden[where];
      if (found === undefined ? wanted.optional !== true && wanted.devOptional !== true : found.version !== wanted.version) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Runs `npm ci` unless node_modules is what the lockfile says. The stamp is written last, so a killed install is repeated. */
export function install() {
  if (Number(process.versions.node.split(".")[0]) < 20)
    refuse(`Node ${process.versions.node} is too old to install with.`, "Install Node 20 or newer.");
  if (!fs.existsSync(LOCKFILE)) refuse(`${LOCKFILE} is missing.`, "Run this from a complete checkout.");
  const lockText = fs.readFileSync(LOCKFILE, "utf8");
  const wanted = createHash("sha256").update(lockText).digest("hex");
  if (fs.existsSync(STAMP) && fs.readFileSync(STAMP, "utf8").trim() === wanted) return;
  if (!modulesMatchLock(lockText)) {
    process.stderr.write("slowboat: installing the packages of package-lock.json (about 1 GB, half a minute or more) ...\n");
    const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
    // Under `npm start` the same npm is used again; called by hand, the one on the PATH.
    // biome-ignore lint/suspicious/noUndeclaredEnvVars: set by npm itself, and read before there is a task runner.
    const npm = process.env.npm_execpath;
    const viaNode = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm) && fs.existsSync(npm);
    const ran = spawnSync(viaNode ? process.execPath : "npm", viaNode ? [npm, ...args] : args, { cwd: ROOT, stdio: ["ignore", 2, 2] });
    if (ran.error) refuse(`npm could not be started (${ran.error.message}).`, "Install npm 10 or newer and put it on the PATH.");
    if (ran.signal) process.exit(130);
    if (ran.status !== 0)
      refuse(`npm ci ended with ${ran.status}.`, "Its message stands above; with the registry in reach, run the same command again.");
  }
  fs.writeFileSync(STAMP, `${wanted}\n`);
}

const runs = (node) => spawnSync(node, ["-e", "process.exit(process.features.typescript ? 0 : 1)"], { stdio: "ignore" }).status === 0;

/** The Node to run TypeScript with: the packaged 24, else this one where it strips types. */
export function findNode() {
  const packaged = path.join(MODULES, `node-${process.platform}-${process.arch}`, "bin", "node");
  if (fs.existsSync(packaged) && runs(packaged)) return packaged;
  if (process.features.typescript) return process.execPath;
  return refuse(
    `Node ${process.versions.node} cannot run TypeScript, and there is no packaged Node for ${process.platform}-${process.arch} here.`,
    "Install Node 24 (22.18 is the oldest that works), or see infra/compose.yaml.",
  );
}

/**
 * Runs a script with `node` in place of this process: same terminal, signals forwarded, and its end becomes ours. The IPC
 * channel tells the script when this process was killed; `node` comes first on the PATH of whatever it starts.
 */
export function become(node, args, ipc) {
  const env = { ...process.env, PATH: [path.dirname(node), path.join(MODULES, ".bin"), process.env.PATH].filter(Boolean).join(path.delimiter) };
  const child = spawn(node, args, { stdio: ["inherit", "inherit", "inherit", ...(ipc ? ["ipc"] : [])], env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => refuse(`${node} could not be started (${error.message}).`, "Remove node_modules and run the same command again."));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (os.constants.signals[signal] ?? 0)));
}
