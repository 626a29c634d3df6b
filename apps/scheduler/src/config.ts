import { readFileSync } from "node:fs";
import { type Policy, readPolicy } from "@slowboat/plan";
import { type Market, openMarket, parseSettings } from "@slowboat/runtime";
import { z } from "zod";

const schema = z.object({
  DATABASE_URL: z.string().min(1),
  REDIS_URL: z.string().min(1).optional(),
  SLOWBOAT_DATA_DIR: z.string().min(1),
  /** Path of the operator's file of OpenAI-compatible providers. */
  SLOWBOAT_PROVIDERS: z.string().min(1).optional(),
  /** Path of a module of the operator's own lanes. */
  SLOWBOAT_LANES: z.string().min(1).optional(),
  /** Memory for the vectors of kept questions; what does not fit is read anew when it is asked. */
  SLOWBOAT_CACHE_MEMORY_MB: z.coerce.number().int().min(8).max(3_000).default(256),
  SLOWBOAT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  OPENAI_API_KEY: z.string().min(1).optional(),
  OPENAI_BASE_URL: z.url().optional(),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url().optional(),
  SLOWBOAT_EMULATED: z.enum(["0", "1"]).default("0"),
  SLOWBOAT_POOL_URL: z.url().optional(),
  /** Limits of enqueued input tokens as JSON: lane, then model (`*` for all others), then tokens; read with the market, which knows the names. */
  SLOWBOAT_ENQUEUED_TOKENS: z.string().min(1).optional(),
  /** Path of a JSON file of policy values that watches beside the live policy and never acts. */
  SLOWBOAT_SHADOW_POLICY: z.string().min(1).optional(),
  /** Requests in flight at a time on each real-time lane. */
  SLOWBOAT_CALL_CONCURRENCY: z.coerce.number().int().min(1).max(1024).default(240),
});

/** The scheduler's settings. */
export const readConfig = (): z.infer<typeof schema> => parseSettings(schema, process.env);

/** The policy that watches, with the text that names it; `undefined` where none is configured. Throws a text for the operator. */
export function readShadowPolicy(path: string | undefined): { readonly policy: Policy; readonly text: string } | undefined {
  if (path === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`SLOWBOAT_SHADOW_POLICY: ${path} cannot be read as JSON`, { cause });
  }
  const read = readPolicy(json);
  if ("problem" in read) throw new Error(`SLOWBOAT_SHADOW_POLICY: ${path}: ${read.problem}`);
  return { policy: read.policy, text: JSON.stringify(json) };
}

/** Prices, and the configured providers whose keys are in the environment. */
export const readMarket = (path: string | undefined): Market => openMarket(path, process.env);
