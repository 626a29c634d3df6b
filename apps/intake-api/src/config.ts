import { isWebhookSecret, type Market, openMarket, parseSettings } from "@slowboat/runtime";
import { z } from "zod";

const optional = z
  .string()
  .optional()
  .transform((text) => (text === "" ? undefined : text));

const schema = z.object({
  DATABASE_URL: z.string().min(1),
  REDIS_URL: optional,
  SLOWBOAT_DATA_DIR: z.string().min(1),
  SLOWBOAT_HOST: z.string().default("127.0.0.1"),
  SLOWBOAT_PORT: z.coerce.number().int().min(0).max(65_535),
  SLOWBOAT_SECRET: z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits"),
  OPENAI_API_KEY: optional,
  OPENAI_BASE_URL: optional,
  ANTHROPIC_API_KEY: optional,
  ANTHROPIC_BASE_URL: optional,
  /** The signing secret of the webhook endpoint that OpenAI knows; without it there is no route for its events. */
  OPENAI_WEBHOOK_SECRET: optional.refine((text) => text === undefined || isWebhookSecret(text), "whsec_ and base64"),
  SLOWBOAT_EMULATED: z
    .enum(["0", "1"])
    .default("0")
    .transform((text) => text === "1"),
  SLOWBOAT_POOL_URL: optional,
  SLOWBOAT_CALLBACK_ALLOW: z
    .string()
    .default("")
    .transform((text) =>
      text
        .split(",")
        .map((one) => one.trim())
        .filter((one) => one !== ""),
    ),
  /** Path of the operator's file of OpenAI-compatible providers. */
  SLOWBOAT_PROVIDERS: optional,
  /** Path of a module of the operator's own lanes. */
  SLOWBOAT_LANES: optional,
  /** As the scheduler has them: what a quote counts on. */
  SLOWBOAT_ENQUEUED_TOKENS: optional,
  SLOWBOAT_CALL_CONCURRENCY: z.coerce.number().int().min(1).max(1024).default(240),
  /** Memory for the vectors of kept questions; what does not fit is read anew when it is asked. */
  SLOWBOAT_CACHE_MEMORY_MB: z.coerce.number().int().min(8).max(3_000).default(256),
  /** Jobs that may be due and not planned yet, before more work for later is refused. */
  SLOWBOAT_BACKLOG_MAX: z.coerce.number().int().min(1).max(1e8).optional(),
  SLOWBOAT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

export type Config = z.infer<typeof schema>;

/** Reads the settings of the intake API from its environment. */
export const readConfig = (env: Record<string, string | undefined> = process.env): Config => parseSettings(schema, env);

/** Prices, and the configured providers whose keys are in the environment. */
export const readMarket = (path: string | undefined): Market => openMarket(path, process.env);
