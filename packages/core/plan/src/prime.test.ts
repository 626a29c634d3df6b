import { loadPriceBook, type PromptRates, promptRates, STANDARD_PRICES } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { batchCdf, type PrimeQuestion, primeVerdict, twoBatchesCdf } from "./index.ts";

const book = loadPriceBook(STANDARD_PRICES);
const HOUR = 3_600_000;
const ratesOf = (provider: "openai" | "anthropic", model: string): PromptRates => {
  const rates = promptRates(book, { provider, model, tier: "batch" }, 6000, Date.parse("2026-11-25T22:00:00Z"));
  if (rates === null) throw new Error("the book has a batch price");
  return rates;
};
const ask = (more: Partial<PrimeQuestion> = {}): ReturnType<typeof primeVerdict> =>
  primeVerdict({
    lines: 80,
    prefixTokens: 6000,
    rates: ratesOf("anthropic", "claude-sonnet-5"),
    roomMs: 20 * HOUR,
    ageMs: null,
    rescueNano: 6_000_000n,
    ...more,
  });

test("many lines with room for two turnarounds are primed, kept an hour since five minutes would lapse", () => {
  expect(ask()).toMatchObject({ prime: true, ttl: "1h" });
  expect(ask({ rates: ratesOf("openai", "gpt-5.6-luna") })).toMatchObject({ prime: true, ttl: "30m" });
});

test("a single line has nobody to read what it writes, and two do not earn back a write at twice the price", () => {
  expect(ask({ lines: 1 }).prime).toBe(false);
  expect(ask({ lines: 2 }).prime).toBe(false);
  expect(ask({ lines: 4 }).prime).toBe(true);
});

test("where the second turnaround would push lines into their rescue, the batch goes at once", () => {
  expect(ask({ roomMs: HOUR / 2 }).prime).toBe(false);
  expect(ask({ roomMs: 2 * HOUR }).prime).toBe(true);
  // Likely in time, yet what the unlucky ones pay outweighs what the others save.
  expect(ask({ roomMs: 2 * HOUR, rescueNano: 60_000_000n }).prime).toBe(false);
});

test("a priming batch that does not come back is waited for only as long as there is room", () => {
  expect(ask({ roomMs: 19 * HOUR, ageMs: HOUR }).prime).toBe(true);
  expect(ask({ roomMs: 4 * HOUR, ageMs: 16 * HOUR }).prime).toBe(false);
});

test("models that cache by themselves, and price lists without a cached price, are never primed", () => {
  expect(ask({ rates: ratesOf("openai", "gpt-5-mini") }).prime).toBe(false);
  expect(ask({ rates: ratesOf("openai", "gpt-4.1-mini") }).prime).toBe(false);
});

test("two batches in a row are later than one and never less likely with more time", () => {
  let before = 0;
  for (const hours of [0.1, 0.3, 1, 3, 10, 30]) {
    const both = twoBatchesCdf(hours * HOUR, 0, 50);
    expect(both).toBeLessThanOrEqual(batchCdf(hours * HOUR, 50));
    expect(both).toBeGreaterThanOrEqual(before);
    before = both;
  }
  expect(before).toBeGreaterThan(0.9);
});
