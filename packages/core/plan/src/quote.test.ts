import type { LaneId } from "@slowboat/contract";
import { loadPriceBook, quote as priceOn, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decide,
  type LaneView,
  learnOutputs,
  outputTokens,
  type PlanJob,
  PUBLISHED_OUTPUTS,
  type QuoteGroup,
  quoteWork,
  type Snapshot,
  type WorkQuote,
} from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.UTC(2026, 10, 23);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ALL: readonly LaneId[] = ["pool", "openai-batch", "openai-flex", "openai", "anthropic-batch", "anthropic"];

const lane = (id: LaneId, over: Partial<LaneView> = {}): LaneView => ({ id, emulated: true, available: true, concurrency: 32, queued: 0, ...over });
const world = (over: Partial<Snapshot> = {}): Snapshot => ({
  book,
  lanes: ALL.map((id) => lane(id)),
  pool: { tokensPerSecond: 3000, backlogTokens: 0 },
  tickMs: 200,
  scale: 1,
  batchLines: 1,
  ...over,
});
const kindJob = (slackMs: number | null, over: Partial<PlanJob> = {}): PlanJob =>
  planJob({
    model: "gpt-5-mini",
    candidates: resolveModel(book, "gpt-5-mini")?.candidates ?? [],
    deadlineAtMs: slackMs === null ? null : NOW + slackMs,
    ...over,
  });
const group = (n: number, job: PlanJob, limit: number | null = 100, cached = false): QuoteGroup => ({
  kind: { job, baselineModel: job.model, outputs: PUBLISHED_OUTPUTS },
  lines: Array.from({ length: n }, (_, i) => ({ inputTokens: 700 + i, outputTokens: limit ?? 512, limit, cached })),
});
function run(groups: readonly QuoteGroup[], snapshot: Snapshot = world()): { quote: WorkQuote; pauses: number } {
  const steps = quoteWork(groups, snapshot, NOW);
  for (let pauses = 0; ; pauses++) {
    const step = steps.next();
    if (step.done) return { quote: step.value, pauses };
  }
}
const laneOf = (quote: WorkQuote, id: LaneId) => {
  const found = quote.lanes.find((one) => one.lane === id);
  if (!found) throw new Error(`no ${id}`);
  return found;
};

test("each line of a quote goes where decide puts it, whatever the slack, the lanes and the sizes (seed 20261128)", () => {
  const worlds = fc.record({
    slackMs: fc.integer({ min: 1, max: 24 * HOUR }),
    lines: fc.integer({ min: 1, max: 30 }),
    limit: fc.option(fc.integer({ min: 1, max: 4000 }), { nil: null }),
    away: fc.subarray([...ALL]),
    deny: fc.subarray([...ALL]),
    queued: fc.integer({ min: 0, max: 2000 }),
  });
  fc.assert(
    fc.property(worlds, ({ slackMs, lines, limit, away, deny, queued }) => {
      const snapshot = world({ lanes: ALL.map((id) => lane(id, { available: !away.includes(id), queued })) });
      const job = kindJob(slackMs, { deny });
      const work = group(lines, job, limit);
      const { quote } = run([work], snapshot);
      const placed = new Map<string, number>();
      let refused = 0;
      for (const line of work.lines) {
        const verdict = decide({ ...job, ...line }, { ...snapshot, batchLines: lines }, NOW);
        if (verdict.kind === "refuse") refused++;
        else placed.set(verdict.decision.lane, (placed.get(verdict.decision.lane) ?? 0) + 1);
      }
      const turnedAway = quote.refusals.reduce((sum, one) => sum + one.lines, 0);
      // A deadline that cannot be made is refused at the door, and goes to the surest lane once accepted.
      if (quote.refusals.some((one) => one.code === "deadline-infeasible")) return;
      expect(turnedAway).toBe(refused);
      for (const one of quote.lanes) expect(one.chosen).toBe(placed.get(one.lane) ?? 0);
    }),
    { seed: 20_261_128, numRuns: 150 },
  );
});

