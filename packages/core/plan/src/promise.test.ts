import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Demand, fits, judgePromise, type LaneView, type PromiseAsk, type Promised, promisedOf, type Snapshot } from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const R = "openai gpt-5-mini";
const lane = (id: string, over: Partial<LaneView> = {}): LaneView => ({ id, emulated: true, available: true, concurrency: 10, queued: 0, ...over });
const snapshot = (over: Partial<Snapshot> = {}): Snapshot => ({
  book,
  lanes: ["openai-batch", "openai-flex", "openai"].map((id) => lane(id)),
  pool: null,
  tickMs: 200,
  scale: 1,
  batchLines: 1,
  ...over,
});
const ask = (slackMs: number, lines: number, over: Partial<PromiseAsk["job"]> = {}, want: PromiseAsk["class"] = "guaranteed"): PromiseAsk => ({
  class: want,
  lines,
  snapshot: snapshot(),
  job: planJob({ model: "gpt-5-mini", candidates: resolveModel(book, "gpt-5-mini")?.candidates ?? [], deadlineAtMs: NOW + slackMs, ...over }),
});
const demand = (deadlineH: number, workH: number, inTime: number, on = "openai-batch"): Demand => ({
  resource: R,
  lane: on,
  deadlineAtMs: NOW + deadlineH * HOUR,
  workMs: workH * HOUR,
  inTime,
});
const bookOf = (...demands: Demand[]): Promised[] => demands.map(promisedOf);

test("what is certain to be needed may fill four fifths of the time before every deadline, and no more", () => {
  expect(fits(bookOf(demand(10, 7.9, 0, "openai")), R, NOW)).toEqual({ expected: true, stress: true });
  expect(fits(bookOf(demand(10, 8.1, 0, "openai")), R, NOW)).toMatchObject({ expected: false });
  // Each alone fits; the second deadline holds both.
  expect(fits(bookOf(demand(5, 3, 0, "openai"), demand(6, 3, 0, "openai")), R, NOW)).toMatchObject({ expected: false });
  expect(fits(bookOf(demand(5, 3, 0, "openai"), demand(8, 3, 0, "openai")), R, NOW)).toMatchObject({ expected: true });
});

test("the stress bound asks that real time could run everything that rides on one batch lane, however unlikely", () => {
  const safe = Array.from({ length: 12 }, () => demand(10, 1, 0.999));
  expect(fits(bookOf(...safe), R, NOW)).toEqual({ expected: true, stress: false });
  expect(fits(bookOf(...safe.slice(0, 9)), R, NOW)).toEqual({ expected: true, stress: true });
});

test("other resources and past deadlines do not count", () => {
  expect(fits(bookOf({ ...demand(1, 50, 0), resource: "anthropic claude-haiku-4-5" }, demand(-1, 50, 0)), R, NOW)).toEqual({
    expected: true,
    stress: true,
  });
});

test("more promised work never makes room (seed 20261128)", () => {
  const one = fc.record({
    deadlineH: fc.integer({ min: 1, max: 48 }),
    workH: fc.double({ min: 0, max: 10, noNaN: true }),
    inTime: fc.double({ min: 0, max: 1, noNaN: true }),
    on: fc.constantFrom("openai-batch", "openai-flex", "openai"),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), one, (some, more) => {
      const of = (x: typeof more): Demand => demand(x.deadlineH, x.workH, x.inTime, x.on);
      const before = fits(bookOf(...some.map(of)), R, NOW);
      const after = fits(bookOf(...some.map(of), of(more)), R, NOW);
      if (!before.stress) expect(after.stress).toBe(false);
    }),
    { seed: 20_261_128, numRuns: 300 },
  );
});

test("work is promised until the capacity is given away, and what is refused names a deadline with which it is promised", () => {
  const allow = ["openai-batch", "openai"];
  const given: Promised[] = [];
  let promised = 0;
  for (let i = 0; i < 200; i++) {
    const verdict = judgePromise(ask(6 * HOUR, 500, { allow }), given, NOW);
    if (verdict.kind !== "promised") {
      expect(verdict).toMatchObject({ kind: "too-much", feasible: "likely" });
      if (verdict.kind !== "too-much" || verdict.earliestAtMs === null || verdict.boundNano === null) throw new Error("no way out is named");
      expect(verdict.earliestAtMs).toBeGreaterThan(NOW + 6 * HOUR);
      const again = ask(verdict.earliestAtMs - NOW, 500, { allow, maxCostNano: verdict.boundNano });
      expect(judgePromise(again, given, NOW).kind).toBe("promised");
      break;
    }
    promised++;
    if (verdict.demand !== null) given.push(promisedOf(verdict.demand));
  }
  // Ten at a time take some eight seconds each: about 13,000 calls in six hours.
  expect(promised).toBeGreaterThan(15);
  expect(promised).toBeLessThan(60);
});

test("a price bound below the rescue is refused with the bound that would do, by the same deadline", () => {
  const verdict = judgePromise(ask(HOUR, 1, { maxCostNano: 200_000n }), [], NOW);
  if (verdict.kind !== "too-much" || verdict.boundNano === null)
    throw new Error(`not refused for money: ${JSON.stringify(verdict, (_, v) => (typeof v === "bigint" ? String(v) : v))}`);
  expect(verdict.earliestAtMs).toBe(NOW + HOUR);
  expect(judgePromise(ask(HOUR, 1, { maxCostNano: verdict.boundNano }), [], NOW).kind).toBe("promised");
});

test("a lane without a rescue is likely at best", () => {
  const alone = ask(24 * HOUR, 10, { allow: ["openai-batch"] });
  expect(judgePromise(alone, [], NOW)).toMatchObject({ kind: "too-much", feasible: "likely" });
  expect(judgePromise({ ...alone, class: "likely" }, [], NOW)).toEqual({ kind: "promised", demand: null });
});
