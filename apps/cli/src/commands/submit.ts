import { createReadStream, openAsBlob } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { LIMITS } from "@slowboat/kernel";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type Api, apiOf, type GlobalFlags } from "./place.ts";
import { parsed, readAll } from "./read-input.ts";
import { waitFor } from "./watch.ts";

/** What `submit` may be told. */
export interface SubmitFlags extends GlobalFlags {
  readonly deadline?: string;
  readonly maxCost?: string;
  readonly allow?: string;
  readonly deny?: string;
  readonly fallbacks?: string;
  readonly callback?: string;
  readonly cache?: string;
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
}

/** Sends a file (or stdin, `-`): JSONL as a batch, one JSON object as a job. Prints the id on stdout. */
export async function submit(config: Config, flags: SubmitFlags, file: string): Promise<ExitCode> {
  const api = apiOf(config, flags);
  const input = await openInput(file);
  const id = input.kind === "batch" ? await submitBatch(api, flags, input.blob, input.name, input.endpoint) : await submitJob(api, flags, input.text);
  await data(flags.json ? JSON.stringify({ id }) : id);
  if (flags.wait) return await waitFor(api, [id], flags.json === true);
  say(`Watch it with: npx slowboat watch ${id}`);
  return EXIT.ok;
}

type Input =
  | { readonly kind: "batch"; readonly blob: Blob; readonly name: string; readonly endpoint: string }
  | { readonly kind: "job"; readonly text: string };

async function openInput(file: string): Promise<Input> {
  if (file === "-") return fromText(await readAll(process.stdin), "stdin.jsonl");
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) throw new Ended(EXIT.usage, `${file} is not a file.`);
  if (found.size > LIMITS.batchFileBytes)
    throw new Ended(EXIT.usage, `${file} has ${found.size} bytes; at most ${LIMITS.batchFileBytes} go into one batch. Split it.`);
  if (!file.endsWith(".jsonl")) return fromText(await readFile(file), file);
  // A big file is streamed from disk: only its first line is read here.
  return { kind: "batch", blob: await openAsBlob(file), name: file.split("/").at(-1) ?? file, endpoint: endpointOf(await firstLine(file)) };
}

/** One JSON object without a `custom_id` is a job; anything else is lines. */
function fromText(bytes: Buffer, name: string): Input {
  const text = bytes
    .toString("utf8")
    .replace(/^\uFEFF/, "")
    .trim();
  if (text === "") throw new Ended(EXIT.usage, `${name} is empty.`);
  const whole = parsed(text);
  if (whole && whole["custom_id"] === undefined) return { kind: "job", text };
  return {
    kind: "batch",
    blob: new Blob([new Uint8Array(bytes)]),
    name,
    endpoint: endpointOf(text.slice(0, text.indexOf("\n") < 0 ? undefined : text.indexOf("\n"))),
  };
}

async function firstLine(file: string): Promise<string> {
  const lines = createInterface({ input: createReadStream(file, { end: LIMITS.lineBytes }) });
  try {
    for await (const line of lines) if (line.trim() !== "") return line.replace(/^\uFEFF/, "");
  } finally {
    lines.close();
  }
  throw new Ended(EXIT.usage, `${file} is empty.`);
}

/** The endpoint that a batch goes to stands in its first line; the API checks the others against it. */
function endpointOf(line: string): string {
  const url = parsed(line)?.["url"];
  if (typeof url !== "string")
    throw new Ended(EXIT.usage, `The first line is no request: it needs custom_id, method, url and body, as in the Batch API.`);
  return url;
}

async function submitBatch(api: Api, flags: SubmitFlags, blob: Blob, name: string, endpoint: string): Promise<string> {
  if (flags.maxCost !== undefined)
    throw new Ended(EXIT.usage, "--max-cost bounds one job; write max_cost_usd into a job's JSON, or submit the lines as jobs.");
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", blob, name);
  const file = await api.json<{ id: string }>("POST", "/v1/files", { body: form });
  const metadata = {
    ...(flags.deadline === undefined ? {} : { deadline: withZone(flags.deadline) }),
    ...(flags.allow === undefined ? {} : { allow: flags.allow }),
    ...(flags.deny === undefined ? {} : { deny: flags.deny }),
    ...(flags.fallbacks === undefined ? {} : { fallbacks: flags.fallbacks }),
    ...(flags.callback === undefined ? {} : { callback_url: flags.callback }),
    ...(flags.cache === undefined ? {} : { cache: flags.cache }),
  };
  const body = JSON.stringify({ input_file_id: file.id, endpoint, completion_window: "24h", metadata });
  const batch = await api.json<{ id: string }>("POST", "/v1/batches", { body, headers: headersOf(flags) });
  return batch.id;
}

async function submitJob(api: Api, flags: SubmitFlags, text: string): Promise<string> {
  const value = parsed(text);
  if (!value) throw new Ended(EXIT.usage, "The input is no JSON object.");
  const members: [string, unknown][] = [];
  if (flags.deadline !== undefined) members.push(["deadline", withZone(flags.deadline)]);
  if (flags.maxCost !== undefined) members.push(["max_cost_usd", flags.maxCost]);
  if (flags.allow !== undefined) members.push(["allow", listOf(flags.allow)]);
  if (flags.deny !== undefined) members.push(["deny", listOf(flags.deny)]);
  if (flags.fallbacks !== undefined) members.push(["fallbacks", listOf(flags.fallbacks)]);
  if (flags.callback !== undefined) members.push(["callback_url", flags.callback]);
  if (flags.cache !== undefined) members.push(["cache", flags.cache]);
  const more = members.map(([name, member]) => `,${JSON.stringify(name)}:${JSON.stringify(member)}`).join("");
  // The request's own text travels as it is; of a repeated member the last one counts.
  const envelope = value["body"] === undefined && value["request"] === undefined ? `{"body":${text}${more}}` : `${text.slice(0, -1)}${more}}`;
  const job = await api.json<{ id: string }>("POST", "/v1/jobs", { body: envelope, headers: headersOf(flags) });
  return job.id;
}

const headersOf = (flags: SubmitFlags): Record<string, string> => ({
  "content-type": "application/json",
  ...(flags.idempotencyKey === undefined ? {} : { "idempotency-key": flags.idempotencyKey }),
});

const listOf = (text: string): string[] =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

/** "06:00" is meant on this machine's wall; over HTTP a time needs its zone. */
export const withZone = (deadline: string): string =>
  /^\d{1,2}:\d{2}$/.test(deadline.trim()) ? `${deadline.trim()} ${Intl.DateTimeFormat().resolvedOptions().timeZone}` : deadline;
