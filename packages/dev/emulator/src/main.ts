import type { ClockRow } from "@slowboat/kernel";
import { z } from "zod";
import { readConfig, usage } from "./config.ts";
import { EMULATED } from "./http/face.ts";
import { startEmulator } from "./start.ts";

function settings(): ReturnType<typeof readConfig> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) {
    process.stdout.write(`${usage()}\n`);
    process.exit(0);
  }
  try {
    return readConfig(args, process.env);
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error);
    process.stderr.write(`${why}\n\n${usage()}\n`);
    process.exit(2);
  }
}

const { clock, ...options } = settings();
const time = { ...clock };
const emulator = await startEmulator({ ...options, clock: time });
// Whoever drives the installation's clock says over the channel when it changes its pace, and from which instant on.
process.on("message", (message) => {
  const told = message as { readonly kind?: unknown; readonly row?: ClockRow } | null;
  if (told?.kind !== "clock" || told.row === undefined) return;
  const { row } = told;
  setTimeout(() => Object.assign(time, row), Math.max(0, row.realAnchorMs - Date.now()));
});
process.stdout.write(`${JSON.stringify({ msg: "emulator-listening", url: emulator.url, notice: EMULATED })}\n`);
process.send?.({ kind: "ready", port: emulator.port });

const stop = (): void => {
  void emulator.stop().then(() => process.exit(0));
};
process.once("disconnect", stop);
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
