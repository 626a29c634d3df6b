import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { formatUsd, idFloor, nano } from "@slowboat/kernel";
import { jobClock } from "@slowboat/runtime";
import { readArrivals, readBookOf, readClock, readPaid, type Store } from "@slowboat/store";
import { type Config, plainEnvironment } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { ROOT } from "../root.ts";
import { data } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

export interface ReplayFlags extends GlobalFlags {
  readonly since: string;
  readonly until?: string;
  readonly policy: string;
  readonly seed: string;
}

/** Jobs that one replay takes at most: a few minutes of one core and a gigabyte. */
const JOBS_MAX = 200_000;
const REPLAY_MS = 1_800_000;
const OUTPUT_BYTES = 1024 * 1024;

interface Bill {
  readonly paid_nano_usd: string;
  readonly lanes: Readonly<Record<string, string>>;
  readonly missed: number;
}

interface Report {
  readonly jobs: number;
  readonly skipped: number;
  readonly present: Bill;
  readonly other: Bill;
  readonly saving_nano_usd: string;
}

/** Runs the stored arrivals of a time under another policy in the simulator, and shows both bills beside what was paid. */
export async function replay(config: Config, flags: ReplayFlags): Promise<ExitCode> {
  const policyPath = resolve(flags.policy);
  if (!existsSync(policyPath)) throw new Ended(EXIT.usage, `--policy ${flags.policy}: there is no such file.`);
  const folder = await mkdtemp(join(tmpdir(), "slowboat-replay-"));
  try {
    const { paid, arrivals } = await withStore(config, flags, (store) => writeArrivals(store, flags, folder));
    if (arrivals === 0) throw new Ended(EXIT.error, "No job that could wait was accepted in that time.");
    await show(flags, await simulate(folder, policyPath, flags.seed), paid);
    return EXIT.ok;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeArrivals(store: Store, flags: ReplayFlags, folder: string): Promise<{ paid: Bill; arrivals: number }> {
  const clock = await readClock(store.sql);
  const nowMs = clock ? jobClock(clock).job() : Date.now();
  const fromMs = instantOf("--since", flags.since, nowMs);
  const untilMs = flags.until === undefined ? nowMs + 1 : instantOf("--until", flags.until, nowMs);
  if (untilMs <= fromMs) throw new Ended(EXIT.usage, "--until lies before --since.");
  const range = { fromId: idFloor("job", fromMs), untilId: idFloor("job", untilMs) };
  const rows = await readArrivals(store.sql, { ...range, limit: JOBS_MAX + 1 });
  if (rows.length > JOBS_MAX) throw new Ended(EXIT.usage, `More than ${JOBS_MAX} jobs were accepted in that time: choose a shorter one.`);
  const book = await readBookOf(store.sql, range);
  if (rows.length > 0 && book === null) throw new Ended(EXIT.error, "None of those jobs was ever planned: there are no prices to reckon with.");
  await writeFile(join(folder, "arrivals.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeFile(join(folder, "prices.json"), book ?? "{}");
  const { lanes, missed } = await readPaid(store.sql, range);
  const sum = lanes.reduce((total, { nano: one }) => total + one, 0n);
  const paid = { paid_nano_usd: String(sum), lanes: Object.fromEntries(lanes.map(({ lane, nano: one }) => [lane, String(one)])), missed };
  return { paid, arrivals: rows.length };
}

/** RFC 3339, or a length before now in job time: "24h", "90m", "7d". */
function instantOf(flag: string, text: string, nowMs: number): number {
  const length = /^(\d{1,5})([mhd])$/.exec(text);
  if (length !== null) return nowMs - Number(length[1]) * { m: 60_000, h: 3_600_000, d: 86_400_000 }[length[2] as "m" | "h" | "d"];
  const atMs = /^\d{4}-\d{2}-\d{2}T.*(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs) || atMs < 0)
    throw new Ended(EXIT.usage, `${flag} ${text.slice(0, 64)} cannot be read: give RFC 3339 with a zone, or a length such as 24h or 7d.`);
  return atMs;
}

/** The simulator runs as a process of its own. */
async function simulate(folder: string, policyPath: string, seed: string): Promise<Report> {
  const main = join(ROOT, "packages/dev/sim/src/replay/main.ts");
  const args = ["--disable-warning=ExperimentalWarning", main, join(folder, "arrivals.jsonl"), policyPath, join(folder, "prices.json"), seed];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: plainEnvironment(), timeout: REPLAY_MS, maxBuffer: OUTPUT_BYTES });
    return JSON.parse(stdout) as Report;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 2) throw new Ended(EXIT.usage, (stderr ?? "").trim());
    throw new Ended(EXIT.error, `The simulator failed: ${(stderr ?? String(error)).trim().slice(-500)}`);
  }
}

const usd = (amount: string): string => formatUsd(nano(BigInt(amount)));

async function show(flags: ReplayFlags, report: Report, paid: Bill): Promise<void> {
  if (flags.json) return await data(JSON.stringify({ ...report, paid }));
  const { present, other } = report;
  await data(`${report.jobs} jobs replayed${report.skipped === 0 ? "" : `, ${report.skipped} left out (no lane or price in the simulator)`}`);
  const lanes = [...new Set([...Object.keys(paid.lanes), ...Object.keys(present.lanes), ...Object.keys(other.lanes)])].sort();
  const row = (name: string, a: string, b: string, c: string): string => `  ${name.padEnd(18)} ${a.padStart(16)} ${b.padStart(16)} ${c.padStart(16)}`;
  await data(row("USD", "paid", "present policy", "this policy"));
  for (const lane of lanes) await data(row(lane, usd(paid.lanes[lane] ?? "0"), usd(present.lanes[lane] ?? "0"), usd(other.lanes[lane] ?? "0")));
  await data(row("in all", usd(paid.paid_nano_usd), usd(present.paid_nano_usd), usd(other.paid_nano_usd)));
  await data(row("deadlines missed", String(paid.missed), String(present.missed), String(other.missed)));
  await data(`  this policy saves ${usd(report.saving_nano_usd)} USD of what the present one would pay under the same luck`);
}
