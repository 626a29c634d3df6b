import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { machine, rounded } from "@slowboat/bench";
import { createProgress } from "./progress.ts";
import { runSoak, type SoakReport } from "./run-soak.ts";

const USAGE = "npm run -s soak -- --requests N --seed S [--json] [--rate F] [--provider emulator|recorded] [--logs DIR]";

function exit(code: number, text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function readArguments(): { requests: number; seed: number; rate: number; json: boolean; logs: string | null; provider: "emulator" | "recorded" } {
  try {
    const string = { type: "string" } as const;
    const options = { requests: string, seed: string, rate: string, logs: string, provider: string, json: { type: "boolean" } } as const;
    const { values } = parseArgs({ options });
    const requests = Number(values.requests ?? 2000);
    const seed = Number(values.seed ?? 1);
    const rate = Number(values.rate ?? 1);
    if (!Number.isSafeInteger(requests) || requests < 1) return exit(2, `--requests takes a whole number from 1\n\n${USAGE}`);
    if (!Number.isSafeInteger(seed)) return exit(2, `--seed takes a whole number\n\n${USAGE}`);
    if (!(rate >= 0 && rate <= 50)) return exit(2, `--rate takes a number from 0 to 50\n\n${USAGE}`);
    const provider = values.provider ?? "emulator";
    if (provider !== "emulator" && provider !== "recorded") return exit(2, `--provider is emulator or recorded\n\n${USAGE}`);
    return { requests, seed, rate, provider, json: values.json === true, logs: values.logs === undefined ? null : resolve(values.logs) };
  } catch (error) {
    return exit(2, `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

/** A figure, or several with their names; amounts are in nano-USD. */
function inWords(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) => `${name} ${String(part)}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function table({ results, findings }: SoakReport, seconds: number): string {
  const { faults, ...rest } = results;
  const rows = Object.entries(rest).map(([name, value]) => `  ${name.padEnd(20)} ${inWords(value)}`);
  const fired = Object.entries(faults as Record<string, number>).map(([name, count]) => `  ${name.padEnd(28)} ${count}`);
  return ["", `soak: ${seconds} s`, "", ...rows, "", "faults that fired:", ...fired, "", findings.length === 0 ? "  everything adds up" : ""].join(
    "\n",
  );
}

const { requests, seed, rate, provider, json, logs } = readArguments();
const started = performance.now();
const report = await runSoak({ requests, seed, rate, provider, logsDir: logs, progress: createProgress(process.stderr) });
const seconds = rounded((performance.now() - started) / 1000, 1);
for (const finding of report.findings) process.stderr.write(`  ! ${finding}\n`);
const said = json ? JSON.stringify({ bench: "soak", seed, machine: machine(), seconds, results: report.results }) : table(report, seconds);
process.exitCode = report.findings.length === 0 ? 0 : 1;
process.stdout.write(`${said}\n`);
