import { NO_USAGE, type Provider, type Usage } from "@slowboat/contract";
import { expect, test } from "vitest";
import { baseline, loadPriceBook, nearestModels, price, quote, resolveModel, routeOn, STANDARD_PRICES, type Tier } from "./index.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOV = Date.UTC(2026, 10, 23);

/** Dollars for a million tokens of one class, as text. */
const perMillion = (provider: Provider, model: string, tier: Tier, cls: keyof Usage, atMs = NOV): string => {
  const cost = price(book, { provider, model, tier }, { ...NO_USAGE, [cls]: 100_000 }, atMs);
  return cost.unpriced ? "unpriced" : String(Number(cost.nano) / 1e8);
};

// Copied by hand from the published prices: standard in, cached, write, out; batch in, cached, out.
const OPENAI_ROWS = [
  ["gpt-6-astra", "10 1 12.5 50", "5 0.5 25"],
  ["gpt-6.1-sol", "2 0.1 2.5 10", "1 0.05 5"],
  ["gpt-6.1-terra", "1 0.05 1.25 5", "0.5 0.025 2.5"],
  ["gpt-6-sol", "2 0.2 2.5 10", "1 0.1 5"],
  ["gpt-6-luna", "0.1 0.01 0.125 0.5", "0.05 0.005 0.25"],
  ["gpt-5.6-sol", "4 0.4 5 20", "2 0.2 10"],
  ["gpt-5.6-luna", "0.2 0.02 0.25 1.2", "0.1 0.01 0.6"],
  ["gpt-5.5", "5 0.5 5 30", "2.5 0.25 15"],
  ["gpt-5.4-mini", "0.75 0.075 0.75 4.5", "0.375 0.0375 2.25"],
  ["gpt-5-mini", "0.25 0.025 0.25 2", "0.125 0.0125 1"],
  // No cached batch price is listed for these three: cached tokens cost what input costs.
  ["gpt-4.1-mini", "0.4 0.1 0.4 1.6", "0.2 0.2 0.8"],
  ["gpt-4o-mini", "0.15 0.075 0.15 0.6", "0.075 0.075 0.3"],
  ["o4-mini", "1.1 0.275 1.1 4.4", "0.55 0.55 2.2"],
] as const;

test.each(OPENAI_ROWS)("%s costs what its price page says", (model, standard, batch) => {
  const std = (["input", "cacheRead", "cacheWrite30m", "output"] as const).map((c) => perMillion("openai", model, "standard", c));
  expect(std.join(" ")).toBe(standard);
  expect((["input", "cacheRead", "output"] as const).map((c) => perMillion("openai", model, "batch", c)).join(" ")).toBe(batch);
});

const ANTHROPIC_ROWS = [
  ["claude-fable-5-2", "8 0.2 10 16 40"],
  ["claude-opus-5-5", "4 0.2 5 8 20"],
  ["claude-opus-5", "5 0.5 6.25 10 25"],
  ["claude-sonnet-5-5", "2 0.1 2.5 4 10"],
  ["claude-sonnet-5", "2 0.2 2.5 4 10"],
  ["claude-haiku-5-5", "0.1 0.01 0.125 0.2 0.5"],
  ["claude-haiku-4-5", "1 0.1 1.25 2 5"],
] as const;

test.each(ANTHROPIC_ROWS)("%s costs what its price page says, and half of every kind in a batch", (model, standard) => {
  const classes = ["input", "cacheRead", "cacheWrite5m", "cacheWrite1h", "output"] as const;
  // 100,000 tokens of prompt stay on the lower side of every threshold.
  expect(classes.map((c) => perMillion("anthropic", model, "standard", c)).join(" ")).toBe(standard);
  const half = standard.split(" ").map((usd) => String(Number(usd) / 2));
  expect(classes.map((c) => perMillion("anthropic", model, "batch", c))).toEqual(half);
});

test("flex, 12-hour writes and embeddings have the listed prices", () => {
  expect(perMillion("openai", "o4-mini", "flex", "cacheRead")).toBe("0.138");
  expect(perMillion("openai", "gpt-4.1-mini", "flex", "input")).toBe("unpriced");
  expect(perMillion("openai", "gpt-6.1-terra", "standard", "cacheWrite12h")).toBe("2.5");
  expect(perMillion("openai", "gpt-6-sol", "standard", "cacheWrite12h")).toBe("unpriced");
  expect(perMillion("openai", "text-embedding-3-small", "standard", "input")).toBe("0.02");
  expect(perMillion("openai", "text-embedding-3-small", "standard", "output")).toBe("unpriced");
  expect(perMillion("pool", "use-lite-en", "standard", "input")).toBe("0.002");
});

test("a prompt above the threshold reprices the whole request, one at the threshold does not", () => {
  const at = (provider: Provider, model: string, tier: Tier, input: number): bigint | null => {
    const cost = price(book, { provider, model, tier }, { ...NO_USAGE, input, output: 1000 }, NOV);
    return cost.unpriced ? null : cost.nano;
  };
  expect(at("anthropic", "claude-haiku-5-5", "standard", 100_000)).toBe(10_000_000n + 500_000n);
  expect(at("anthropic", "claude-haiku-5-5", "standard", 100_001)).toBe(50_000_500n + 2_500_000n);
  expect(at("openai", "gpt-6-sol", "standard", 272_000)).toBe(544_000_000n + 10_000_000n);
  expect(at("openai", "gpt-6-sol", "standard", 272_001)).toBe(1_088_004_000n + 15_000_000n);
  expect(at("openai", "gpt-6-sol", "batch", 272_001)).toBe(544_002_000n + 7_500_000n);
});

