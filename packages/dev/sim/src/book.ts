import { loadPriceBook, type PriceBook } from "@slowboat/pricing";

/** Real time in pico-USD a prompt token; an output token is four times that, flex and batch are half, the pool is .15 of it. */
const REALTIME_PICO = 250_000;
const ENDPOINT = "/v1/chat/completions";

const rates = (share: number): { input: number; output: number } => ({
  input: Math.round(REALTIME_PICO * share),
  output: 4 * Math.round(REALTIME_PICO * share),
});

/**
 * The world's price list: two providers, of which only the first has a flex tier, and a pool that serves both names. With `changeDay` (as
 * 2027-01-02) all of real time grows dearer by a tenth on that day.
 */
export function worldBook(changeDay: string | null = null): PriceBook {
  const lists = [
    { provider: "openai", model: "far", tier: "standard", share: 1 },
    { provider: "openai", model: "far", tier: "batch", share: 0.5 },
    { provider: "openai", model: "far", tier: "flex", share: 0.5 },
    { provider: "anthropic", model: "farther", tier: "standard", share: 1 },
    { provider: "anthropic", model: "farther", tier: "batch", share: 0.5 },
    { provider: "pool", model: "own", tier: "standard", share: 0.15 },
  ];
  const rows = lists.flatMap(({ provider, model, tier, share }) => {
    const row = {
      provider,
      model,
      tier,
      pico_per_token: rates(share),
      source: "made for the simulation",
      checked_at: "2027-01-01",
      evidence: "operator",
    };
    if (changeDay === null || tier !== "standard" || provider === "pool") return [row];
    return [
      { ...row, effective_to: changeDay },
      { ...row, effective_from: changeDay, pico_per_token: rates(1.1) },
    ];
  });
  const alias = (name: string, provider: string, model: string) => ({
    alias: name,
    endpoints: [ENDPOINT],
    baseline: { provider, model },
    candidates: [
      { provider: "pool", model: "own" },
      { provider, model },
    ],
  });
  return loadPriceBook({
    models: [
      { provider: "openai", model: "far", endpoints: [ENDPOINT] },
      { provider: "anthropic", model: "farther", endpoints: [ENDPOINT] },
      { provider: "pool", model: "own", endpoints: [ENDPOINT] },
    ],
    aliases: [alias("with-flex", "openai", "far"), alias("plain", "anthropic", "farther")],
    rows,
  });
}
