import { parseArgs } from "node:util";
import type { ClockRow } from "@slowboat/kernel";
import { z } from "zod";
import type { EmulatorOptions } from "./start.ts";

const Settings = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(8_199),
  host: z.string().default("127.0.0.1"),
  seed: z.coerce.number().int().default(1),
  journal: z.string().optional(),
  realAnchorMs: z.coerce.number().default(0),
  jobAnchorMs: z.coerce.number().default(0),
  scale: z.coerce.number().min(1).default(1),
  latency: z.enum(["prior", "instant"]).default("prior"),
  batchTurnaroundMs: z.coerce.number().min(0).optional(),
  flexRefusals: z.coerce.number().min(0).max(1).default(0),
  listedErrors: z.enum(["one", "all"]).default("one"),
  batchCacheHits: z.coerce.number().min(0).max(1).default(1),
  enqueuedTokenLimit: z.coerce.number().int().min(1).optional(),
});

const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const variableOf = (key: string): string => `EMULATOR_${flagOf(key).replaceAll("-", "_").toUpperCase()}`;

/** Settings from flags (`--batch-turnaround-ms 1000`) and, where a flag is missing, from the environment (`EMULATOR_BATCH_TURNAROUND_MS`). Throws on anything unreadable. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): EmulatorOptions & { readonly clock: ClockRow } {
  const keys = Object.keys(Settings.shape);
  const options = Object.fromEntries(keys.map((key) => [flagOf(key), { type: "string" as const }]));
  const { values } = parseArgs({ args: [...args], options, strict: true });
  const given = Object.fromEntries(
    keys.map((key) => [key, values[flagOf(key)] ?? env[variableOf(key)]]).filter(([, value]) => value !== undefined && value !== ""),
  );
  const { realAnchorMs, jobAnchorMs, scale, journal, batchTurnaroundMs, enqueuedTokenLimit, ...rest } = Settings.parse(given);
  return {
    ...rest,
    clock: { realAnchorMs, jobAnchorMs, scale },
    ...(journal === undefined ? {} : { journal }),
    ...(batchTurnaroundMs === undefined ? {} : { batchTurnaroundMs }),
    ...(enqueuedTokenLimit === undefined ? {} : { enqueuedTokenLimit }),
  };
}
