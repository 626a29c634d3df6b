import { isFault } from "@slowboat/kernel";
import type { Store } from "@slowboat/store";
import { type Config, lookedInto } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { type DataFolder, viewDataFolder } from "../supervisor/data-folder.ts";
import { readKept } from "../supervisor/kept-key.ts";

/** The options that every command has. */
export interface GlobalFlags {
  readonly json?: boolean;
  readonly url?: string;
  readonly key?: string;
  readonly dataDir?: string;
}

/** What `up` writes down for the CLI of the same machine. */
export interface Connection {
  readonly url: string;
  readonly console_url: string;
  readonly pool_url: string;
  readonly database_url: string;
  readonly emulated: boolean;
  readonly pid: number;
}

/** The API as a command sees it. */
export interface Api {
  readonly url: string;
  readonly key: string;
  /** The words by which the API labels an emulated provider's answers; `null` of a real one, and before the first call. */
  label(): string | null;
  /** One call; a refusal ends the command with the API's own words and the exit code they mean. */
  call(
    method: "GET" | "POST" | "DELETE",
    path: string,
    options?: { readonly body?: string | FormData | Blob; readonly headers?: Record<string, string>; readonly signal?: AbortSignal },
  ): Promise<Response>;
  json<T>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    options?: { readonly body?: string | FormData | Blob; readonly headers?: Record<string, string>; readonly signal?: AbortSignal },
  ): Promise<T>;
}

const TIMEOUT_MS = 60_000;

/** The data folder of the flags, which may be missing. */
export const folderOf = (config: Config, flags: GlobalFlags): DataFolder => viewDataFolder(lookedInto(config, flags.dataDir));

/** Where the running stack of the data folder is; `null` when none runs. */
export function connectionOf(config: Config, flags: GlobalFlags): Connection | null {
  const text = folderOf(config, flags).read("connection.json");
  return text === null ? null : (JSON.parse(text) as Connection);
}

/** The API by `--url` and `--key`, else by the environment, else by the stack that runs on the data folder. */
export function apiOf(config: Config, flags: GlobalFlags): Api {
  const url = (flags.url ?? config.SLOWBOAT_URL ?? connectionOf(config, flags)?.url)?.replace(/\/+$/, "").replace(/\/v1$/, "");
  if (url === undefined)
    throw new Ended(EXIT.error, "No Slowboat is known: start one with `npx slowboat up`, or name it with --url or SLOWBOAT_URL.");
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new Ended(EXIT.usage, `--url ${url} is no address: give one such as http://127.0.0.1:8787.`);
  const key = flags.key ?? config.SLOWBOAT_API_KEY ?? readKept(folderOf(config, flags))?.key;
  if (key === undefined) throw new Ended(EXIT.error, "No API key is known: give --key or SLOWBOAT_API_KEY.");
  let label: string | null = null;
  const call: Api["call"] = async (method, path, options = {}) => {
    const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(options.signal ? [options.signal] : [])];
    const headers = { authorization: `Bearer ${key}`, ...options.headers };
    const res = await fetch(`${url}${path}`, {
      method,
      headers,
      signal: AbortSignal.any(signals),
      ...(options.body === undefined ? {} : { body: options.body }),
    }).catch((error: unknown) => {
      if (options.signal?.aborted) throw error;
      throw new Ended(EXIT.error, `${url} does not answer: ${reasonOf(error)}`);
    });
    label = res.headers.get("x-slowboat-emulated") ?? label;
    if (res.ok) return res;
    throw refusal(res.status, await res.text());
  };
  return { url, key, label: () => label, call, json: async (method, path, options) => (await (await call(method, path, options)).json()) as never };
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
};

const MEANING: Record<string, ExitCode> = {
  "over-max-cost": EXIT.budgetRefused,
  over_max_cost: EXIT.budgetRefused,
  budget_exceeded: EXIT.budgetRefused,
  "budget-exceeded": EXIT.budgetRefused,
  "deadline-infeasible": EXIT.deadlineMissed,
  deadline_infeasible: EXIT.deadlineMissed,
  admission_infeasible: EXIT.deadlineMissed,
};

/** Turns an API's error into the end of the command. */
function refusal(status: number, text: string): Ended {
  let message = text.slice(0, 500);
  let code = "";
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; code?: string; type?: string } };
    message = error?.message ?? message;
    code = error?.code ?? error?.type ?? "";
  } catch {
    // A gateway's page is shown as it is.
  }
  return new Ended(MEANING[code] ?? EXIT.error, `${message} (HTTP ${status}${code === "" ? "" : `, ${code}`})`);
}

/** Opens the database behind the data folder for an operator's command, and closes it after. */
export async function withStore<T>(config: Config, flags: GlobalFlags, work: (store: Store, folder: DataFolder) => Promise<T>): Promise<T> {
  const url = config.DATABASE_URL ?? connectionOf(config, flags)?.database_url;
  if (url === undefined) throw new Ended(EXIT.error, "No database is known: start Slowboat with `npx slowboat up`, or set DATABASE_URL.");
  // Its query builder is most of what a start of ours would load: commands that ask the API do without.
  const { openStore } = await import("@slowboat/store");
  const store = openStore(url, { max: 2, name: "slowboat-cli" });
  try {
    return await work(store, folderOf(config, flags));
  } catch (error) {
    if (isFault(error)) throw new Ended(EXIT.error, error.message);
    throw error;
  } finally {
    await store.close();
  }
}
