import { createReadStream, openAsBlob } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { LIMITS } from "@slowboat/kernel";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, look, say } from "../terminal.ts";
import { apiOf, type GlobalFlags } from "./place.ts";
import { drawQuote, type QuoteShown } from "./quote-table.ts";
import { parsed, readAll } from "./read-input.ts";
import { withZone } from "./submit.ts";

/** What `quote` may be told. */
export interface QuoteFlags extends GlobalFlags {
  readonly deadline?: string;
  readonly model?: string;
  readonly endpoint?: string;
  readonly allow?: string;
  readonly deny?: string;
  readonly maxCost?: string;
  readonly admission?: string;
}

/** Asks what a file's requests would cost on every lane and when they would be done; nothing is stored or spent. */
export async function quote(config: Config, flags: QuoteFlags, file: string): Promise<ExitCode> {
  const api = apiOf(config, flags);
  const query = queryOf(flags);
  const input = await openInput(file);
  const [body, type] = input.kind === "lines" ? [input.blob, "application/jsonl"] : [jobText(input.text, flags), "application/json"];
  const path = input.kind === "lines" && query.size > 0 ? `/v1/quote?${query}` : "/v1/quote";
  const quoted = await api.json<QuoteShown>("POST", path, { body, headers: { "content-type": type } });
  if (flags.json) await data(JSON.stringify(quoted));
  else {
    await data(drawQuote(quoted, { name: file, ...look(process.stdout, config.NO_COLOR) }));
    const label = api.label();
    if (label !== null) say(label);
  }
  return codeOf(quoted);
}

/** A quote that says no ends as a submit would. */
function codeOf({ errors, refusals, feasible }: QuoteShown): ExitCode {
  if (errors.count > 0) return EXIT.batchRefused;
  if (refusals.some((one) => one.code === "over-max-cost")) return EXIT.budgetRefused;
  if (refusals.some((one) => one.code === "deadline-infeasible" || one.code === "admission-infeasible")) return EXIT.deadlineMissed;
  if (refusals.length > 0) return EXIT.error;
  return feasible ? EXIT.ok : EXIT.deadlineMissed;
}

function queryOf(flags: QuoteFlags): URLSearchParams {
  const query = new URLSearchParams();
  const members = { ...membersOf(flags), endpoint: flags.endpoint, model: flags.model };
  for (const [name, value] of Object.entries(members)) if (value !== undefined) query.set(name, value);
  return query;
}

const membersOf = (flags: QuoteFlags): Record<string, string | undefined> => ({
  deadline: flags.deadline === undefined ? undefined : withZone(flags.deadline),
  allow: flags.allow,
  deny: flags.deny,
  max_cost_usd: flags.maxCost,
  admission: flags.admission,
});

/** One job travels as a list of one, so that the flags stand beside it. */
function jobText(text: string, flags: QuoteFlags): string {
  const value = parsed(text);
  if (value === null) throw new Ended(EXIT.usage, "The input is no JSON object.");
  const endpoint = flags.endpoint === undefined ? "" : `,"endpoint":${JSON.stringify(flags.endpoint)}`;
  const job = value["body"] === undefined && value["request"] === undefined ? `{"body":${text}${endpoint}}` : text;
  const more = Object.entries({ ...membersOf(flags), model: flags.model })
    .flatMap(([name, member]) => (member === undefined ? [] : [`,${JSON.stringify(name)}:${JSON.stringify(member)}`]))
    .join("");
  return `{"requests":[${job}]${more}}`;
}

type Input = { readonly kind: "lines"; readonly blob: Blob } | { readonly kind: "job"; readonly text: string };

async function openInput(file: string): Promise<Input> {
  if (file === "-") return fromBytes(await readAll(process.stdin));
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) throw new Ended(EXIT.usage, `${file} is not a file.`);
  if (found.size > LIMITS.batchFileBytes)
    throw new Ended(EXIT.usage, `${file} has ${found.size} bytes; at most ${LIMITS.batchFileBytes} go into one batch. Split it.`);
  if (file.endsWith(".jsonl") || (await looksLikeLines(file))) return { kind: "lines", blob: await openAsBlob(file) };
  return fromBytes(await readFile(file));
}

/** Lines have a `custom_id` each. */
async function looksLikeLines(file: string): Promise<boolean> {
  const lines = createInterface({ input: createReadStream(file, { end: LIMITS.lineBytes }) });
  try {
    for await (const line of lines) if (line.trim() !== "") return parsed(line)?.["custom_id"] !== undefined;
    return false;
  } finally {
    lines.close();
  }
}

function fromBytes(bytes: Buffer): Input {
  const text = bytes.toString("utf8").trim();
  if (text === "") throw new Ended(EXIT.usage, "The input is empty.");
  const whole = parsed(text);
  return whole !== null && whole["custom_id"] === undefined ? { kind: "job", text } : { kind: "lines", blob: new Blob([new Uint8Array(bytes)]) };
}
