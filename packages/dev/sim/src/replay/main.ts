/**
 * Replays arrivals under another policy, as a process: `main.ts ARRIVALS POLICY BOOK SEED`. ARRIVALS is a file of a stored job a line, POLICY a JSON file of policy
 * values, BOOK a price book, SEED the luck. Prints one JSON object. Exit 2 with a text for the user where a file cannot be read.
 */
import { readFileSync } from "node:fs";
import { readPolicy } from "@slowboat/plan";
import { loadPriceBook } from "@slowboat/pricing";
import type { StoredArrival } from "./read-arrivals.ts";
import { replayArrivals } from "./replay.ts";

function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const [arrivalsPath, policyPath, bookPath, seed] = process.argv.slice(2);
if (arrivalsPath === undefined || policyPath === undefined || bookPath === undefined) refuse("main.ts ARRIVALS POLICY BOOK [SEED]");
const read = readPolicy(parse(policyPath, readFileSync(policyPath, "utf8")));
if ("problem" in read) refuse(`${policyPath}: ${read.problem}.`);
const lines = readFileSync(arrivalsPath, "utf8").split("\n");
const arrivals = lines.filter((line) => line !== "").map((line) => parse(arrivalsPath, line) as StoredArrival);
const book = loadPriceBook(parse(bookPath, readFileSync(bookPath, "utf8")));
process.stdout.write(`${JSON.stringify(replayArrivals(arrivals, { book, seed: Number(seed ?? 1), values: read.policy }))}\n`);
