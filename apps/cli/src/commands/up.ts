import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { type Stack, startStack } from "../supervisor/stack.ts";
import { askedToStop, data, say } from "../terminal.ts";
import { type StackFlags, stackOptions } from "./stack-options.ts";

/** What stands there while nothing happens. */
export const SERVING = "Serving until Ctrl-C.";

/** Starts the whole installation and serves until asked to stop. */
export async function up(config: Config, flags: StackFlags, json: boolean): Promise<ExitCode> {
  const options = await stackOptions(config, flags, { timeScale: 1, evening: false });
  const asked = askedToStop();
  const stack = await startStack(config, options);
  greet(stack);
  say(SERVING);
  if (json) await data(JSON.stringify({ url: stack.url, console_url: stack.consoleUrl, emulated: stack.emulated, data_dir: stack.folder.dir }));
  return await serve(stack, asked);
}

/** Tells where everything is, and shows a fresh key once. */
export function greet(stack: Stack): void {
  say("");
  say(`  API       ${stack.url}  (OpenAI: ${stack.url}/v1, Anthropic: ${stack.url})`);
  say(`  console   ${stack.consoleUrl}`);
  say(`  data      ${stack.folder.dir}`);
  if (stack.emulated) say("  emulated provider: no money is spent (set OPENAI_API_KEY or ANTHROPIC_API_KEY for a real one)");
  if (stack.first.made) {
    say(`  key       ${stack.first.key}`);
    say(`  webhooks  ${stack.first.made.webhookSecret}`);
    say("  Both are shown this once. A generated key also lies in api-key.json of the data folder, for your user alone, so that the CLI works here.");
  }
  say("");
}

/** Serves until asked to stop, or until something broke for good; stops in order. */
export async function serve(stack: Stack, asked: Promise<string>): Promise<ExitCode> {
  const why = await Promise.race([asked, stack.broken]);
  say(why instanceof Error ? `stopping: ${why.message}` : "stopping ...");
  await stack.stop();
  if (why instanceof Error) throw new Ended(EXIT.error, why.message);
  return EXIT.ok;
}
