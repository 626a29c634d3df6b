import { type Market, openMarket, parseSettings } from "@slowboat/runtime";
import { z } from "zod";

const schema = z.object({
  DATABASE_URL: z.string().min(1),
  REDIS_URL: z.string().min(1).optional(),
  SLOWBOAT_DATA_DIR: z.string().min(1),
  SLOWBOAT_HOST: z.string().min(1).default("127.0.0.1"),
  SLOWBOAT_PORT: z.coerce.number().int().min(0).max(65_535).default(8788),
  SLOWBOAT_SECRET: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits"),
  /** Path of the operator's file of OpenAI-compatible providers. */
  SLOWBOAT_PROVIDERS: z.string().min(1).optional(),
  SLOWBOAT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  SLOWBOAT_EMULATED: z
    .enum(["0", "1"])
    .default("0")
    .transform((flag) => flag === "1"),
  /** Where callers find the intake API; the console shows it. */
  SLOWBOAT_URL: z.url().optional(),
  SLOWBOAT_CALLBACK_ALLOW: z
    .string()
    .default("")
    .transform((list) => list.split(",").flatMap((pair) => (pair.trim() === "" ? [] : [pair.trim()]))),
});

/** The results service's settings. */
export const readConfig = (): z.infer<typeof schema> => parseSettings(schema, process.env);

/** Prices, and the configured providers whose keys are in the environment. */
export const readMarket = (path: string | undefined): Market => openMarket(path, process.env);
