import { availableParallelism } from "node:os";
import { parseSettings } from "@slowboat/runtime";
import { z } from "zod";

/** More threads than this gain nothing on a model of this size, and fewer than all leave the machine's other processes alive. */
const defaultThreads = (): number => Math.min(4, Math.max(1, availableParallelism() - 1));

const schema = z.object({
  /** Absent: the worker serves HTTP alone and takes nothing off the queue. */
  DATABASE_URL: z.string().min(1).optional(),
  REDIS_URL: z.string().min(1).optional(),
  SLOWBOAT_DATA_DIR: z.string().min(1),
  SLOWBOAT_HOST: z.string().min(1).default("127.0.0.1"),
  SLOWBOAT_PORT: z.coerce.number().int().min(0).max(65_535).default(8789),
  SLOWBOAT_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** Threads of the embedding engine. */
  SLOWBOAT_POOL_THREADS: z.coerce.number().int().min(1).max(64).default(defaultThreads),
});

/** The gpu-worker's settings. */
export const readConfig = (): z.infer<typeof schema> => parseSettings(schema, process.env);
