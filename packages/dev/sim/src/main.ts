import { parseArgs } from "node:util";
import { runSeeds } from "./run-seeds.ts";
import { PLANTS, type Plant } from "./spec.ts";

const USAGE = `npm run -s sim -- --seeds N --from S [--plant NAME] [--json]\n\nNAME is one of: ${PLANTS.join(", ")}`;

function exit(code: number, text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function readArguments(): { seeds: number; from: number; plant: Plant | null; json: boolean } {
  try {
    const string = { type: "string" } as const;
    const { values } = parseArgs({ options: { seeds: string, from: string, plant: string, json: { type: "boolean" } } });
    const seeds = Number(values.seeds ?? 100);
    const from = Number(values.from ?? 1);
    if (!Number.isSafeInteger(seeds) || seeds < 1) return exit(2, `--seeds takes a whole number from 1\n\n${USAGE}`);
    if (!Number.isSafeInteger(from)) return exit(2, `--from takes a whole number\n\n${USAGE}`);
    const plant = PLANTS.find((name) => name === values.plant) ?? null;
    if (values.plant !== undefined && plant === null) return exit(2, `There is no plant '${values.plant}'.\n\n${USAGE}`);
    return { seeds, from, plant, json: values.json === true };
  } catch (error) {
    return exit(2, `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

const { seeds, from, plant, json } = readArguments();
const started = performance.now();
const list = Array.from({ length: seeds }, (_, i) => from + i);
const report = runSeeds(list, plant, (done) => {
  if (done % 500 === 0) process.stderr.write(`[sim ${((performance.now() - started) / 1000).toFixed(0)} s] ${done} of ${seeds} seeds\n`);
});
for (const { seed, invariant, at, why } of report.violations.slice(0, 20))
  process.stderr.write(`  ! seed ${seed}: ${invariant} at ${new Date(at).toISOString()}: ${why}\n`);
const violations = report.violations.map(({ seed, invariant, at }) => ({ seed, invariant, at }));
const seconds = ((performance.now() - started) / 1000).toFixed(1);
const said = json
  ? JSON.stringify({ ...report, violations })
  : `sim: ${report.seeds} seeds, ${report.jobs} jobs, ${report.events} events in ${seconds} s: ${violations.length} violations`;
process.exitCode = violations.length === 0 ? 0 : 1;
process.stdout.write(`${said}\n`);
