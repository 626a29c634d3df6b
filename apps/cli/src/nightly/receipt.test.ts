import type { ReceiptFacts } from "@slowboat/store";
import fc from "fast-check";
import { expect, test } from "vitest";
import { drawReceipt, ledgerWaterfall } from "./receipt.ts";

const FACTS: ReceiptFacts = {
  jobs: [
    { state: "completed", lane: "openai-batch", jobs: 1200 },
    { state: "completed", lane: "cache", jobs: 30 },
    { state: "failed", lane: "openai", jobs: 1 },
  ],
  accounts: [
    { account: "list", amountNano: -1_000_000_001n },
    { account: "saving.cache", amountNano: 100_000_001n },
    { account: "saving.batch", amountNano: 450_000_000n },
    { account: "waste", amountNano: -10_000_000n },
    { account: "payable.openai", amountNano: 400_000_000n },
    { account: "payable.anthropic", amountNano: 60_000_000n },
  ],
  deadlinesMissed: 2,
  withDeadline: 1231,
  suspense: { attempts: 0, amountNano: 0n },
  unpriced: 0,
  unsettled: 0,
  emulated: true,
  lastEndedAtMs: null,
  lastRescueAtMs: null,
};

const view = (facts: ReceiptFacts) => ({
  title: "The night",
  facts,
  took: "62 s; the last answer came at 05:48",
  resultFiles: ["/d/results/x.jsonl"],
  consoleUrl: "http://127.0.0.1:8788/",
  columns: 80,
  colour: false,
});

test("list price, less every line, is what was paid", () => {
  const waterfall = ledgerWaterfall(FACTS.accounts);
  expect(waterfall.listNano).toBe(1_000_000_001n);
  expect(waterfall.paidNano).toBe(460_000_000n);
  expect(waterfall.listNano - waterfall.lines.reduce((sum, line) => sum + line.amountNano, 0n)).toBe(waterfall.paidNano);
});

test("a receipt shows every figure to the nano-dollar, and who answered", () => {
  const text = drawReceipt(view(FACTS));
  expect(text).toContain("emulated provider: no money is spent");
  expect(text).toContain("1 231: 1 230 completed · 1 failed");
  expect(text).toContain("1 200 openai-batch · 30 cache · 1 openai real-time");
  expect(text).toContain("1 229 of 1 231 met, 2 missed");
  expect(text).toContain("62 s; the last answer came at 05:48");
  expect(text).toContain("balances to the nano-dollar");
  for (const figure of ["$1.000000001", "-$0.100000001", "-$0.450000000", "$0.010000000", "$0.460000000"]) expect(text).toContain(figure);
  expect(text).not.toContain("\u001b");
});

test("work of models without a price shows as unpriced, never as 0 dollars", () => {
  const text = drawReceipt(view({ ...FACTS, accounts: [], unpriced: 3 }));
  expect(text).toContain("3 jobs of models without a price");
  expect(text).not.toContain("$");
});

test("a ledger that does not balance gives no receipt", () => {
  expect(() => ledgerWaterfall(FACTS.accounts.slice(1))).toThrow(/does not balance/);
});

test("the drawn figures sum exactly and fit the terminal, whatever the amounts", () => {
  const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
  fc.assert(
    fc.property(amount, amount, amount, amount, fc.integer({ min: 60, max: 200 }), (cache, batch, waste, paid, columns) => {
      const list = cache + batch - waste + paid;
      fc.pre(list >= 0n);
      const accounts = [
        { account: "list", amountNano: -list },
        { account: "saving.cache", amountNano: cache },
        { account: "saving.batch", amountNano: batch },
        { account: "waste", amountNano: -waste },
        { account: "payable.pool", amountNano: paid },
      ];
      const text = drawReceipt({ ...view({ ...FACTS, accounts }), columns });
      const figures = [...text.matchAll(/(-?)\$(\d+)\.(\d+)/g)].map((m) => BigInt(`${m[1]}${m[2]}${(m[3] ?? "").padEnd(9, "0")}`));
      const [providers, pool] = figures.slice(-2);
      const cost = figures.at(-3);
      expect(figures.slice(0, -3).reduce((sum, figure) => sum + figure, 0n)).toBe(cost);
      expect((providers ?? 0n) + (pool ?? 0n)).toBe(cost);
      expect(pool).toBe(paid);
      for (const line of text.split("\n").filter((one) => one.includes("$"))) expect([...line].length).toBeLessThanOrEqual(Math.max(columns, 70));
    }),
    // Amounts hang together: to shrink a failure by one nano-dollar at a time would never end.
    { endOnFailure: true, examples: [[4n, 999_999_999_999_992n, 999_999_999_999_995n, 15n, 101]] },
  );
});

test("what the own pool costs is told apart from what a provider is paid, and shares are rounded to the nearest tenth", () => {
  const accounts = [
    { account: "list", amountNano: -1_000_000_000n },
    { account: "saving.pool", amountNano: 340_600_000n },
    { account: "payable.pool", amountNano: 659_400_000n },
  ];
  const text = drawReceipt(view({ ...FACTS, accounts }));
  expect(text).toMatch(/paid to providers +\$0\.0000\n/);
  expect(text).toMatch(/own pool, imputed +\$0\.6594$/m);
  expect(text).toContain("-34.1 %");
});
