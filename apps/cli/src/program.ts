import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { NightlyFlags } from "./commands/nightly.ts";
import type { GlobalFlags } from "./commands/place.ts";
import type { StackFlags } from "./commands/stack-options.ts";
import type { Config } from "./config.ts";
import { EXIT, EXIT_HELP } from "./exit.ts";
import { addQuestions } from "./program-questions.ts";
import { ROOT } from "./root.ts";

/** Every command loads its code when it runs: help and completion stay quick. */
type Run = (config: Config) => Promise<number>;

/** Parses the command line and runs the command; returns its exit code. */
export async function program(argv: readonly string[]): Promise<number> {
  let run: Run | null = null;
  const cli = new Command("slowboat")
    .description("Runs LLM jobs on the cheapest lane that still makes their deadline.")
    .option("--json", "data as JSON")
    .option("--url <url>", "the API to talk to (SLOWBOAT_URL; else the stack that runs here)")
    .option("--key <key>", "the API key (SLOWBOAT_API_KEY; else the first key of this checkout)")
    .option("--data-dir <dir>", "the data folder (SLOWBOAT_DATA_DIR; else .slowboat in the checkout, .slowboat-emulated without a provider key)")
    .version(version(), "-V, --version")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", EXIT_HELP)
    .exitOverride()
    .showHelpAfterError("(see: npx slowboat --help)");
  const later = (start: (config: Config) => Promise<number>): void => {
    run = start;
  };
  addServing(cli, later);
  addWork(cli, later);
  addQuestions(cli, later);
  addPolicies(cli, later);
  addKeys(cli, later);
  addTenants(cli, later);
  addBooks(cli, later);
  addBudgets(cli, later);
  addCache(cli, later);
  addRouting(cli, later);
  try {
    await cli.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (run === null) return EXIT.usage;
  // The settings know every model and its price: help does without.
  const { readConfig } = await import("./config.ts");
  return await (run as Run)(readConfig());
}

const version = (): string => (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string }).version;

type Later = (start: Run) => void;

const all = <T>(command: Command): T & GlobalFlags => command.optsWithGlobals();

const stackFlags = (command: Command): Command =>
  command
    .option("--port <port>", "of the API on 127.0.0.1; the console takes the next one; 0: any", "8787")
    .option(
      "--time-scale <n>",
      "job time runs this much faster than the machine's (only with the emulator; else 1, and for a night 480, 240 or 120 by the machine's load)",
    )
    .addHelpText(
      "after",
      "\nEnvironment: DATABASE_URL, REDIS_URL, OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, SLOWBOAT_API_KEY.",
    );

function addServing(cli: Command, later: Later): void {
  stackFlags(cli.command("up").description("start everything and serve until Ctrl-C")).action((_flags, command: Command) =>
    later(async (config) => (await import("./commands/up.ts")).up(config, all<StackFlags>(command), all(command).json === true)),
  );
  stackFlags(cli.command("nightly").description("run the nightly job over the READMEs of the installed packages, print its receipt, then serve"))
    .option("--once", "end after the receipt: 0 only if every job ended well")
    .option("--serve", "start the stack without the job")
    .option("--max-cost <usd>", "what a real provider may be paid at most")
    .action((_flags, command: Command) =>
      later(async (config) => (await import("./commands/nightly.ts")).nightly(config, all<NightlyFlags>(command), all(command).json === true)),
    );
  cli
    .command("emulator")
    .description("run the provider emulator alone; arguments go on to it")
    .argument("[args...]")
    .allowUnknownOption()
    .helpOption(false)
    .action((args: string[]) => later(async () => (await import("./commands/emulator.ts")).emulator(args)));
  cli
    .command("doctor")
    .description("look at everything a running installation needs")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/doctor.ts")).doctor(config, all(command))));
}

const positive = (text: string): string => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("give a whole number from 1.");
  return text;
};

const positiveTokens = (text: string): string => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("give a whole number from 1.");
  return text;
};

function addWork(cli: Command, later: Later): void {
  cli
    .command("submit")
    .description("send a JSONL file as a batch, or a JSON file as a job; prints its id")
    .argument("<file>", "path, or - for stdin")
    .option("--deadline <when>", '"06:00" (this machine\'s zone), "4h", or RFC 3339')
    .option("--max-cost <usd>", "refuse a job that could cost more")
    .option("--allow <lanes>", "comma list: cache, pool, batch, flex, realtime, or single lanes")
    .option("--deny <lanes>", "comma list, as --allow")
    .option("--fallbacks <models>", "comma list of models that may answer where the asked one cannot, in this order")
    .option("--callback <url>", "where the end is announced, signed with the key's webhook secret")
    .option("--cache <mode>", "auto, always or off: whether a kept answer to the same request will do")
    .option("--idempotency-key <key>", "a repeated call with it makes nothing new")
    .option("--wait", "wait for the end; Ctrl-C stops the waiting alone")
    .action((file: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/submit.ts")).submit(config, all(command), file)),
    );
  cli
    .command("watch")
    .description("watch jobs and batches until they end")
    .argument("<id...>")
    .action((ids: string[], _flags, command: Command) =>
      later(async (config) => (await import("./commands/watch.ts")).watch(config, all(command), ids)),
    );
  cli
    .command("results")
    .description("write a job's answer, or a batch's result lines, to stdout")
    .argument("<id>")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/results.ts")).results(config, all(command), id)),
    );
  cli
    .command("cancel")
    .description("cancel a job, or what has not been answered of a batch")
    .argument("<id>")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/cancel.ts")).cancel(config, all(command), id)),
    );
  cli
    .command("jobs")
    .description("list the newest jobs")
    .option("--limit <n>", "at most this many", positive, "20")
    .option("--state <states>", "comma list: accepted, placed, completed, failed, cancelled")
    .option("--batch <id>", "only of this batch")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/jobs.ts")).jobs(config, all(command))));
  cli
    .command("receipt")
    .description("show what a job or batch cost and what was saved, out of the ledger")
    .argument("<id>")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/receipt.ts")).receipt(config, all(command), id)),
    );
}

