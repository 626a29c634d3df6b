import { expect, test } from "vitest";
import { MODELS } from "./catalog.ts";
import { chargeNanoUsd, sells } from "./prices.ts";

const million = 1_000_000;
const none = { input: 0, cached: 0, write: 0, writeLong: 0, output: 0 };
const usd = (text: number): bigint => BigInt(Math.round(text * 1e9));

test.each([
  ["gpt-6-luna", "standard", { ...none, input: 200_000, output: million }, 0.52],
  ["gpt-6-luna", "batch", { ...none, output: million }, 0.25],
  ["gpt-5-mini", "batch", { ...none, cached: million }, 0.0125],
  ["gpt-4o-mini-2024-07-18", "batch", { ...none, input: million }, 0.075],
  ["claude-haiku-4-5-20251001", "standard", { ...none, output: million }, 5],
  ["gpt-5-mini", "flex", { ...none, input: million, output: million }, 1.125],
  ["gpt-4.1-mini", "batch", { ...none, cached: million }, 0.2],
  ["o4-mini", "flex", { ...none, cached: million }, 0.138],
  ["gpt-6.1-terra", "standard", { ...none, writeLong: 100_000 }, 0.25],
  ["gpt-5.6-sol", "batch", { ...none, write: 100_000 }, 0.25],
  ["gpt-5.5", "priority", { ...none, input: 100_000 }, 1.25],
  ["claude-sonnet-5-5", "standard", { ...none, cached: million, writeLong: million }, 4.1],
  ["claude-opus-5", "batch", { ...none, write: million, writeLong: million }, 8.125],
  ["claude-haiku-4-5", "batch", { ...none, input: million, cached: million, output: million }, 3.05],
  // Long prompts: the whole request is dearer.
  ["gpt-5.5", "standard", { ...none, input: 272_000, output: 1_000 }, 1.39],
  ["gpt-5.5", "standard", { ...none, input: 272_001, output: 1_000 }, 2.76501],
  ["claude-haiku-5-5", "standard", { ...none, input: 100_001, output: 1_000 }, 0.0525005],
] as const)("%s at %s costs what its public price says", (model, tier, tokens, dollars) => {
  expect(chargeNanoUsd(model, tier, tokens)).toBe(usd(dollars));
});

test("half a nano-dollar is rounded to the even one, once for the whole request", () => {
  expect(chargeNanoUsd("gpt-4o-mini", "batch", { ...none, input: 20 })).toBe(1_500n);
  expect(chargeNanoUsd("claude-sonnet-5-5", "batch", { ...none, cached: 1 })).toBe(50n);
  expect(chargeNanoUsd("gpt-5-mini", "batch", { ...none, cached: 1 })).toBe(12n);
  expect(chargeNanoUsd("gpt-5-mini", "batch", { ...none, cached: 3 })).toBe(38n);
});

test("every model has a price, and an unknown one throws instead of being free", () => {
  expect(Object.keys(MODELS).filter((id) => !sells(id, "standard") || !sells(id, "batch"))).toEqual([]);
  expect(() => chargeNanoUsd("claude-sonnet-5-5-next", "standard", none)).toThrow(/no standard price/);
});
