import { NO_USAGE } from "@slowboat/contract";
import { expect, test } from "vitest";
import { loadPriceBook, price, quote, readProviders, resolveModel, STANDARD_PRICES, withProviders } from "./index.ts";

const groq = {
  name: "groq",
  base_url: "https://api.groq.com/openai/v1",
  api_key_env: "GROQ_API_KEY",
  batch: true,
  prices_checked_at: "2026-11-01",
  prices_source: "groq.com/pricing",
  models: [
    {
      model: "llama-3.3-70b",
      usd_per_mtok: { input: "0.59", cached: 0.295, output: "0.79" },
      batch_usd_per_mtok: { input: "0.295", output: "0.395" },
    },
  ],
};
const read = (over: object) => readProviders({ providers: [{ ...groq, ...over }] });

test("a configured provider's models are priced to the pico-dollar on lanes of its own", () => {
  const book = loadPriceBook(withProviders(STANDARD_PRICES, readProviders({ providers: [groq] })));
  const model = resolveModel(book, "llama-3.3-70b");
  expect(model).toMatchObject({ provider: "groq", endpoints: ["/v1/chat/completions"] });
  const usage = { ...NO_USAGE, input: 1000, cacheRead: 1000, output: 1000 };
  // 1000 · (0.59 + 0.295 + 0.79) dollars a million = 1,675,000 nano-dollars.
  expect(price(book, { provider: "groq", model: "llama-3.3-70b", tier: "standard" }, usage, 0)).toEqual({ unpriced: false, nano: 1_675_000n });
  const asked = { candidates: model?.candidates ?? [], inputTokens: 1000, outputTokens: 1000 };
  expect(quote(book, asked, "groq-batch", 0)).toEqual({ unpriced: false, nano: 690_000n });
  expect(quote(book, asked, "openai", 0)).toEqual({ unpriced: true });
});

test("a wrong entry is refused by the name of its field", () => {
  expect(() => read({ name: "openai" })).toThrow(/own lanes/);
  expect(() => read({ name: "Groq-1" })).toThrow(/name/);
  expect(() => read({ base_url: "file:///etc/passwd" })).toThrow(/base_url/);
  expect(() => read({ api_key: "gsk-secret" })).toThrow(/api_key/);
  expect(() => read({ batch: false })).toThrow(/batch price/);
  expect(() => read({ models: [{ model: "m", usd_per_mtok: { input: "1e3" } }] })).toThrow(/six digits/);
  expect(() => readProviders({ providers: [groq, groq] })).toThrow(/twice/);
});

test("what a model holds and takes is stated beside its price, and stands for its dated names as well", () => {
  const stated = { context: 8_192, max_output: 1_024, accepts: ["text", "tools"] };
  const usd_per_mtok = { input: 1, output: 1 };
  const book = loadPriceBook(withProviders(STANDARD_PRICES, read({ models: [{ model: "m", usd_per_mtok, ...stated }], batch: false })));
  expect(resolveModel(book, "m")?.limits).toEqual({ context: 8_192, maxOutput: 1_024, accepts: ["text", "tools"] });
  expect(resolveModel(book, "gpt-4o-mini-2024-07-18")?.limits?.context).toBe(128_000);
  expect(resolveModel(book, "gpt-6.1-sol")).not.toHaveProperty("limits");
  expect(() => read({ models: [{ model: "m", usd_per_mtok, accepts: ["image"] }] })).toThrow(/must name text/);
  expect(() => read({ models: [{ model: "m", usd_per_mtok, context: 0 }] })).toThrow(/context/);
});

test("a model that the book has already cannot be taken over", () => {
  const twice = read({ models: [{ model: "gpt-5-mini", usd_per_mtok: { input: 1, output: 1 } }], batch: false });
  expect(() => loadPriceBook(withProviders(STANDARD_PRICES, twice))).toThrow(/gpt-5-mini is used twice/);
});
