import { NO_USAGE, type Provider, type Usage } from "@slowboat/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type LedgerPosting, loadPriceBook, type SettlementInput, STANDARD_PRICES, settlement, type Tier, waterfallOf } from "./index.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOV = Date.UTC(2026, 10, 23);
const SEED = 20_261_123;
const opts = { seed: SEED, numRuns: 400 };

const tokens = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 400_000 }));

interface Call {
  provider: Provider;
  model: string;
  tier: Tier;
  usage: Usage;
}

const openaiCall = fc.record({
  provider: fc.constant<Provider>("openai"),
  model: fc.constantFrom("gpt-6-astra", "gpt-6.1-terra", "gpt-6-luna", "gpt-5.6-sol", "gpt-5-mini", "gpt-4.1-mini", "o4-mini"),
  tier: fc.constantFrom<Tier>("standard", "batch", "priority"),
  usage: fc.record({ input: tokens, cacheRead: tokens, cacheWrite30m: tokens, output: tokens }).map((u): Usage => ({ ...NO_USAGE, ...u })),
});
const anthropicCall = fc.record({
  provider: fc.constant<Provider>("anthropic"),
  model: fc.constantFrom("claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5"),
  tier: fc.constantFrom<Tier>("standard", "batch"),
  usage: fc
    .record({ input: tokens, cacheRead: tokens, cacheWrite5m: tokens, cacheWrite1h: tokens, output: tokens })
    .map((u): Usage => ({ ...NO_USAGE, ...u })),
});
const poolCall = tokens.map((input): Call => ({ provider: "pool", model: "use-lite-en", tier: "standard", usage: { ...NO_USAGE, input } }));
const call: fc.Arbitrary<Call> = fc.oneof(openaiCall, anthropicCall, poolCall);

const KIND_OF = {
  input: "input",
  cacheRead: "cache_read",
  cacheWrite5m: "cache_write_5m",
  cacheWrite30m: "cache_write_30m",
  cacheWrite1h: "cache_write_1h",
  cacheWrite12h: "cache_write_12h",
  output: "output",
} as const;

/** The price straight from the JSON file, by another road than the code's: scan, multiply in exact pico, round half to even. */
function paidByHand(c: Call): bigint {
  const total = c.usage.input + c.usage.cacheRead + c.usage.cacheWrite5m + c.usage.cacheWrite30m + c.usage.cacheWrite1h + c.usage.cacheWrite12h;
  const rows = (
    STANDARD_PRICES as {
      rows: { model: string; tier: string; above_prompt_tokens?: number; effective_to?: string; pico_per_token: Record<string, number> }[];
    }
  ).rows
    .filter((r) => r.model === c.model && r.tier === c.tier && r.effective_to === undefined && total > (r.above_prompt_tokens ?? -1))
    .sort((a, b) => (b.above_prompt_tokens ?? 0) - (a.above_prompt_tokens ?? 0));
  let pico = 0n;
  for (const [cls, kind] of Object.entries(KIND_OF))
    pico += BigInt(c.usage[cls as keyof typeof KIND_OF]) * BigInt(rows[0]?.pico_per_token[kind] ?? 0);
  const twice = 2n * (pico % 1000n);
  const floor = pico / 1000n;
  return twice > 1000n || (twice === 1000n && floor % 2n === 1n) ? floor + 1n : floor;
}

const baselineFor = (c: Call): string => (c.provider === "pool" ? "text-embedding-3-small" : c.model);
const answer = (c: Call, baselineModel = baselineFor(c)): SettlementInput => ({ kind: "answer", book, atMs: NOV, baselineModel, ...c });

function checkWaterfall(entries: readonly LedgerPosting[]): void {
  expect(entries.reduce((sum, e) => sum + e.amountNano, 0n)).toBe(0n);
  const fall = waterfallOf(entries);
  expect(fall.listNano - fall.lines.reduce((sum, l) => sum + l.amountNano, 0n)).toBe(fall.paidNano);
}

test(`a settlement sums to zero, its waterfall to what was paid, and that to an independent price (seed ${SEED})`, () => {
  fc.assert(
    fc.property(call, (c) => {
      const settled = settlement(answer(c));
      expect(settled.priced).toBe(true);
      if (!settled.priced) return;
      checkWaterfall(settled.entries);
      expect(settled.waterfall.paidNano).toBe(paidByHand(c));
      expect(settled.entries.every((e) => e.amountNano !== 0n)).toBe(true);
    }),
    opts,
  );
});

