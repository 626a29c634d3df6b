import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Bench, BenchReport } from "./bench.ts";
import { decideBench } from "./decide/bench-decide.ts";
import { intakeBench } from "./intake/bench-intake.ts";
import { liveBench } from "./live/bench-live.ts";
import { machine } from "./machine.ts";
import { overheadBench } from "./overhead/bench-overhead.ts";
import { promptCacheBench } from "./prompt-cache/bench-prompt-cache.ts";
import { reuseBench } from "./reuse/bench-reuse.ts";
import { routeBench } from "./route/bench-route.ts";
import { scheduleBench } from "./schedule/bench-schedule.ts";
import { rounded } from "./stats.ts";
import { throughputBench } from "./throughput/bench-throughput.ts";

/** Every bench, with the folder of `../shared/data` it reads by default. */
const BENCHES: Readonly<Record<string, { readonly run: Bench; readonly data: string | null; readonly parts?: readonly string[] }>> = {
  decide: { run: decideBench, data: null },
  intake: { run: intakeBench, data: null },
  live: { run: liveBench, data: null },
  overhead: { run: overheadBench, data: null },
  "prompt-cache": { run: promptCacheBench, data: null },
  reuse: { run: reuseBench, data: "semcache" },
  route: { run: routeBench, data: "routing", parts: ["latency"] },
  schedule: { run: scheduleBench, data: "traces" },
  throughput: { run: throughputBench, data: null },
};

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const USAGE = `npm run -s bench -- NAME [--data DIR] [--seed N] [--quick] [--json] [--only PART] [--profile DIR] [--jobs N] [--scale S]\n\nNAME is one of: ${Object.keys(BENCHES).join(", ")}`;

function readArguments(): ReturnType<typeof parseArgs> {
  try {
    const string = { type: "string" } as const;
    const boolean = { type: "boolean" } as const;
    return parseArgs({
      allowPositionals: true,
      options: { data: string, seed: string, only: string, profile: string, jobs: string, scale: string, quick: boolean, json: boolean },
    });
  } catch (error) {
    return exit(2, `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function exit(code: number, text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

/** A whole number within bounds, or nothing where the flag is not there. */
function numberOf(flag: string, least: number, most: number): number | undefined {
  const given = values[flag];
  if (given === undefined) return undefined;
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < least || value > most) return exit(2, `--${flag} takes a whole number from ${least} to ${most}`);
  return value;
}

function table(name: string, report: BenchReport, seconds: number): string {
  const head = { what: "", ours: "ours", beside: "peer or limit" };
  const lines = [head, ...report.figures];
  const wide = (key: "what" | "ours"): number => Math.max(...lines.map((line) => line[key].length));
  const rows = lines.map(({ what, ours, beside }) => `  ${what.padEnd(wide("what"))}  ${ours.padStart(wide("ours"))}  ${beside}`);
  const { cpu, cores, memory_gb, node } = machine();
  return [
    `${name}: ${cores} cores of ${cpu}, ${memory_gb} GB, Node ${node}, ${seconds} s`,
    "",
    ...rows,
    "",
    ...report.notes.map((note) => `  ${note}`),
  ].join("\n");
}

const { values, positionals } = readArguments();
const [name, surplus] = positionals;
const bench = name === undefined ? undefined : BENCHES[name];
if (!name || !bench || surplus !== undefined) exit(2, name === undefined ? USAGE : `There is no bench '${positionals.join(" ")}'.\n\n${USAGE}`);
const seed = Number(values["seed"] ?? 1);
if (!Number.isSafeInteger(seed)) exit(2, "--seed takes a whole number");
const jobs = numberOf("jobs", 1, 100_000);
const scale = numberOf("scale", 1, 60);
const known = bench.data === null ? null : join(ROOT, "..", "shared", "data", bench.data);
const given = values["data"] as string | undefined;
const dataDir = given === undefined ? (known !== null && existsSync(known) ? known : null) : resolve(given);
if (values["only"] !== undefined && !(bench.parts ?? []).includes(values["only"] as string))
  exit(2, `--only takes a part of a bench that has parts${bench.parts ? `: ${bench.parts.join(", ")}` : ""}`);
const started = performance.now();
const report = await bench.run({
  dataDir,
  seed,
  quick: values["quick"] === true,
  only: (values["only"] as string | undefined) ?? null,
  jobs,
  scale,
  profileDir: values["profile"] === undefined ? null : resolve(String(values["profile"])),
  say: (text) => process.stderr.write(`[${basename(name)} ${rounded((performance.now() - started) / 1000, 1)} s] ${text}\n`),
});
const seconds = rounded((performance.now() - started) / 1000, 1);
const line =
  values["json"] === true
    ? JSON.stringify({ bench: name, seed, machine: machine(), seconds, results: report.results })
    : table(name, report, seconds);
process.exitCode = report.ran && report.failed !== true ? 0 : 1;
process.stdout.write(`${line}\n`);