test("a price holds from its day on and not before", () => {
  expect(perMillion("openai", "gpt-5.6-sol", "standard", "input", Date.UTC(2026, 7, 20, 23, 59, 59, 999))).toBe("5");
  expect(perMillion("openai", "gpt-5.6-sol", "standard", "input", Date.UTC(2026, 7, 21))).toBe("4");
  expect(perMillion("anthropic", "claude-sonnet-5-5", "standard", "cacheRead", Date.UTC(2026, 9, 6))).toBe("0.2");
  expect(perMillion("openai", "gpt-5.6-luna", "standard", "input", Date.UTC(2026, 6, 1))).toBe("unpriced");
});

test("an id is matched whole: a longer or unknown one has no price, never a neighbour's", () => {
  for (const model of ["claude-sonnet-5-5-preview", "claude-sonnet", "gpt-6-solo", "gpt-6"]) {
    expect(resolveModel(book, model)).toBeNull();
    expect(price(book, { provider: "openai", model, tier: "standard" }, { ...NO_USAGE, input: 1 }, NOV)).toEqual({ unpriced: true });
    expect(baseline(book, model, { ...NO_USAGE, input: 1 }, NOV)).toEqual({ unpriced: true });
  }
  expect(perMillion("openai", "gpt-4o-mini-2024-07-18", "batch", "output")).toBe("0.3");
});

test("the nearest names are told for a wrong one", () => {
  expect(nearestModels(book, "gpt5-mini", 1)).toEqual(["gpt-5-mini"]);
  expect(nearestModels(book, "claude-sonet-5-5", 2)[0]).toBe("claude-sonnet-5-5");
});

test("an alias runs where its candidates live and is measured against its declared model", () => {
  const alias = resolveModel(book, "slowboat-embed");
  expect(alias?.baselineModel).toBe("text-embedding-3-small");
  expect(routeOn("pool", alias?.candidates ?? [])).toEqual({ provider: "pool", model: "use-lite-en", tier: "standard" });
  expect(routeOn("openai-batch", alias?.candidates ?? [])).toEqual({ provider: "openai", model: "text-embedding-3-small", tier: "batch" });
  expect(routeOn("anthropic", alias?.candidates ?? [])).toBeNull();
  expect(routeOn("pool", resolveModel(book, "text-embedding-3-small")?.candidates ?? [])).toBeNull();
});

test("a quote is the price of the estimate on the lane, and unpriced where the lane has none", () => {
  const request = { candidates: resolveModel(book, "gpt-4.1-mini")?.candidates ?? [], inputTokens: 1000, outputTokens: 100 };
  expect(quote(book, request, "openai", NOV)).toEqual({ unpriced: false, nano: 560_000n });
  expect(quote(book, request, "openai-batch", NOV)).toEqual({ unpriced: false, nano: 280_000n });
  expect(quote(book, request, "openai-flex", NOV)).toEqual({ unpriced: true });
  expect(quote(book, request, "cache", NOV)).toEqual({ unpriced: false, nano: 0n });
});

test("every row says where it comes from and when it was checked", () => {
  for (const rows of book.rows.values()) {
    for (const row of rows) {
      expect(row.source.length).toBeGreaterThan(0);
      expect(row.checkedAt).toMatch(/^2026-\d\d-\d\d$/);
    }
  }
});

test("the version is of the content: the same book has the same one, another price another", () => {
  const other = structuredCloneOf(STANDARD_PRICES);
  expect(loadPriceBook(other).version).toBe(book.version);
  (other as { rows: { pico_per_token: { input: number } }[] }).rows[0]!.pico_per_token.input += 1;
  expect(loadPriceBook(other).version).not.toBe(book.version);
  expect(loadPriceBook(JSON.parse(book.content)).version).toBe(book.version);
});

const structuredCloneOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("a broken book is refused with the row named", () => {
  const broken = (edit: (b: Record<string, never[]>) => void): (() => unknown) => {
    const copy = structuredCloneOf(STANDARD_PRICES) as Record<string, never[]>;
    edit(copy);
    return () => loadPriceBook(copy);
  };
  expect(broken((b) => b["rows"]?.push(b["rows"]?.[0] as never))).toThrow(/gpt-6-astra standard overlap/);
  expect(
    broken((b) =>
      Object.assign(b["rows"]?.find((r) => r["tier"] === "batch" && r["model"] === "gpt-6-sol") ?? {}, {
        pico_per_token: { input: 9_000_000, output: 1 },
      }),
    ),
  ).toThrow(/dearer/);
  expect(broken((b) => Object.assign(b["rows"]?.[0] ?? {}, { pico_per_token: { input: 1.5 } }))).toThrow(/price book/);
  expect(broken((b) => b["models"]?.push(b["models"]?.[0] as never))).toThrow(/twice/);
  expect(broken((b) => Object.assign(b["rows"]?.[0] ?? {}, { tier: "cheap" }))).toThrow(/tier/);
});
