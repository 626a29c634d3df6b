import { fork } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../root.ts";
import { askedToStop } from "../terminal.ts";

/** Runs the provider emulator alone, in the foreground; its arguments go on as they are. */
export async function emulator(args: readonly string[]): Promise<number> {
  const child = fork(join(ROOT, "packages/dev/emulator/src/main.ts"), [...args], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  askedToStop().then(() => child.kill("SIGTERM"));
  return await new Promise((done) => child.once("exit", (code) => done(code ?? 1)));
}
