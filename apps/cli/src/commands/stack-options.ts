import { type Config, dataDir, isEmulated } from "../config.ts";
import { Ended, EXIT } from "../exit.ts";
import { checkSettings } from "../supervisor/check-settings.ts";
import type { StackOptions } from "../supervisor/stack.ts";
import { say } from "../terminal.ts";

/** The options of every command that starts a stack, as commander leaves them. */
export interface StackFlags {
  readonly port: string;
  readonly dataDir?: string;
  readonly timeScale?: string;
}

const SCALE_MAX = 86_400;

/** Reads the flags and checks the settings that an app would fail on; an impossible value is a usage error that says what is possible. */
export async function stackOptions(
  config: Config,
  flags: StackFlags,
  defaults: { readonly timeScale: number; readonly evening: boolean },
): Promise<StackOptions> {
  const port = Number(flags.port);
  if (flags.port.trim() === "" || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Ended(EXIT.usage, `--port ${flags.port} is not a port: give 0 to 65535.`);
  const pinned = !isEmulated(config);
  const timeScale = flags.timeScale === undefined ? (pinned ? 1 : defaults.timeScale) : Number(flags.timeScale);
  if (flags.timeScale?.trim() === "" || !(timeScale >= 1 && timeScale <= SCALE_MAX))
    throw new Ended(EXIT.usage, `--time-scale ${flags.timeScale} is not possible: give a number from 1 to ${SCALE_MAX}.`);
  if (pinned && timeScale !== 1)
    throw new Ended(
      EXIT.usage,
      "With a provider key set the clock runs at --time-scale 1: leave the option out, or unset the keys to use the emulator.",
    );
  await checkSettings(config);
  return { dir: dataDir(config, flags.dataDir), port, timeScale, evening: defaults.evening && !pinned, say };
}