function addPolicies(cli: Command, later: Later): void {
  cli
    .command("replay")
    .description("run the stored jobs of a time under another policy in the simulator, and show both bills beside what was paid")
    .requiredOption("--since <when>", 'RFC 3339, or a length before now: "24h", "7d"')
    .option("--until <when>", "as --since; now if left out")
    .requiredOption("--policy <file>", "JSON of policy values; what it does not name stays")
    .option("--seed <n>", "of the simulator's luck", positive, "1")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/replay.ts")).replay(config, all(command))));
  cli
    .command("shadow")
    .description("show what the policy in SLOWBOAT_SHADOW_POLICY, which watches and never acts, would have decided")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/shadow.ts")).shadow(config, all(command))));
}

function addKeys(cli: Command, later: Later): void {
  const keys = cli.command("keys").description("API keys, by the operator of the installation");
  keys
    .command("create")
    .description("make a key; it and its webhook secret are shown once")
    .option("--name <name>", "what it is for", "key")
    .option("--tenant <name>", "whose it is; made when new", "default")
    .option("--allow-unpriced", "the tenant may run models that have no price; they show as unpriced, never as 0")
    .option("--project <name>", "the project of the tenant that it works for; made when new", "default")
    .option("--admin", "it may set the budgets of its tenant over the API")
    .option("--rpm <n>", "requests a minute, over all processes", positive)
    .option("--tpm <n>", "tokens a minute, as estimated, with the output that is asked for", positiveTokens)
    .option("--concurrency <n>", "synchronous calls at once", positive)
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/keys.ts")).keysCreate(config, all(command))));
  keys
    .command("revoke")
    .argument("<key-id>")
    .description("revoke a key by its id")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/keys.ts")).keysRevoke(config, all(command), id)),
    );
  keys
    .command("list")
    .description("list keys by id")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/keys.ts")).keysList(config, all(command))));
}

/** Whose budget, and of which period. */
const budgetOf = (command: Command): Command =>
  command
    .option("--tenant <name>", "whose", "default")
    .option("--project <name>", "of this project of the tenant alone")
    .option("--period <period>", "total, day or month (UTC)", "month");

function addBudgets(cli: Command, later: Later): void {
  const budgets = cli.command("budgets").description("what tenants and projects may be charged, by the operator of the installation");
  budgetOf(budgets.command("set"))
    .description("set a budget; work whose rescue price does not fit into it is refused")
    .option("--amount <usd>", "dollars a period")
    .option("--soft", "refuse nothing, only count and alert")
    .option("--alert-at <share>", "alert once a period at this share of it, such as 0.8")
    .option("--callback <url>", "where the alert goes as a webhook; signed with the secret of the tenant's oldest key")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/budgets.ts")).budgetsSet(config, all(command))));
  budgets
    .command("list")
    .description("list budgets with what is spent, reserved and left")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/budgets.ts")).budgetsList(config, all(command))));
  budgetOf(budgets.command("remove"))
    .description("take a budget back")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/budgets.ts")).budgetsRemove(config, all(command))));
}

function addCache(cli: Command, later: Later): void {
  const cache = cli.command("cache").description("answers that are kept for questions which mean the same");
  cache
    .command("list")
    .description("list what is kept, newest first")
    .option("--limit <n>", "at most this many", positive, "20")
    .option("--job <id>", "only the answer of this job")
    .option("--namespace <hex>", "only of this namespace")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/cache.ts")).cacheList(config, all(command))));
  cache
    .command("evict")
    .argument("[id]")
    .description("evict one entry by its id, or all of a job or a namespace")
    .option("--job <id>", "the answer of this job")
    .option("--namespace <hex>", "everything of this namespace")
    .action((id: string | undefined, _flags, command: Command) =>
      later(async (config) => (await import("./commands/cache.ts")).cacheEvict(config, all(command), id)),
    );
  cache
    .command("report")
    .description("show hits, and the error that was measured on those asked anew")
    .option("--days <n>", "over so many days", positive, "7")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/cache.ts")).cacheReport(config, all(command))));
}

