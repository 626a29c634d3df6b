import type { Command } from "commander";
import type { GlobalFlags } from "./commands/place.ts";
import type { Config } from "./config.ts";

type Later = (start: (config: Config) => Promise<number>) => void;

const all = <T>(command: Command): T & GlobalFlags => command.optsWithGlobals();

/** The commands that ask and change nothing: what work would cost, and why it went where it went. */
export function addQuestions(cli: Command, later: Later): void {
  cli
    .command("quote")
    .description("what a file's requests would cost on every lane, and when they would be done; nothing is stored or spent")
    .argument("<file>", "JSON lines of either API, or one job as JSON; - for stdin")
    .option("--deadline <when>", '"06:00" (this machine\'s zone), "4h", or RFC 3339')
    .option("--model <name>", "as if every request asked this model")
    .option("--endpoint <path>", "such as /v1/chat/completions; else the one that the lines name")
    .option("--allow <lanes>", "comma list: cache, pool, batch, flex, realtime, or single lanes")
    .option("--deny <lanes>", "comma list, as --allow")
    .option("--max-cost <usd>", "what one request may cost at most")
    .option("--admission <class>", "guaranteed, likely or best_effort: whether it would be given")
    .action((file: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/quote.ts")).quote(config, all(command), file)),
    );
  cli
    .command("explain")
    .description("why a job ran where it ran: every decision with its candidates, prices and risks")
    .argument("<id>", "of a job")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/explain.ts")).explain(config, all(command), id)),
    );
}
