import type { Policy } from "@slowboat/route";
import type { PairReport, RouteRow } from "@slowboat/store";
import { expect, test } from "vitest";
import { drawPolicy, drawReport, learned, measuredOf } from "./route-table.ts";

const ROW: RouteRow = {
  ...{ alias: "crew", candidates: "[]", baseline: "dear", quality: 0.98, shadow: 0.03, judge: "judge", policyVersion: 2, labels: 400, fresh: 7 },
  ...{ trainedAtMs: Date.UTC(2026, 10, 1), driftedAtMs: Date.UTC(2026, 9, 1) },
};
const PAIRS: PairReport = {
  ...{
    open: 3,
    labelled: 400,
    dropped: [{ reason: "the judge's verdict could not be read", pairs: 2 }],
    shadowNano: 5_000_000n,
    judgeNano: 1_000_000n,
  },
  losses: Array.from({ length: 400 }, (_, i) => ({ lost: i % 100 === 0 ? 1 : 0, chance: i < 200 ? 0.03 : 0.06 })),
};
const NOTHING = {
  ...{ alias: "crew", jobs: 0, shares: [], escalated: 0, saved_nano: "0", saved_nano_a_job: null, baseline_cost_nano_by_dice: null },
  quality: null,
};

test("the loss that was served is weighted by the chance of each draw, with an interval that a few hundred labels allow", () => {
  const { lost } = measuredOf(ROW, PAIRS);
  expect(lost?.mean).toBeCloseTo(0.01, 10);
  // Weights of two kinds are worth a tenth less than as many equal ones.
  expect(lost?.effective).toBeCloseTo(360, 5);
  expect([lost?.low, lost?.high].map((one) => Number(one?.toFixed(3)))).toEqual([0.004, 0.027]);
});

test("no loss among few pairs is no proof of none", () => {
  const { lost } = measuredOf(ROW, { ...PAIRS, losses: Array.from({ length: 20 }, () => ({ lost: 0, chance: 0.03 })) });
  expect(lost).toMatchObject({ mean: 0, low: 0, pairs: 20 });
  expect(lost?.high).toBeGreaterThan(0.15);
  expect(measuredOf(ROW, { ...PAIRS, losses: [] }).lost).toBeNull();
});

test("the report says what was lost beside what is allowed, what comparing cost, why pairs were dropped, and when the policy was closed", () => {
  const text = drawReport({ ...NOTHING, measured: measuredOf(ROW, PAIRS) }, null);
  expect(text).toContain("0.0100 (95 %");
  expect(text).toContain("0.0200 is allowed");
  expect(text).toContain("dropped 2: the judge's verdict could not be read");
  expect(text).toMatch(/0\.005\d* USD for other candidates, 0\.001\d* USD for the judge judge/);
  expect(text).toContain("closed for drift 2026-10-01");
  const none = drawReport({ ...NOTHING, measured: measuredOf(ROW, { ...PAIRS, losses: [] }) }, null);
  expect(none).toContain("nothing is known of the quality");
});

test("a policy that lets every sound answer stand is open, and one whose threshold no answer passes is closed", () => {
  const of = (threshold: number) =>
    ({
      ...{ models: ["dear", "cheap"], costs: [1, 0.1], alpha: 0.1, router: null, labels: 150, acceptor: { labels: 150 } },
      ...{ guard: { lambda: null, risk: 0, effective: 150 }, accept: { threshold, effective: 150, risk: 0.01 } },
    }) as unknown as Policy;
  expect(drawPolicy("crew", of(Number.NEGATIVE_INFINITY))).toMatch(/by the answer +open, seen loss 0\.0100/);
  expect(learned(of(Number.NEGATIVE_INFINITY))["cascade"]).toMatchObject({ open: true });
  expect(drawPolicy("crew", of(Number.POSITIVE_INFINITY))).toMatch(/by the answer +closed/);
});
