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
  luckSlotMs: z.coerce.number().int().min(1).optional(),
  flexRefusals: z.coerce.number().min(0).max(1).default(0),
  listedErrors: z.enum(["one", "all"]).default("one"),
  batchCacheHits: z.coerce.number().min(0).max(1).default(1),
  enqueuedTokenLimit: z.coerce.number().int().min(1).optional(),
});

const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const variableOf = (key: string): string => `EMULATOR_${flagOf(key).replaceAll("-", "_").toUpperCase()}`;

const MEANS: Readonly<Record<keyof typeof Settings.shape, string>> = {
  port: "where it listens; 8199, 0 for any free one",
  host: "address it binds; 127.0.0.1",
  seed: "of everything that is drawn; 1",
  journal: "path of its memory; without it, it forgets with its end",
  realAnchorMs: "machine instant at which its clock begins to count",
  jobAnchorMs: "what its clock says then",
  scale: "its milliseconds in one of the machine's; 1",
  latency: "prior (as published) or instant",
  batchTurnaroundMs: "a fixed turnaround of batches instead of drawn ones",
  luckSlotMs: "batches made within the same so many ms find the same queue; each its own if left out",
  flexRefusals: "share of flex requests refused, 0 to 1",
  listedErrors: "bad lines named by a failed batch: one or all",
  batchCacheHits: "share of a batch's lines that find a warm prompt cache, 0 to 1",
  enqueuedTokenLimit: "prompt tokens that may wait in batches",
};

/** What `--help` says, and what follows a setting that is not understood. */
export const usage = (): string =>
  [
    "Emulates the APIs of OpenAI (under /v1) and Anthropic, with queue times, limits, bills and scripted faults. No money is spent.",
    "",
    ...Object.entries(MEANS).map(([key, means]) => `  --${flagOf(key).padEnd(22)} ${means}`),
    "",
    "Each may stand in the environment instead, as EMULATOR_PORT and so on. Its own endpoints, apart from the providers':",
    "  GET /emulator/invoice           what was charged, line by line",
    "  GET, POST, DELETE /emulator/faults   scripted faults, and how often each fired",
    "  POST /emulator/chaos            every fault at random: {seed, rate, probabilities}",
  ].join("\n");

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
  const { realAnchorMs, jobAnchorMs, scale, journal, batchTurnaroundMs, luckSlotMs, enqueuedTokenLimit, ...rest } = Settings.parse(given);
  return {
    ...rest,
    clock: { realAnchorMs, jobAnchorMs, scale },
    ...(journal === undefined ? {} : { journal }),
    ...(batchTurnaroundMs === undefined ? {} : { batchTurnaroundMs }),
    ...(luckSlotMs === undefined ? {} : { luckSlotMs }),
    ...(enqueuedTokenLimit === undefined ? {} : { enqueuedTokenLimit }),
  };
}
