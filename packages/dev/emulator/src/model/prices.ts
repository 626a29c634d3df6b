import { undated } from "./catalog.ts";
import type { Tier, TokenClasses } from "./types.ts";

/** Whole pico-dollars per token. A null class is charged as plain input. */
interface Rates {
  readonly input: bigint;
  readonly cached: bigint | null;
  readonly write: bigint | null;
  readonly writeLong: bigint | null;
  readonly output: bigint;
}

interface Row {
  readonly standard: Rates;
  readonly batch: Rates;
  readonly flex: Rates | null;
  readonly priority: Rates | null;
  /** Above this many prompt tokens the whole request pays the multiplied rates, given in halves: 4 = twice. */
  readonly long: { readonly over: number; readonly promptHalves: bigint; readonly outputHalves: bigint } | null;
}

/** "0.025" dollars per million tokens is 25,000 pico-dollars per token, exactly. */
function pico(usdPerMillion: string): bigint {
  const [whole = "0", decimals = ""] = usdPerMillion.split(".");
  return BigInt(whole + decimals.padEnd(6, "0"));
}

/** `"in cached write writeLong out"`; `-` where the provider lists no such price. */
function rates(text: string): Rates {
  const [input = "0", cached = "-", write = "-", writeLong = "-", output = "0"] = text.split(" ");
  const maybe = (value: string): bigint | null => (value === "-" ? null : pico(value));
  return { input: pico(input), cached: maybe(cached), write: maybe(write), writeLong: maybe(writeLong), output: pico(output) };
}

const scaled = (r: Rates, by: bigint, over: bigint): Rates => {
  const times = (value: bigint | null): bigint | null => (value === null ? null : (value * by) / over);
  return {
    input: (r.input * by) / over,
    cached: times(r.cached),
    write: times(r.write),
    writeLong: times(r.writeLong),
    output: (r.output * by) / over,
  };
};

const LONG_OPENAI = { over: 272_000, promptHalves: 4n, outputHalves: 3n } as const;
const LONG_HAIKU = { over: 100_000, promptHalves: 10n, outputHalves: 10n } as const;

interface More {
  batch?: string;
  flex?: string | null;
  priority?: readonly [bigint, bigint];
  long?: Row["long"];
}

/** OpenAI: batch and flex are half the standard price unless a row says otherwise; priority is twice. */
function openai(standard: string, more: More = {}): Row {
  const base = rates(standard);
  const [by, over] = more.priority ?? [2n, 1n];
  return {
    standard: base,
    batch: more.batch === undefined ? scaled(base, 1n, 2n) : rates(more.batch),
    flex: more.flex === null ? null : more.flex === undefined ? scaled(base, 1n, 2n) : rates(more.flex),
    priority: scaled(base, by, over),
    long: more.long === undefined ? LONG_OPENAI : more.long,
  };
}

/** Anthropic: batch halves every kind; there is no flex. */
function anthropic(standard: string, long: Row["long"] = null): Row {
  const base = rates(standard);
  return { standard: base, batch: scaled(base, 1n, 2n), flex: null, priority: null, long };
}

/** What the emulated providers charge, in dollars per million tokens: input, cache read, write, long write, output. Public prices of November 2026. */
const ROWS: Readonly<Record<string, Row>> = {
  "gpt-6-astra": openai("10 1 12.5 - 50"),
  "gpt-6.1-sol": openai("2 0.10 2.5 - 10"),
  "gpt-6.1-terra": openai("1 0.05 1.25 2.5 5"),
  "gpt-6-sol": openai("2 0.2 2.5 - 10"),
  "gpt-6-luna": openai("0.10 0.01 0.125 - 0.50"),
  "gpt-5.6-sol": openai("4 0.4 5 - 20"),
  "gpt-5.6-luna": openai("0.2 0.02 0.25 - 1.2"),
  "gpt-5.5": openai("5 0.5 - - 30", { priority: [5n, 2n] }),
  "gpt-5.4-mini": openai("0.75 0.075 - - 4.5"),
  "gpt-5-mini": openai("0.25 0.025 - - 2", { priority: [9n, 5n], long: null }),
  "gpt-4.1-mini": openai("0.4 0.1 - - 1.6", { batch: "0.2 - - - 0.8", flex: null, priority: [7n, 4n], long: null }),
  "gpt-4o-mini": openai("0.15 0.075 - - 0.6", { batch: "0.075 - - - 0.3", flex: null, priority: [5n, 3n], long: null }),
  "o4-mini": openai("1.1 0.275 - - 4.4", { batch: "0.55 - - - 2.2", flex: "0.55 0.138 - - 2.2", priority: [9n, 5n], long: null }),
  "text-embedding-3-small": openai("0.02 - - - 0", { batch: "0.02 - - - 0", flex: null, long: null }),
  "unlisted-preview": openai("0.25 0.025 - - 2"),
  "claude-fable-5-2": anthropic("8 0.20 10 16 40"),
  "claude-opus-5-5": anthropic("4 0.20 5 8 20"),
  "claude-opus-5": anthropic("5 0.5 6.25 10 25"),
  "claude-sonnet-5-5": anthropic("2 0.10 2.5 4 10"),
  "claude-sonnet-5": anthropic("2 0.2 2.5 4 10"),
  "claude-haiku-5-5": anthropic("0.10 0.01 0.125 0.20 0.50", LONG_HAIKU),
  "claude-haiku-4-5": anthropic("1 0.1 1.25 2 5"),
};

const rowOf = (model: string): Row | undefined => ROWS[undated(model)];

/** True when the provider sells this model at this tier. */
export const sells = (model: string, tier: Tier): boolean => rowOf(model)?.[tier] != null;

/** True when a cache read in a batch has a price of its own, and so happens at all. */
export const batchCaches = (model: string): boolean => rowOf(model)?.batch.cached != null;

/**
 * What the provider bills for one request, in nano-dollars: the sum in pico-dollars, rounded once, half to even.
 * Written apart from the product's own pricing, so that one checks the other.
 */
export function chargeNanoUsd(model: string, tier: Tier, tokens: TokenClasses): bigint {
  const row = rowOf(model);
  const listed = row?.[tier];
  if (row === undefined || listed == null) throw new Error(`no ${tier} price for ${model}`);
  const promptTokens = tokens.input + tokens.cached + tokens.write + tokens.writeLong;
  const long = row.long !== null && promptTokens > row.long.over ? row.long : null;
  const prompt =
    BigInt(tokens.input) * listed.input +
    BigInt(tokens.cached) * (listed.cached ?? listed.input) +
    BigInt(tokens.write) * (listed.write ?? listed.input) +
    BigInt(tokens.writeLong) * (listed.writeLong ?? listed.write ?? listed.input);
  const output = BigInt(tokens.output) * listed.output;
  const doubled = prompt * (long?.promptHalves ?? 2n) + output * (long?.outputHalves ?? 2n);
  const whole = doubled / 2000n;
  const rest = doubled % 2000n;
  return rest > 1000n || (rest === 1000n && whole % 2n === 1n) ? whole + 1n : whole;
}
