import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { isWebhookSecret, type Market, openMarket, parseSettings } from "@slowboat/runtime";
import { z } from "zod";
import { Ended, EXIT } from "./exit.ts";
import { ROOT } from "./root.ts";

const text = z.string().trim().min(1).optional();
const schema = z.object({
  DATABASE_URL: text,
  REDIS_URL: text,
  OPENAI_API_KEY: text,
  OPENAI_BASE_URL: z.url().optional(),
  /** The signing secret of our endpoint among OpenAI's webhooks. */
  OPENAI_WEBHOOK_SECRET: text.refine(
    (secret) => secret === undefined || isWebhookSecret(secret),
    "give the signing secret that OpenAI shows when the endpoint is made: whsec_ and base64; or unset it",
  ),
  ANTHROPIC_API_KEY: text,
  ANTHROPIC_BASE_URL: z.url().optional(),
  /** The first tenant's key; else one is made and printed once. */
  SLOWBOAT_API_KEY: text,
  /** Where the CLI finds the API; else the running stack of the data folder. */
  SLOWBOAT_URL: z.url().optional(),
  SLOWBOAT_DATA_DIR: text,
  /** 64 hex digits; else made once and kept in the data folder. */
  SLOWBOAT_SECRET: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be 64 hex digits")
    .optional(),
  SLOWBOAT_CALLBACK_ALLOW: text.refine(
    (pairs) => pairs === undefined || pairs.split(",").every((pair) => /^\s*(?:[^\s:/]+|\[[0-9a-fA-F:]+\]):\d{1,5}\s*$/.test(pair)),
    "give host:port pairs, separated by commas, such as hooks.internal:8443",
  ),
  /** Path of a file of OpenAI-compatible providers. */
  SLOWBOAT_PROVIDERS: text.transform((path) => (path === undefined ? undefined : resolve(path))),
  SLOWBOAT_CACHE_MEMORY_MB: z.coerce.number().int().min(8).max(3_000).optional(),
  SLOWBOAT_POOL_THREADS: z.coerce.number().int().min(1).max(64).optional(),
  /** Path of a module of one's own lanes. */
  SLOWBOAT_LANES: text.transform((path) => (path === undefined ? undefined : resolve(path))),
  /** Limits of enqueued tokens, as JSON. */
  SLOWBOAT_ENQUEUED_TOKENS: text,
  /** Path of a JSON file of policy values that watch beside the live policy. */
  SLOWBOAT_SHADOW_POLICY: text.transform((path) => (path === undefined ? undefined : resolve(path))),
  /** Requests in flight at a time on each real-time lane; the scheduler's own default without it. */
  SLOWBOAT_CALL_CONCURRENCY: z.coerce.number().int().min(1).max(1024).optional(),
  /** Jobs that may be due and not planned yet, before work for later is refused; the intake API's own default without it. */
  SLOWBOAT_BACKLOG_MAX: z.coerce.number().int().min(1).max(1e8).optional(),
  SLOWBOAT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  SLOWBOAT_RETENTION_DAYS: z.coerce.number().int().min(0).max(3650).optional(),
  NO_COLOR: z.string().optional(),
});

/** The CLI's settings: everything it reads of the environment. */
export type Config = z.infer<typeof schema>;

/** Reads the environment; an empty value counts as not set, an impossible one is a usage error. */
export function readConfig(): Config {
  try {
    return parseSettings(schema, Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== "")));
  } catch (error) {
    throw new Ended(EXIT.usage, error instanceof Error ? error.message : String(error));
  }
}

/** True where no provider's key is set: the emulator answers. */
export const isEmulated = (config: Config): boolean =>
  config.OPENAI_API_KEY === undefined && config.ANTHROPIC_API_KEY === undefined && readMarket(config).compatible.length === 0;

/** Prices, and the configured providers whose keys are in the environment. */
export function readMarket(config: Config): Market {
  try {
    return openMarket(config.SLOWBOAT_PROVIDERS, process.env);
  } catch (error) {
    throw new Ended(EXIT.usage, error instanceof Error ? error.message : String(error));
  }
}

/** The keys of the configured providers, for the processes that talk to them. */
export const providerKeys = (market: Market): Record<string, string> =>
  Object.fromEntries(market.keyNames.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])));

/** What every child process gets of our environment: enough to run and to reach the network, no key. */
export function plainEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "TZ", "LANG", "LC_ALL", "TMPDIR", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])));
}

/** Where work of real providers lies by default, and where the emulator's: the one's clock and answers must never meet the other's. */
const DEFAULT_DIRS = { real: join(ROOT, ".slowboat"), emulated: join(ROOT, ".slowboat-emulated") } as const;

/** The data folder as an absolute path: the option, else the environment, else by the kind of provider. An empty option is a usage error. */
export function dataDir(config: Config, option: string | undefined): string {
  return chosenDir(config, option) ?? DEFAULT_DIRS[isEmulated(config) ? "emulated" : "real"];
}

/** The data folder that a command looks into: the chosen one, else the default folder on which a stack runs, else as `dataDir`. */
export function lookedInto(config: Config, option: string | undefined): string {
  const running = Object.values(DEFAULT_DIRS).find((dir) => existsSync(join(dir, "connection.json")));
  return chosenDir(config, option) ?? running ?? dataDir(config, option);
}

function chosenDir(config: Config, option: string | undefined): string | null {
  if (option?.trim() === "") throw new Ended(EXIT.usage, "--data-dir is empty: name a folder, or leave the option out.");
  const chosen = option ?? config.SLOWBOAT_DATA_DIR;
  return chosen === undefined ? null : resolve(chosen.replace(/^~(?=\/|$)/, homedir()));
}