test("a lane's price is the book's, line by line, at the usual, the mean and the long answer", () => {
  const { quote } = run([group(3, kindJob(8 * HOUR), 400)]);
  const tokens = outputTokens(PUBLISHED_OUTPUTS, 400);
  const sum = (output: number): bigint =>
    [700, 701, 702].reduce((total, inputTokens) => {
      const cost = priceOn(book, { candidates: kindJob(null).candidates, inputTokens, outputTokens: output }, "openai", NOW);
      return cost.unpriced ? total : total + cost.nano;
    }, 0n);
  expect(laneOf(quote, "openai").price).toEqual({ low: sum(tokens.low), expected: sum(tokens.expected), high: sum(tokens.high) });
  expect(quote.naive).toEqual(laneOf(quote, "openai").price);
});

test("the reservation covers every line rescued with a long answer, and never less than the mix's high price", () => {
  for (const slack of [30_000, 5 * MINUTE, HOUR, 24 * HOUR]) {
    const { quote } = run([group(5, kindJob(slack))]);
    expect(quote.reservationNano).toBeGreaterThanOrEqual(quote.total.high);
    if (laneOf(quote, "openai-batch").chosen > 0) expect(quote.reservationNano).toBeGreaterThan(laneOf(quote, "openai").price?.high ?? 0n);
  }
});

test("finish times are in order, and the rescue brings nine of ten in before the deadline", () => {
  for (const slack of [HOUR, 3 * HOUR, 24 * HOUR]) {
    const { quote } = run([group(200, kindJob(slack))]);
    for (const one of quote.lanes) if (one.p50Ms !== null && one.p90Ms !== null) expect(one.p50Ms).toBeLessThanOrEqual(one.p90Ms);
    expect(quote.p90Ms).toBeLessThan(slack);
    expect(quote.missed).toBeLessThan(0.02);
  }
});

test("more work on a lane ends later, and a queue in front of it too", () => {
  const p90 = (n: number, queued: number): number =>
    laneOf(run([group(n, kindJob(24 * HOUR))], world({ lanes: ALL.map((id) => lane(id, { queued })) })).quote, "openai").p90Ms ?? 0;
  expect(p90(1000, 0)).toBeGreaterThan(p90(10, 0));
  expect(p90(10, 5000)).toBeGreaterThan(p90(10, 0));
});

test("kept answers are lane cache and free; nothing else is left to run", () => {
  const { quote } = run([group(4, kindJob(HOUR), 100, true)]);
  expect(laneOf(quote, "cache")).toMatchObject({ chosen: 4, price: { low: 0n, expected: 0n, high: 0n } });
  expect(quote).toMatchObject({ total: { low: 0n, expected: 0n, high: 0n }, reservationNano: 0n, p90Ms: 0, missed: 0 });
  expect(quote.naive?.expected).toBeGreaterThan(0n);
});

test("every lane of the house is there with its reason, also one that serves nothing of it and one that is away", () => {
  const { quote } = run(
    [group(2, kindJob(HOUR))],
    world({ lanes: ALL.map((id) => lane(id, id === "openai-flex" ? { available: false, away: "parked" } : {})) }),
  );
  expect(quote.lanes.map((one) => one.lane)).toEqual([...ALL]);
  expect(laneOf(quote, "anthropic")).toMatchObject({ eligible: false, price: null, why: "does not serve gpt-5-mini at /v1/chat/completions" });
  expect(laneOf(quote, "openai-flex")).toMatchObject({ eligible: false, why: "parked" });
  expect(laneOf(quote, "openai-flex").p50Ms).not.toBeNull();
});

test("a large work pauses on its way", () => {
  expect(run([group(1000, kindJob(HOUR))]).pauses).toBeGreaterThanOrEqual(5);
});

test("answer lengths are drawn to one's own answers as these come in, and never exceed the limit", () => {
  const own = Array.from({ length: 500 }, () => 2000);
  const learned = learnOutputs(own);
  expect(learned.medianTokens).toBeGreaterThan(1500);
  expect(learnOutputs([]).seen).toBe(0);
  expect(outputTokens(learned, 300)).toEqual({ low: 300, expected: expect.closeTo(295, -1.5), high: 300 });
  expect(outputTokens(PUBLISHED_OUTPUTS, null)).toMatchObject({ low: 49, high: 512 });
  expect(outputTokens(PUBLISHED_OUTPUTS, 0)).toEqual({ low: 0, expected: 0, high: 0 });
});
