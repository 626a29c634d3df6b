import { setTimeout as pause } from "node:timers/promises";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { progressOut } from "../nightly/progress.ts";
import { askedToStop, data, say } from "../terminal.ts";
import { type Api, apiOf, type GlobalFlags } from "./place.ts";
import { missedDeadlines, readSubject, refusalText, type Subject, standInOf, waitingOf } from "./subject.ts";

const POLL_MS = 1000;
const PLAIN_EVERY_MS = 30_000;

/** Watches jobs and batches until they end. */
export async function watch(config: Config, flags: GlobalFlags, ids: readonly string[]): Promise<ExitCode> {
  return await waitFor(apiOf(config, flags), ids, flags.json === true);
}

/** Waits for the end of some jobs or batches; the worst of their ends is the exit code. Ctrl-C stops the watching alone. */
export async function waitFor(api: Api, ids: readonly string[], json: boolean): Promise<ExitCode> {
  const stop = new AbortController();
  askedToStop().then(() => stop.abort());
  const out = progressOut(process.stderr, PLAIN_EVERY_MS, () => performance.now());
  try {
    for (;;) {
      const subjects = await Promise.all(ids.map((id) => readSubject(api, id, stop.signal)));
      out.show(subjects.map(lineOf));
      if (subjects.every((subject) => subject.ended)) {
        out.end();
        return await verdict(api, subjects, json);
      }
      await pause(POLL_MS, undefined, { signal: stop.signal });
    }
  } catch (error) {
    out.end();
    if (stop.signal.aborted) throw new Ended(EXIT.interrupted, `The work goes on without us. Look again with: npx slowboat watch ${ids.join(" ")}`);
    throw error;
  }
}

const CELLS = 20;

function lineOf(subject: Subject): string {
  if (subject.refusals.length > 0) return `${subject.id.slice(0, 14)}… refused, ${subject.refusals.length} errors`;
  const cells = subject.total === 0 ? 0 : Math.floor((subject.done / subject.total) * CELLS);
  const bar = `▕${"█".repeat(cells)}${" ".repeat(CELLS - cells)}▏ ${subject.done}/${subject.total}`;
  const waits = waitingOf(subject.raw);
  return `${subject.id.slice(0, 14)}… ${bar} ${subject.state}${subject.failed > 0 ? `, ${subject.failed} failed` : ""}${waits === null ? "" : `, ${waits}`}`;
}

async function verdict(api: Api, subjects: readonly Subject[], json: boolean): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  for (const subject of subjects) {
    const refused = subject.refusals.length > 0;
    const missed = refused ? 0 : await missedDeadlines(api, subject);
    if (json)
      await data(
        JSON.stringify({
          id: subject.id,
          state: subject.state,
          done: subject.done,
          failed: subject.failed,
          total: subject.total,
          deadlines_missed: missed,
          errors: subject.refusals,
        }),
      );
    else if (refused) say(refusalText(subject));
    else
      say(
        `${subject.id} ${subject.state}: ${subject.total - subject.failed} of ${subject.total} answered${missed > 0 ? `, ${missed} without an answer by the deadline` : ""}`,
      );
    const standIn = standInOf(subject.raw);
    if (standIn !== null && !json) say(`${subject.id} ${standIn}`);
    if (missed > 0 && code === EXIT.ok) code = EXIT.deadlineMissed;
    if (refused) code = EXIT.batchRefused;
    else if (code !== EXIT.batchRefused && (subject.failed > 0 || (subject.kind === "batch" && subject.state !== "completed")))
      code = EXIT.failedItems;
  }
  return code;
}
