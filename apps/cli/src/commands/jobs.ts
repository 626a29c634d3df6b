import type { Config } from "../config.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { apiOf, type GlobalFlags } from "./place.ts";

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

/** Lists the newest jobs: a table, or with --json one object a line. */
export async function jobs(config: Config, flags: JobsFlags): Promise<ExitCode> {
  const query = new URLSearchParams({
    limit: flags.limit,
    ...(flags.state === undefined ? {} : { state: flags.state }),
    ...(flags.batch === undefined ? {} : { batch_id: flags.batch }),
  });
  const page = await apiOf(config, flags).json<{ data: ListedJob[]; has_more: boolean }>("GET", `/v1/jobs?${query}`);
  if (flags.json) for (const job of page.data) await data(JSON.stringify(job));
  else if (page.data.length === 0) say("No job yet. Send one with: npx slowboat submit FILE");
  else await data(table(page.data));
  if (page.has_more) say("There are more: ask with a higher --limit.");
  return EXIT.ok;
}

function table(rows: readonly ListedJob[]): string {
  const cells = rows.map((job) => [job.id, job.state, job.lane ?? "-", job.model, job.accepted_at, deadlineOf(job)]);
  const head = ["ID", "STATE", "LANE", "MODEL", "ACCEPTED", "DEADLINE"];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  return [head, ...cells]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const deadlineOf = (job: ListedJob): string =>
  job.deadline === null ? "-" : `${job.deadline}${job.deadline_met === null ? "" : job.deadline_met ? " met" : " MISSED"}`;
