import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type Api, apiOf, type GlobalFlags } from "./place.ts";
import { readSubject, refusalText, type Subject } from "./subject.ts";

/** Writes what a job or batch answered to stdout, as the provider wrote it; what failed is counted on stderr. */
export async function results(config: Config, flags: GlobalFlags, id: string): Promise<ExitCode> {
  const api = apiOf(config, flags);
  const subject = await readSubject(api, id);
  if (!subject.ended)
    throw new Ended(
      EXIT.error,
      `${id} is ${subject.state}: ${subject.done} of ${subject.total} answered so far. Wait for it with: npx slowboat watch ${id}`,
    );
  if (subject.refusals.length > 0) {
    say(refusalText(subject));
    return EXIT.batchRefused;
  }
  if (subject.kind === "job") await jobResult(api, subject);
  else if (subject.kind === "batch") await batchResults(api, subject);
  else await stream(api, `/v1/messages/batches/${id}/results`, { "anthropic-version": "2023-06-01" });
  const label = api.label();
  if (label !== null) say(label);
  if (subject.failed > 0) say(`${subject.failed} of ${subject.total} have no answer.`);
  return subject.failed > 0 ? EXIT.failedItems : EXIT.ok;
}

async function jobResult(api: Api, subject: Subject): Promise<void> {
  const result = subject.raw["result"] as { body?: unknown } | null;
  if (!result) {
    say(`${subject.id} ${subject.state}: ${JSON.stringify(subject.raw["error"])}`);
    return;
  }
  // The answer's own text, out of the reply: parsed and written again it could lose digits.
  const text = await (await api.call("GET", `/v1/jobs/${subject.id}`)).text();
  const from = text.indexOf('"body":', text.lastIndexOf('"result":{')) + '"body":'.length;
  await data(text.slice(from, -2));
}

async function batchResults(api: Api, subject: Subject): Promise<void> {
  for (const member of ["output_file_id", "error_file_id"]) {
    const fileId = subject.raw[member];
    if (typeof fileId === "string") await stream(api, `/v1/files/${fileId}/content`, {});
  }
}

async function stream(api: Api, path: string, headers: Record<string, string>): Promise<void> {
  const res = await api.call("GET", path, { headers });
  if (res.body) await pipeline(Readable.fromWeb(res.body), process.stdout, { end: false });
}
