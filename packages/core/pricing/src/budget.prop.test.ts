import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BudgetChain, type BudgetView, budgetChain, holdAll, leftOf, periodOf, settleHold } from "./budget.ts";

const view = (over: Partial<BudgetView> = {}): BudgetView => ({
  id: "bud_1",
  period: "total",
  amountNano: 1_000n,
  hard: true,
  alertAt: null,
  top: { seq: 0n, heldNano: 0n, spentNano: 0n },
  ...over,
});
const chainsOf = (...views: BudgetView[]): Map<string, BudgetChain> => new Map(views.map((one) => [one.id, budgetChain(one)]));
const used = (chain: BudgetChain): bigint => chain.top().heldNano + chain.top().spentNano;

describe("a budget's period", () => {
  test("is a day or a month of UTC, and says when the next begins", () => {
    const atMs = Date.parse("2026-12-31T23:59:59.999Z");
    expect(periodOf("day", atMs)).toEqual({ key: "2026-12-31", endsAtMs: Date.parse("2027-01-01T00:00:00Z") });
    expect(periodOf("month", atMs)).toEqual({ key: "2026-12", endsAtMs: Date.parse("2027-01-01T00:00:00Z") });
    expect(periodOf("total", atMs)).toEqual({ key: "total", endsAtMs: null });
  });
});

describe("what is held", () => {
  test("fits whole into every budget that counts it, or is held in none", () => {
    const chains = chainsOf(view({ id: "a" }), view({ id: "b", amountNano: 5n }));
    const [first, second] = holdAll(chains, [
      { subjectId: "j1", amountNano: 6n, budgetIds: ["a", "b"] },
      { subjectId: "j2", amountNano: 5n, budgetIds: ["a", "b"] },
    ]);
    expect(first).toEqual({ budgetId: "b", leftNano: 5n, unpriced: false });
    expect(second).toBeNull();
    expect([...chains.values()].map(used)).toEqual([5n, 5n]);
  });

  test("without a price fits no hard budget, and any soft one", () => {
    const ask = [{ subjectId: "j", amountNano: null, budgetIds: ["bud_1"] }];
    expect(holdAll(chainsOf(view()), ask)[0]?.unpriced).toBe(true);
    expect(holdAll(chainsOf(view({ hard: false })), ask)).toEqual([null]);
  });
});

test("holds that are settled, kept in suspense and given back in any order never pass a hard budget while nothing is paid beyond its hold, and fold to what the chain says", () => {
  const step = fc.record({
    hold: fc.bigInt({ min: 0n, max: 400n }),
    paidShare: fc.integer({ min: 0, max: 100 }),
    suspense: fc.bigInt({ min: 0n, max: 400n }),
    ended: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const chains = chainsOf(view());
      const chain = chains.get("bud_1") as BudgetChain;
      const open = new Map<string, bigint>();
      for (const [index, { hold, paidShare, suspense, ended }] of steps.entries()) {
        const subjectId = `j${index}`;
        if (holdAll(chains, [{ subjectId, amountNano: hold, budgetIds: ["bud_1"] }])[0] !== null) {
          expect(hold).toBeGreaterThan(leftOf(chain.view, chain.top()));
          continue;
        }
        const nano = (hold * BigInt(paidShare)) / 100n;
        open.set(subjectId, settleHold(chain, hold, { subjectId, ended, outstandingNano: suspense, paid: [{ attemptId: `a${index}`, nano }] }));
        expect(used(chain)).toBeLessThanOrEqual(1_000n);
      }
      // Everything ends, and nothing is left in suspense.
      for (const [subjectId, held] of open) settleHold(chain, held, { subjectId, ended: true, outstandingNano: 0n, paid: [] });
      const fold = chain.entries.reduce((sum, entry) => ({ held: sum.held + entry.heldNano, spent: sum.spent + entry.spentNano }), {
        held: 0n,
        spent: 0n,
      });
      expect(fold).toEqual({ held: 0n, spent: chain.top().spentNano });
      expect(chain.entries.map((entry) => entry.seq)).toEqual(chain.entries.map((_, index) => BigInt(index + 1)));
    }),
  );
});

test("what was paid beyond its hold is spent all the same", () => {
  const chain = budgetChain(view());
  chain.add({ kind: "reserve", subjectId: "j", heldNano: 10n });
  expect(settleHold(chain, 10n, { subjectId: "j", ended: true, outstandingNano: 0n, paid: [{ attemptId: "a", nano: 25n }] })).toBe(0n);
  expect(chain.top()).toMatchObject({ heldNano: 0n, spentNano: 25n });
});

test("several payments of a job give back the rest once, with the last", () => {
  const chain = budgetChain(view());
  chain.add({ kind: "reserve", subjectId: "j", heldNano: 100n });
  const paid = ["a", "b"].map((attemptId) => ({ attemptId, nano: 20n }));
  settleHold(chain, 100n, { subjectId: "j", ended: true, outstandingNano: null, paid });
  expect(chain.top()).toMatchObject({ heldNano: 60n, spentNano: 40n });
  expect(settleHold(chain, 60n, { subjectId: "j", ended: true, outstandingNano: 0n, paid: [] })).toBe(0n);
  expect(chain.entries.map((entry) => entry.kind)).toEqual(["reserve", "settle", "settle", "release"]);
});
