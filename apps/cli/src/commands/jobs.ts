import { formatUsd, type NanoUsd, nano } from "@slowboat/kernel";
import type { Config } from "../config.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { fixedUsd } from "../nightly/receipt.ts";
import { data, look, say } from "../terminal.ts";
import { type Api, apiOf, type GlobalFlags } from "./place.ts";
import { standInOf, waitingOf } from "./subject.ts";

/** Which jobs to list. */
export interface JobsFlags extends GlobalFlags {
  readonly limit: string;
  readonly state?: string;
  readonly batch?: string;
}

interface ListedJob {
  readonly id: string;
  readonly state: string;
  readonly model: string;
  readonly lane: string | null;
  readonly accepted_at: string;
  readonly deadline: string | null;
  readonly deadline_met: boolean | null;
}

/** A listed job with what it cost, `null` before it is settled and for a model without a price; what it waits for, and who stands in. */
interface CostedJob extends ListedJob {
  readonly costNano: NanoUsd | null;
  readonly notes: readonly string[];
}

/** Details asked for at a time. */
const AT_ONCE = 8;

/** Lists the newest jobs: a table as wide as the terminal, or with --json one object a line. */
export async function jobs(config: Config, flags: JobsFlags): Promise<ExitCode> {
  const query = new URLSearchParams({
    limit: flags.limit,
    ...(flags.state === undefined ? {} : { state: flags.state }),
    ...(flags.batch === undefined ? {} : { batch_id: flags.batch }),
  });
  const api = apiOf(config, flags);
  const page = await api.json<{ data: ListedJob[]; has_more: boolean }>("GET", `/v1/jobs?${query}`);
  if (flags.json) for (const job of page.data) await data(JSON.stringify(job));
  else if (page.data.length > 0) {
    const columns = process.stdout.isTTY ? look(process.stdout, config.NO_COLOR).columns : null;
    const rows = await costed(api, page.data);
    await data([table(rows, columns), ...notesOf(rows)].join("\n"));
    const label = api.label();
    if (label !== null) say(label);
  } else if (flags.state === undefined && flags.batch === undefined) say("No job yet. Send one with: npx slowboat submit FILE");
  else say("No job matches --state and --batch.");
  if (page.has_more) say("There are more: ask with a higher --limit.");
  return EXIT.ok;
}

/** The list does not say what a job cost, what it waits for or who stands in; the job itself does. */
async function costed(api: Api, listed: readonly ListedJob[]): Promise<CostedJob[]> {
  const rows: CostedJob[] = [];
  for (let from = 0; from < listed.length; from += AT_ONCE) {
    const some = listed.slice(from, from + AT_ONCE).map(async (job) => {
      const detail = await api.json<Record<string, unknown> & { receipt: { priced: boolean; paid_nano?: string } | null }>(
        "GET",
        `/v1/jobs/${job.id}`,
      );
      const { receipt } = detail;
      const notes = [waitingOf(detail), standInOf(detail)].filter((note) => note !== null);
      return { ...job, notes, costNano: receipt?.priced === true ? nano(BigInt(receipt.paid_nano ?? 0)) : null };
    });
    rows.push(...(await Promise.all(some)));
  }
  return rows;
}

/** Below the table: what each held job waits for, and which model stood in where. */
export const notesOf = (rows: readonly Pick<CostedJob, "id" | "notes">[]): string[] =>
  rows.flatMap(({ id, notes }) => notes.map((note) => `${id} ${note}`));

/** The columns by how little they are missed in a narrow terminal, which leaves out the first of these first. */
const MISSED_LEAST = ["ACCEPTED", "MODEL", "DEADLINE"];

/** Draws the table; `columns` is the terminal's width, `null` where there is none. */
export function table(rows: readonly CostedJob[], columns: number | null): string {
  const decimals = Math.max(2, ...rows.map((job) => (job.costNano === null ? 0 : (formatUsd(job.costNano).split(".")[1]?.length ?? 0))));
  const all: readonly (readonly [string, (job: CostedJob) => string])[] = [
    ["ID", (job) => job.id],
    ["STATE", (job) => (job.deadline_met === false && job.state === "completed" ? "late" : job.state)],
    ["LANE", (job) => job.lane ?? "-"],
    ["COST", (job) => (job.costNano === null ? "-" : `$${fixedUsd(job.costNano, decimals)}`)],
    ["DEADLINE", deadlineOf],
    ["MODEL", (job) => job.model],
    ["ACCEPTED", (job) => job.accepted_at],
  ];
  const draw = (shown: typeof all): string[] => {
    const widths = shown.map(([title, cell]) => Math.max(title.length, ...rows.map((job) => cell(job).length)));
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => (shown[column]?.[0] === "COST" ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd();
    return [shown.map(([title]) => title), ...rows.map((job) => shown.map(([, cell]) => cell(job)))].map(line);
  };
  let shown = all;
  for (const title of MISSED_LEAST) {
    if (columns === null || Math.max(...draw(shown).map((line) => line.length)) <= columns) break;
    shown = shown.filter(([name]) => name !== title);
  }
  return draw(shown).join("\n");
}

const deadlineOf = (job: ListedJob): string =>
  job.deadline === null ? "-" : `${job.deadline}${job.deadline_met === null ? "" : job.deadline_met ? " met" : " MISSED"}`;
