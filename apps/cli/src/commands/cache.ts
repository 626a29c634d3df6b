import { isId } from "@slowboat/kernel";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { apiOf, type GlobalFlags } from "./place.ts";

/** Which entries are meant. */
export interface CacheFlags extends GlobalFlags {
  readonly limit?: string;
  readonly job?: string;
  readonly namespace?: string;
  readonly days?: string;
}

interface Entry {
  readonly id: string;
  readonly model: string;
  readonly question: string;
  readonly hits: number;
  readonly expires_at: string;
  readonly source: { readonly job_id: string };
}

interface Report {
  readonly days: number;
  readonly asked: number;
  readonly reused: number;
  readonly explored: number;
  readonly explored_wrong: number;
  readonly hit_rate: number | null;
  readonly realised_error: { readonly error: number; readonly low: number; readonly high: number; readonly labels: number } | null;
  readonly judge: { readonly asked: number; readonly said_yes: number; readonly given: number; readonly looked_at: number; readonly wrong: number };
  readonly families: readonly { readonly family: string; readonly model: string; readonly entries: number; readonly drifting: boolean }[];
}

const QUESTION_CHARS = 60;
const FAMILY_CHARS = 12;

const queryOf = ({ limit, job, namespace }: Pick<CacheFlags, "limit" | "job" | "namespace">): string =>
  String(
    new URLSearchParams({
      ...(limit === undefined ? {} : { limit }),
      ...(job === undefined ? {} : { job_id: job }),
      ...(namespace === undefined ? {} : { namespace }),
    }),
  );

/** Lists kept questions, newest first: a line each, or with --json one object a line. */
export async function cacheList(config: Config, flags: CacheFlags): Promise<ExitCode> {
  const page = await apiOf(config, flags).json<{ data: Entry[]; has_more: boolean }>("GET", `/v1/cache/entries?${queryOf(flags)}`);
  for (const entry of page.data) {
    const { id, model, question, hits, expires_at, source } = entry;
    const shown = question.length > QUESTION_CHARS ? `${question.slice(0, QUESTION_CHARS - 1)}…` : question;
    await data(flags.json ? JSON.stringify(entry) : `${id}  ${hits} hits  until ${expires_at}  ${source.job_id}  ${model}  ${JSON.stringify(shown)}`);
  }
  if (page.data.length === 0) say("Nothing is kept for questions that mean the same.");
  if (page.has_more) say("There are more: ask with a higher --limit.");
  return EXIT.ok;
}

/** Evicts one entry by its id, or all of a job or a namespace. */
export async function cacheEvict(config: Config, flags: CacheFlags, id: string | undefined): Promise<ExitCode> {
  const { job, namespace } = flags;
  if ([id, job, namespace].filter((one) => one !== undefined).length !== 1)
    throw new Ended(EXIT.usage, "Say what to evict: the id of an entry, or --job, or --namespace.");
  if (id !== undefined && !isId("cacheEntry", id))
    throw new Ended(EXIT.usage, `'${id.slice(0, 64)}' is not the id of an entry; see: npx slowboat cache list`);
  const path =
    id === undefined
      ? `/v1/cache/entries?${queryOf(job === undefined ? (namespace === undefined ? {} : { namespace }) : { job })}`
      : `/v1/cache/entries/${id}`;
  const said = await apiOf(config, flags).json<{ evicted?: number }>("DELETE", path);
  const evicted = said.evicted ?? 1;
  if (flags.json) await data(JSON.stringify({ evicted }));
  say(`${evicted} ${evicted === 1 ? "entry is" : "entries are"} evicted; no worker gives them any more.`);
  return EXIT.ok;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** Shows what reuse by meaning came to: hits, and the error that the explored ones measured. */
export async function cacheReport(config: Config, flags: CacheFlags): Promise<ExitCode> {
  const report = await apiOf(config, flags).json<Report>("GET", `/v1/cache/report?days=${flags.days ?? 7}`);
  if (flags.json) {
    await data(JSON.stringify(report));
    return EXIT.ok;
  }
  const { asked, reused, explored, explored_wrong, hit_rate, realised_error: error, days } = report;
  await data(`last ${days} days   ${asked} questions, ${reused} answered from the cache (${hit_rate === null ? "none asked" : percent(hit_rate)})`);
  await data(`asked anew      ${explored} that would have been answered, ${explored_wrong} of them otherwise`);
  await data(
    error === null
      ? "wrong           not measured yet"
      : `wrong           ${percent(error.error)} of all questions (95 % interval ${percent(error.low)} to ${percent(error.high)})`,
  );
  const { asked: put, said_yes, given, looked_at, wrong } = report.judge;
  if (put > 0)
    await data(
      `judged          ${put} in doubt, ${said_yes} taken for the same, ${given} of them answered; ${wrong} of ${looked_at} that were looked at were wrong`,
    );
  for (const { family, model, entries, drifting } of report.families)
    await data(`${family.slice(0, FAMILY_CHARS)}    ${entries} entries  ${model}${drifting ? "  in drift: exact repetition only" : ""}`);
  return EXIT.ok;
}
