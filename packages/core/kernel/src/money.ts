import { assert } from "./assert.ts";

declare const nanoBrand: unique symbol;
declare const picoBrand: unique symbol;

/** An amount of money in nano-dollars (1e-9 USD). Never a `number`. Largest amount in Postgres: 9.2e9 USD. */
export type NanoUsd = bigint & { readonly [nanoBrand]: true };

/** A price in whole pico-dollars (1e-12 USD) per token: $0.01 per million tokens is exactly 10,000. */
export type PicoUsd = bigint & { readonly [picoBrand]: true };

/** Brands a bigint of nano-dollars. */
export const nano = (value: bigint): NanoUsd => value as NanoUsd;

export const ZERO: NanoUsd = nano(0n);

/** Sums amounts exactly. */
export const addNano = (...amounts: readonly NanoUsd[]): NanoUsd => nano(amounts.reduce<bigint>((sum, a) => sum + a, 0n));

/**
 * The only place where money is rounded: Σ tokens · pico, brought to nano-dollars once, half to even.
 * `lines` are disjoint token classes of one request.
 */
export function priceTokens(lines: readonly { tokens: number; pico: PicoUsd }[]): NanoUsd {
  let pico = 0n;
  for (const line of lines) {
    assert(Number.isSafeInteger(line.tokens) && line.tokens >= 0, `token count ${line.tokens} is a whole number`);
    assert(line.pico >= 0n, "a token price is not negative");
    pico += BigInt(line.tokens) * line.pico;
  }
  const whole = pico / 1000n;
  const rest = pico % 1000n;
  const up = rest > 500n || (rest === 500n && whole % 2n === 1n);
  return nano(up ? whole + 1n : whole);
}

/** `12345678900n` → `"12.3456789"`: exact dollars with at least two and at most nine decimals; no currency sign. */
export function formatUsd(amount: NanoUsd): string {
  const negative = amount < 0n;
  const digits = (negative ? -amount : amount).toString().padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0+$/, "").padEnd(2, "0");
  return `${negative ? "-" : ""}${digits.slice(0, -9)}.${decimals}`;
}

/** Reads dollars from a decimal text or number (`"0.25"`, `12`, `1e-3`) exactly; `null` when unreadable, negative or finer than a nano-dollar. */
export function parseUsd(value: string | number): NanoUsd | null {
  const text = typeof value === "number" ? plainDecimal(value) : value.trim();
  const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
  if (!match) return null;
  return nano(BigInt(match[1] ?? "0") * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0")));
}

const plainDecimal = (value: number): string => {
  if (!Number.isFinite(value)) return "";
  const text = String(value);
  return text.includes("e") ? value.toFixed(9).replace(/\.?0+$/, "") : text;
};
