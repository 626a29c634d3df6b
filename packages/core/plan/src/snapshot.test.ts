import { expect, test } from "vitest";
import { type LaneView, lanesBefore } from "./snapshot.ts";

const lane: LaneView = {
  id: "openai",
  emulated: true,
  available: true,
  concurrency: 4,
  queued: 90,
  due: [
    { untilMs: 60_000, calls: 3 },
    { untilMs: 120_000, calls: 30 },
    { untilMs: 600_000, calls: 90 },
  ],
  rates: new Map([["gpt", { perSecond: 2, waiting: 86, due: [{ untilMs: 120_000, calls: 26 }] }]]),
};

test("calls that are due later let a job pass; what runs keeps its place, and work without a deadline waits for all", () => {
  // Three are due before, and as many of the later ones may be other tenants'.
  const [soon] = lanesBefore([lane], 119_999);
  expect(soon).toMatchObject({ queued: 6, rates: new Map([["gpt", { perSecond: 2, waiting: 0 }]]) });

  const [later] = lanesBefore([lane], 130_000);
  expect(later).toMatchObject({ queued: 60, rates: new Map([["gpt", { perSecond: 2, waiting: 26 }]]) });
  const [undated] = lanesBefore([lane], null);
  expect(undated).toMatchObject({ queued: 90 });
  expect(undated).not.toHaveProperty("due");
  const { due: _, rates: __, ...bare } = lane;
  expect(lanesBefore([bare], 1)).toEqual([bare]);
});
