import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { BUCKET_MS, type Group, greedyBound } from "./bound.ts";
import { linearBound, loadSolver } from "./linear-bound.ts";

const SEED = 20_261_125;
let solver: Awaited<ReturnType<typeof loadSolver>>;
beforeAll(async () => {
  solver = await loadSolver();
});

const group = fc
  .record({
    bucket: fc.integer({ min: 0, max: 12 }),
    last: fc.integer({ min: 0, max: 20 }),
    alt: fc.constantFrom(0.5, 1),
    work: fc.integer({ min: 1, max: 900 }),
  })
  .map(({ bucket, last, alt, work }): Group => ({ bucket, lastBucket: bucket + last, alt, work }));

test(`the programme's optimum is the one found by serving the dearest first, by earliest deadline (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 25 }), fc.double({ min: 0.05, max: 2, noNaN: true }), (groups, rate) => {
      const work = groups.reduce((sum, one) => sum + one.work, 0);
      expect(linearBound(solver, groups, work, rate)).toBeCloseTo(greedyBound(groups, work, rate), 6);
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test("without a pool the bound is the cheapest other way, with an endless one the pool's price", () => {
  const groups: Group[] = [
    { bucket: 0, lastBucket: 1, alt: 1, work: 100 },
    { bucket: 0, lastBucket: 9, alt: 0.5, work: 300 },
  ];
  expect(linearBound(solver, groups, 400, 0)).toBeCloseTo(0.625, 9);
  expect(linearBound(solver, groups, 400, 1e6 / BUCKET_MS)).toBeCloseTo(0.15, 6);
});