function addTenants(cli: Command, later: Later): void {
  const tenants = cli.command("tenants").description("what tenants may do, by the operator of the installation");
  tenants
    .command("set")
    .argument("<name>")
    .description("change a tenant's terms; what is not named stays")
    .option("--allow-unpriced", "models that have no price may run; they show as unpriced, never as 0")
    .option("--no-allow-unpriced", "only models with a price may run")
    .option("--retention-days <n>", "keep results this many days, 0 to 3650")
    .option("--fallbacks <models>", "models, separated by commas, that answer where a request's own cannot; '' for none")
    .option("--models-allow <models>", "only these may be candidates of its aliases or fallbacks; '' for all")
    .option("--models-deny <models>", "these are neither; '' for none")
    .option("--semantic-cache <on|off>", "whether answers are given again to questions that only mean the same")
    .option("--max-error <share>", "share of all requests that such reuse may answer wrongly, above 0 and at most 0.2; 0.01 unless set")
    .option("--cache-judge <model>", "model that is asked, in batch, whether two questions mean the same where that is in doubt; none for nobody")
    .option("--cache-ttl <length>", "how long an answer may be given so, such as 12h or 1d; '' for as long as it is kept")
    .option("--weight <n>", "its share where a lane is scarce, beside the others' 1")
    .action((name: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/tenants.ts")).tenantsSet(config, all(command), name)),
    );
  tenants
    .command("list")
    .description("list tenants and their terms")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/tenants.ts")).tenantsList(config, all(command))));
}

function addBooks(cli: Command, later: Later): void {
  const suspense = cli
    .command("suspense")
    .description("attempts that may have been billed and were never heard of, by the operator of the installation");
  suspense
    .command("list")
    .description("list them with what they cost at most")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/suspense.ts")).suspenseList(config, all(command))));
  suspense
    .command("clear")
    .argument("<attempt-id>")
    .description("end one by what the provider's bill says; a charge goes into the ledger as waste")
    .option("--charged <usd>", "what the provider took for it")
    .option("--not-charged", "it is not on the bill")
    .option("--evidence <text>", "where that is written")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/suspense.ts")).suspenseClear(config, all(command), id)),
    );
  cli
    .command("reconcile")
    .description("hold the ledger against a provider's bill, attempt by attempt; ends with 1 where they differ")
    .argument("<bill>", "JSON lines or CSV: client_request_id (or custom_id, id) and usd (or nano_usd); or a JSON document with lines")
    .option("--from <instant>", "the time that the bill covers, RFC 3339")
    .option("--to <instant>", "its end, not included")
    .option("--apply", "clear the attempts in suspense by it; else nothing is written")
    .action((bill: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/suspense.ts")).reconcileBill(config, all(command), bill)),
    );
}

function addRouting(cli: Command, later: Later): void {
  const routes = cli.command("routes").description("aliases (model auto or auto:ALIAS) that go to the smallest model that will do");
  routes
    .command("set")
    .argument("<alias>", "default for model auto, any other name for auto:NAME")
    .description("set an alias of the key's tenant")
    .requiredOption("--candidates <models>", "models, separated by commas, that may answer")
    .requiredOption("--baseline <model>", "the model that is the measure of quality and price; it answers whatever is in doubt")
    .option("--quality <share>", "share of the baseline's quality to keep, 0.5 to 0.999", "0.98")
    .option("--shadow <share>", "share of its requests whose other candidates are asked as well, to learn from: 0 (off) to 0.2", "0.03")
    .option("--judge <model>", "the model that compares answers in prose; without it their vectors are compared")
    .action((alias: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/routes.ts")).routesSet(config, all(command), alias)),
    );
  routes
    .command("list")
    .description("list the aliases of the key's tenant")
    .action((_flags, command: Command) => later(async (config) => (await import("./commands/routes.ts")).routesList(config, all(command))));
  routes
    .command("delete")
    .argument("<alias>")
    .description("take an alias away, with what was learned for it")
    .action((alias: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/routes.ts")).routesDelete(config, all(command), alias)),
    );
  const route = cli.command("route").description("what routing has learned and what it came to");
  route
    .command("train")
    .argument("<alias>")
    .argument(
      "[file]",
      "JSONL of labels {prompt, job_key?, models: {NAME: {score, response?}}}, or - for stdin; without it, from the labels that are kept",
    )
    .description("add graded requests to an alias and learn its policy anew, by the operator of the installation")
    .option("--tenant <name>", "whose alias it is", "default")
    .action((alias: string, file: string | undefined, _flags, command: Command) =>
      later(async (config) => (await import("./commands/route.ts")).routeTrain(config, all(command), alias, file)),
    );
  route
    .command("report")
    .argument("<alias>")
    .description("who answered, what was saved (95 % interval, negative savings included), what the labels say of the quality")
    .option("--tenant <name>", "whose alias it is", "default")
    .action((alias: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/route.ts")).routeReport(config, all(command), alias)),
    );
  route
    .command("explain")
    .argument("<job-id>")
    .description("why a job was routed as it was")
    .action((id: string, _flags, command: Command) =>
      later(async (config) => (await import("./commands/route.ts")).routeExplain(config, all(command), id)),
    );
}
