import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import type { TraceRow } from "@slowboat/sim";

/** The names under which a trace may carry a request's arrival and its tokens: ours, Azure's and Mooncake's. */
const COLUMNS = {
  arrivedAt: ["arrived_at_ms", "timestamp", "TIMESTAMP"],
  input: ["input_tokens", "input_length", "ContextTokens"],
  output: ["output_tokens", "output_length", "GeneratedTokens"],
} as const;

type Cells = Readonly<Record<string, unknown>>;

export const isTrace = (name: string): boolean => /\.(?:csv|jsonl)(?:\.gz)?$/.test(name);

/** A trace's name in the results: the file's, without what says how it is written. */
export const traceName = (file: string): string => basename(file).replace(/\.(?:csv|jsonl)(?:\.gz)?$/, "");

/**
 * Reads a trace: CSV with a header or JSON lines, plain or gzipped, with `arrived_at_ms,input_tokens,output_tokens` and optionally `tenant` (whatever
 * else it has is ignored), or as Azure and Mooncake publish theirs. Throws on a line that cannot be read, naming it.
 */
export function readTrace(file: string): TraceRow[] {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const lines = text.split(/\r?\n/).filter((line) => line !== "");
  const isCsv = /\.csv(?:\.gz)?$/.test(file);
  const header = isCsv ? (lines.shift() ?? "").split(",").map((name) => name.trim()) : [];
  return lines.map((line, i) => {
    try {
      return toRow(isCsv ? Object.fromEntries(line.split(",").map((cell, at) => [header[at] ?? "", cell.trim()])) : (JSON.parse(line) as Cells));
    } catch (cause) {
      throw new Error(`${basename(file)}: line ${i + (isCsv ? 2 : 1)} is no request`, { cause });
    }
  });
}

function toRow(cells: Cells): TraceRow {
  const of = (names: readonly string[]): unknown => cells[names.find((name) => cells[name] !== undefined) ?? ""];
  const row = {
    arrivedAtMs: instant(of(COLUMNS.arrivedAt)),
    inputTokens: Number(of(COLUMNS.input)),
    outputTokens: Number(of(COLUMNS.output)),
    tenant: String(cells["tenant"] ?? ""),
  };
  if (!Number.isFinite(row.arrivedAtMs) || !Number.isSafeInteger(row.inputTokens) || !Number.isSafeInteger(row.outputTokens))
    throw new Error("not a number");
  if (row.inputTokens < 0 || row.outputTokens < 0) throw new Error("less than nothing");
  return row;
}

/** Ms, or a date with more digits of seconds than JavaScript reads. */
function instant(value: unknown): number {
  if (typeof value === "number" || /^\d+(?:\.\d+)?$/.test(String(value))) return Number(value);
  const [, day, time, part = ""] = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?$/.exec(String(value)) ?? [];
  return Date.parse(`${day}T${time}Z`) + Number(`0${part}`) * 1000;
}
