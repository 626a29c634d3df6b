import { fork } from "node:child_process";
import { join } from "node:path";
import { readEnqueuedTokens } from "@slowboat/runtime";
import { type Config, isEmulated, plainEnvironment, providerKeys, readMarket } from "../config.ts";
import { Ended, EXIT } from "../exit.ts";
import { ROOT } from "../root.ts";

/** A module of lanes that takes longer to load than this would keep every start waiting. */
const LOAD_MS = 30_000;

/** What the process that tries the lanes says of them: why they cannot be used, or `null`. */
export interface LanesVerdict {
  readonly refused: string | null;
}

/**
 * Refuses settings that an app could not start with, before any process starts: a usage error of one line that names the variable and what it should be.
 * What zod can judge alone was refused when the environment was read.
 */
export async function checkSettings(config: Config): Promise<void> {
  const market = readMarket(config);
  try {
    readEnqueuedTokens(config.SLOWBOAT_ENQUEUED_TOKENS, market);
  } catch (error) {
    throw new Ended(EXIT.usage, error instanceof Error ? error.message : String(error));
  }
  if (config.SLOWBOAT_LANES === undefined) return;
  const refused = await tryLanes(config, config.SLOWBOAT_LANES, providerKeys(market));
  if (refused !== null) throw new Ended(EXIT.usage, `${refused} Mend the module, or unset SLOWBOAT_LANES (docs/configuration.md).`);
}

/** Loads the module where the apps would: in a process of its own, which sees what they see of the environment and ends with what it opened. */
function tryLanes(config: Config, path: string, keys: Readonly<Record<string, string>>): Promise<string | null> {
  const names = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] as const;
  const own = Object.fromEntries(names.flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]]])));
  const env = { ...plainEnvironment(), ...keys, ...own, SLOWBOAT_LANES: path };
  const child = fork(join(ROOT, "apps/cli/src/supervisor/try-lanes.ts"), [path, isEmulated(config) ? "emulated" : "real"], {
    env,
    // What the module prints is no output of ours.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = `${said}${text}`.slice(-2000)));
  return new Promise((resolve) => {
    const end = (refused: string | null): void => {
      clearTimeout(slow);
      child.kill("SIGKILL");
      resolve(refused);
    };
    const slow = setTimeout(() => end(`SLOWBOAT_LANES (${path}): it was not loaded within ${LOAD_MS / 1000} s.`), LOAD_MS);
    child.once("message", (message) => end((message as LanesVerdict).refused));
    child.once("error", (error) => end(`SLOWBOAT_LANES (${path}): ${error.message}.`));
    child.once("close", (code, signal) =>
      end(`SLOWBOAT_LANES (${path}): the module ended its process (${signal ?? code})${said === "" ? "" : `: ${lastLine(said)}`}.`),
    );
  });
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
