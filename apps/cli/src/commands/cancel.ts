import type { Config } from "../config.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { apiOf, type GlobalFlags } from "./place.ts";
import { kindOf, type SubjectKind, VERSION } from "./subject.ts";

const PATHS: Readonly<Record<SubjectKind, string>> = { job: "/v1/jobs", batch: "/v1/batches", messages: "/v1/messages/batches" };

/** Cancels a job, or what has not been answered of a batch; one that has ended is an error with the API's own words. */
export async function cancel(config: Config, flags: GlobalFlags, id: string): Promise<ExitCode> {
  const kind = kindOf(id);
  const api = apiOf(config, flags);
  const after = await api.json<{ state?: string; status?: string; processing_status?: string }>("POST", `${PATHS[kind]}/${id}/cancel`, {
    headers: kind === "messages" ? VERSION : {},
  });
  const state = after.state ?? after.status ?? after.processing_status;
  if (flags.json) await data(JSON.stringify({ id, state }));
  say(
    kind === "job"
      ? `${id} is ${state}. An answer that is already paid for still arrives and completes it.`
      : `${id} is ${state}. What is already paid for still arrives; wait for the end with: npx slowboat watch ${id}`,
  );
  return EXIT.ok;
}