test(`whatever was retried, reused, rerouted and wasted, the receipt equals the ledger to the nano-dollar (seed ${SEED})`, () => {
  const event = fc.oneof(
    call.map((c) => ({ input: answer(c), paid: paidByHand(c) })),
    call.map((c) => ({ input: { kind: "waste", book, atMs: NOV, ...c } as SettlementInput, paid: paidByHand(c) })),
    call.map((c) => ({ input: { kind: "reuse", book, atMs: NOV, baselineModel: baselineFor(c), usage: c.usage } as SettlementInput, paid: 0n })),
    openaiCall.map((c) => ({ input: answer({ ...c, tier: "standard" }, "gpt-6-astra"), paid: paidByHand({ ...c, tier: "standard" }) })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (events) => {
      const ledger: LedgerPosting[] = [];
      for (const { input } of events) ledger.push(...settlement(input).entries);
      checkWaterfall(ledger);
      expect(waterfallOf(ledger).paidNano).toBe(events.reduce((sum, e) => sum + e.paid, 0n));
    }),
    opts,
  );
});

test("a batch answer shows list, the lane's saving and the cache's, worked by hand", () => {
  // claude-haiku-4-5, batch: list 1700·1 + 100·5 = 2,200 µ$; lane half: 1,100; cache: 200·.5 + 1000·.05 + 500·.625 + 100·2.5 = 712.5.
  const usage = { ...NO_USAGE, input: 200, cacheRead: 1000, cacheWrite5m: 500, output: 100 };
  const settled = settlement(answer({ provider: "anthropic", model: "claude-haiku-4-5", tier: "batch", usage }));
  expect(settled.entries).toEqual([
    { account: "list", amountNano: -2_200_000n },
    { account: "saving.batch", amountNano: 1_100_000n },
    { account: "saving.prompt-cache", amountNano: 387_500n },
    { account: "payable.anthropic", amountNano: 712_500n },
  ]);
});

test("a cache write that nobody reads shows as a negative saving, not as none", () => {
  const usage = { ...NO_USAGE, cacheWrite1h: 1000 };
  const settled = settlement(answer({ provider: "anthropic", model: "claude-haiku-4-5", tier: "standard", usage }));
  expect(settled.waterfall?.lines).toEqual([{ account: "saving.prompt-cache", amountNano: -1_000_000n }]);
});

test("the pool's saving is the pool's: a different model there is not called routing, and the list price is marked estimated", () => {
  const settled = settlement(answer({ provider: "pool", model: "use-lite-en", tier: "standard", usage: { ...NO_USAGE, input: 1000 } }));
  expect(settled.estimated).toBe(true);
  expect(settled.entries).toEqual([
    { account: "list", amountNano: -20_000n },
    { account: "saving.pool", amountNano: 18_000n },
    { account: "payable.pool", amountNano: 2_000n },
  ]);
});

test("a reused answer saves its list price; a second paid answer is waste and no list price", () => {
  const usage = { ...NO_USAGE, input: 1000, output: 100 };
  const reused = settlement({ kind: "reuse", book, atMs: NOV, baselineModel: "gpt-4.1-mini", usage });
  expect(reused.entries).toEqual([
    { account: "list", amountNano: -560_000n },
    { account: "saving.cache", amountNano: 560_000n },
  ]);
  const wasted = settlement({ kind: "waste", book, atMs: NOV, provider: "openai", model: "gpt-4.1-mini", tier: "batch", usage });
  expect(wasted.waterfall).toEqual({ listNano: 0n, lines: [{ account: "waste", amountNano: -280_000n }], paidNano: 280_000n });
});

test("what has no price has no entries and says so; it never counts as free", () => {
  const usage = { ...NO_USAGE, input: 10 };
  const settled = settlement(answer({ provider: "openai", model: "gpt-9", tier: "standard", usage }));
  expect(settled).toEqual({ priced: false, entries: [], waterfall: null, estimated: false });
  expect(settlement({ kind: "waste", book, atMs: NOV, provider: "anthropic", model: "claude-opus-5", tier: "priority", usage }).priced).toBe(false);
  expect(settlement({ kind: "reuse", book, atMs: NOV, baselineModel: "gpt-9", usage }).priced).toBe(false);
});
