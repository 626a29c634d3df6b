import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { parseUsd } from "@slowboat/kernel";
import type { Bill } from "@slowboat/ledger";
import { Ended, EXIT } from "../exit.ts";

/** A bill is held in memory while it is compared. */
const LINES_MAX = 2_000_000;
/** A bill that is one JSON document is read whole. */
const DOCUMENT_BYTES = 256 * 1024 * 1024;

/** The names of a column or member, in any case and with or without underscores. */
const ID_NAMES = ["customid", "clientrequestid", "id"];
const AMOUNT_NAMES = ["nanousd", "usd"];

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads a provider's bill by attempt: JSON lines or CSV with a header, one charge a line, or one JSON document with `lines`. A charge has an id (`client_request_id`,
 * `custom_id` or `id`, the one by which the provider was asked) and an amount (`nano_usd`, or `usd` exact to the nano-dollar).
 */
export async function readBill(path: string): Promise<Bill> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) throw new Ended(EXIT.usage, `${path} is not a file.`);
  const bill = new Map<string, bigint[]>();
  let count = 0;
  const add = (charge: Members, where: string): void => {
    if (++count > LINES_MAX) throw new Ended(EXIT.usage, `${path} has more than ${LINES_MAX} charges. Split it by time.`);
    const [id, amount] = readCharge(charge, `${path}, ${where}`);
    const amounts = bill.get(id);
    if (amounts) amounts.push(amount);
    else bill.set(id, [amount]);
  };
  if (path.endsWith(".json")) readDocument(path, found.size, await readFile(path, "utf8"), add);
  else await readLines(path, add);
  return bill;
}

function readDocument(path: string, sizeBytes: number, text: string, add: (charge: Members, where: string) => void): void {
  if (sizeBytes > DOCUMENT_BYTES) throw new Ended(EXIT.usage, `${path} has ${sizeBytes} bytes; give a bill of that size as JSON lines.`);
  const whole = membersOf(text);
  const lines = whole?.["lines"];
  if (!Array.isArray(lines))
    throw new Ended(EXIT.usage, `${path} has no list 'lines'; give {"lines": [{"id": "att_…", "usd": "0.0012"}]}, or JSON lines.`);
  for (const [index, line] of lines.entries()) add(asMembers(line) ?? {}, `charge ${index + 1}`);
}

async function readLines(path: string, add: (charge: Members, where: string) => void): Promise<void> {
  let columns: readonly string[] | null = null;
  let no = 0;
  for await (const raw of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    no++;
    const line = raw.replace(/^\uFEFF/, "").trim();
    if (line === "") continue;
    if (line.startsWith("{")) {
      const charge = membersOf(line);
      if (charge === null) throw new Ended(EXIT.usage, `${path}, line ${no} is no JSON object.`);
      add(charge, `line ${no}`);
      continue;
    }
    const cells = line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
    if (columns === null) columns = cells;
    else add(Object.fromEntries(columns.map((name, index) => [name, cells[index] ?? ""])), `line ${no}`);
  }
}

function readCharge(charge: Members, where: string): readonly [string, bigint] {
  const members = new Map(Object.entries(charge).map(([name, value]) => [name.toLowerCase().replaceAll("_", ""), value]));
  const first = (names: readonly string[]): [string, unknown] | undefined =>
    names.map((name): [string, unknown] => [name, members.get(name)]).find(([, value]) => value !== undefined && value !== null && value !== "");
  const id = first(ID_NAMES)?.[1];
  if (typeof id !== "string") throw new Ended(EXIT.usage, `${where}: no id of a request; name it client_request_id, custom_id or id.`);
  const [unit, value] = first(AMOUNT_NAMES) ?? ["", null];
  const amount = typeof value === "string" || typeof value === "number" ? readAmount(unit, value) : null;
  if (amount === null)
    throw new Ended(EXIT.usage, `${where}: no amount; give usd (such as 0.0012, at most nine decimals) or nano_usd (a whole number), not below 0.`);
  return [id, amount];
}

const readAmount = (unit: string, value: string | number): bigint | null =>
  unit === "nanousd" ? (/^\d{1,18}$/.test(String(value)) ? BigInt(value) : null) : parseUsd(value);

const asMembers = (value: unknown): Members | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : null;

function membersOf(text: string): Members | null {
  try {
    return asMembers(JSON.parse(text));
  } catch {
    return null;
  }
}
