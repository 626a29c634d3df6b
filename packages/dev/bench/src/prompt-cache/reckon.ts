import { type CacheTtl, NO_USAGE, totalInput, type Usage } from "@slowboat/contract";
import { loadPriceBook, price, promptRates, STANDARD_PRICES, usageOf } from "@slowboat/pricing";
import type { Arm } from "./workload.ts";

/** One line of the provider's bill, and the prefix of the job that it is for. */
export interface Billed {
  readonly atMs: number;
  readonly nanoUsd: string;
  readonly usage: Record<string, unknown>;
  readonly customId: string;
}

/** What an arm cost, what it would have cost without caching, and the least it could have. Nano-USD. */
export interface Reckoning {
  readonly paid: bigint;
  readonly uncached: bigint;
  readonly minimum: bigint;
  readonly reads: number;
  readonly writes: number;
}

const TTL_MS: Readonly<Record<CacheTtl, number>> = { "5m": 300_000, "30m": 1_800_000, "1h": 3_600_000, "12h": 43_200_000 };
const book = loadPriceBook(STANDARD_PRICES);

interface Line extends Billed {
  readonly read: Usage;
}

/**
 * Reckons an arm from its bill. Paid is the bill's own sum. Uncached is the same tokens as plain input. The minimum pays, for each prefix, one
 * write for each span of time in which an entry lives from use to use, at the lifetime that comes out cheapest, and reads otherwise;
 * everything behind the prefix is plain input there, and the answers cost what they cost.
 */
export function reckon(arm: Arm, billed: readonly Billed[]): Reckoning {
  const terms = { provider: arm.provider, model: arm.model, tier: arm.way === "batch" ? ("batch" as const) : ("standard" as const) };
  const lines = billed.map((line): Line => {
    const reading = usageOf(arm.endpoint, { usage: line.usage });
    if (reading.usage === null) throw new Error(`a bill that cannot be read: ${reading.reason}`);
    return { ...line, read: reading.usage };
  });
  const cost = (usage: Usage, atMs: number): bigint => {
    const priced = price(book, terms, usage, atMs);
    if (priced.unpriced) throw new Error(`${arm.model} has no price`);
    return priced.nano;
  };
  const plain = ({ read, atMs }: Line): bigint => cost({ ...NO_USAGE, input: totalInput(read), output: read.output }, atMs);
  const groups = Map.groupBy(lines, (line) => line.customId.split("-")[0] ?? "");
  let minimum = 0n;
  for (const [name, group] of groups) {
    if (name === "x") minimum += group.reduce((sum, line) => sum + plain(line), 0n);
    else minimum += leastOf(arm, group, cost);
  }
  return {
    paid: lines.reduce((sum, line) => sum + BigInt(line.nanoUsd), 0n),
    uncached: lines.reduce((sum, line) => sum + plain(line), 0n),
    minimum,
    reads: lines.filter((line) => line.read.cacheRead > 0).length,
    writes: lines.filter((line) => writtenOf(line.read) > 0).length,
  };
}

const writtenOf = (usage: Usage): number => usage.cacheWrite5m + usage.cacheWrite30m + usage.cacheWrite1h + usage.cacheWrite12h;

function leastOf(arm: Arm, group: readonly Line[], cost: (usage: Usage, atMs: number) => bigint): bigint {
  const lines = [...group].sort((a, b) => a.atMs - b.atMs);
  const prefix = Math.max(...lines.map(({ read }) => Math.max(read.cacheRead, writtenOf(read))));
  if (prefix < 5_000) throw new Error(`nothing of a prefix of 6,000 tokens was cached in ${arm.way} at ${arm.provider}`);
  const rates = promptRates(book, { ...arm, tier: arm.way === "batch" ? "batch" : "standard" }, prefix, lines[0]?.atMs ?? 0);
  const kinds = { "5m": "cacheWrite5m", "30m": "cacheWrite30m", "1h": "cacheWrite1h", "12h": "cacheWrite12h" } as const;
  let least: bigint | null = null;
  for (const ttl of rates?.writes.keys() ?? []) {
    let sum = 0n;
    let warmUntilMs = Number.NEGATIVE_INFINITY;
    for (const { read, atMs } of lines) {
      const rest = { ...NO_USAGE, input: totalInput(read) - prefix, output: read.output };
      sum += cost(atMs < warmUntilMs ? { ...rest, cacheRead: prefix } : { ...rest, [kinds[ttl]]: prefix }, atMs);
      warmUntilMs = atMs + TTL_MS[ttl];
    }
    if (least === null || sum < least) least = sum;
  }
  if (least === null) throw new Error(`${arm.model} has no price for a write`);
  return least;
}
