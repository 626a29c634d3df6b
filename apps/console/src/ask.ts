import type { BatchDetail, JobDetail, Overview } from "./overview.ts";

/** The key is unknown or revoked. */
export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
}

/** There is no job or batch of this id for this key. */
export class NotThere extends Error {
  override readonly name = "NotThere";
}

/** The server cannot be reached or is unwell; the message is for people. */
class Trouble extends Error {
  override readonly name = "Trouble";
}

const PATIENCE_MS = 15_000;

async function ask<T>(key: string, path: string): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(path, { headers: { authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (cause) {
    throw new Trouble("Slowboat does not answer. It may have stopped, or the connection is down.", { cause });
  }
  if (reply.status === 401 || reply.status === 403) throw new KeyRefused();
  if (reply.status === 404) throw new NotThere();
  if (!reply.ok) throw new Trouble(`Slowboat has a problem of its own (it answered ${reply.status}). Its log says more.`);
  return (await reply.json()) as T;
}

/** Asks for the page's figures; `filters` come from the address bar. Throws `KeyRefused` or `Trouble`. */
export const fetchOverview = (key: string, filters: string): Promise<Overview> => ask(key, `/admin/v1/overview?${filters}`);

/** Throws `NotThere`, `KeyRefused` or `Trouble`. */
export const fetchJob = (key: string, id: string): Promise<JobDetail> => ask(key, `/admin/v1/jobs/${encodeURIComponent(id)}`);

/** Throws `NotThere`, `KeyRefused` or `Trouble`. */
export const fetchBatch = (key: string, id: string): Promise<BatchDetail> => ask(key, `/admin/v1/batches/${encodeURIComponent(id)}`);
