import { POLICY, readPolicy } from "@slowboat/plan";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { expect, test } from "vitest";
import type { StoredArrival } from "./read-arrivals.ts";
import { replayArrivals } from "./replay.ts";

const book = loadPriceBook(STANDARD_PRICES);
const START = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;

const arrivals = (over: Partial<StoredArrival> = {}): StoredArrival[] =>
  Array.from({ length: 60 }, (_, i) => ({
    tenant: "a",
    model: i % 2 === 0 ? "gpt-5-mini" : "claude-haiku-4-5",
    endpoint: i % 2 === 0 ? ("/v1/chat/completions" as const) : ("/v1/messages" as const),
    accepted_at_ms: START + i * 60_000,
    deadline_at_ms: START + i * 60_000 + 6 * HOUR,
    input_tokens: 1_000,
    output_tokens: 200,
    allow: null,
    deny: null,
    ...over,
  }));

test("under the house's own numbers a replay pays what the present policy pays, to the nano-dollar", () => {
  const report = replayArrivals(arrivals(), { book, seed: 3, values: POLICY });
  expect(report.other).toEqual(report.present);
  expect(report).toMatchObject({ jobs: 60, skipped: 0, saving_nano_usd: "0" });
  expect(BigInt(report.present.paid_nano_usd)).toBeGreaterThan(0n);
  expect(Object.values(report.present.lanes).reduce((sum, nano) => sum + BigInt(nano), 0n)).toBe(BigInt(report.present.paid_nano_usd));
});

test("a policy that counts a lost batch at ten times its price leaves the batches, and the bill says what that costs", () => {
  const read = readPolicy({ wasteCancelled: 30, wasteHedged: 30, wasteCall: 30 });
  if ("problem" in read) throw new Error(read.problem);
  const report = replayArrivals(
    arrivals({ deadline_at_ms: null }).map((one) => ({ ...one, deadline_at_ms: one.accepted_at_ms + HOUR })),
    {
      book,
      seed: 3,
      values: read.policy,
    },
  );
  expect(BigInt(report.other.paid_nano_usd)).toBeGreaterThan(BigInt(report.present.paid_nano_usd));
  expect(BigInt(report.saving_nano_usd)).toBe(BigInt(report.present.paid_nano_usd) - BigInt(report.other.paid_nano_usd));
});

test("what no lane of the simulator may run is counted and left out", () => {
  const some = [
    ...arrivals().slice(0, 4),
    ...arrivals({ model: "nobody-knows-it" }).slice(0, 3),
    ...arrivals({ allow: ["openai-batch"] }).slice(0, 2),
  ];
  expect(replayArrivals(some, { book, seed: 1, values: POLICY })).toMatchObject({ jobs: 4, skipped: 5 });
});

test("a policy with a name that nobody knows is refused with the names there are", () => {
  expect(readPolicy({ batchPatiense: 0.2 })).toEqual({ problem: expect.stringMatching(/'batchPatiense'.*batchPatience/) });
  expect(readPolicy({ batchPatience: "much" })).toEqual({ problem: "'batchPatience' must be a number from 0" });
  expect(readPolicy([1])).toEqual({ problem: expect.stringContaining("JSON object") });
});
