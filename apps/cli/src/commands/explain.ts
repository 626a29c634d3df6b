import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, look, say } from "../terminal.ts";
import { drawDecisions, type ShownDecisions } from "./explain-table.ts";
import { apiOf, type GlobalFlags } from "./place.ts";
import { kindOf } from "./subject.ts";

/** Shows everything that was decided on a job, in order, with what was looked at. */
export async function explain(config: Config, flags: GlobalFlags, id: string): Promise<ExitCode> {
  if (kindOf(id) !== "job")
    throw new Ended(EXIT.usage, `${id} is a batch, and each of its lines is decided by itself: list them with: npx slowboat jobs --batch ${id}`);
  const api = apiOf(config, flags);
  const shown = await api.json<ShownDecisions>("GET", `/v1/jobs/${id}/decision`);
  if (flags.json) await data(JSON.stringify(shown));
  else {
    await data(drawDecisions(shown, look(process.stdout, config.NO_COLOR)));
    const label = api.label();
    if (label !== null) say(label);
  }
  return EXIT.ok;
}
