import fc from "fast-check";
import { expect, test } from "vitest";
import { createFairShares } from "./fair.ts";

const SEED = 20_261_125;

test(`of two tenants that wait all the time, neither is served more than the other by over twice the largest job (seed ${SEED})`, () => {
  const lines = fc.array(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(lines, (jobs) => {
      const shares = createFairShares();
      const left = jobs.map((line) => [...line]);
      const served = jobs.map(() => 0);
      for (const tenant of left.keys()) shares.wake(String(tenant));
      const largest = Math.max(...jobs.flat());
      while (left.every((line) => line.length > 0)) {
        const tenant = Number(shares.next());
        const work = left[tenant]?.shift() ?? 0;
        shares.charge(String(tenant), work);
        served[tenant] = (served[tenant] ?? 0) + work;
        expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(2 * largest);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a tenant that comes back has no credit from the time it was away, and one that jumped the line pays for it", () => {
  const shares = createFairShares();
  shares.wake("a");
  for (let i = 0; i < 10; i++) shares.charge("a", 100);
  shares.wake("b");
  shares.charge("b", 50);
  expect(shares.next()).toBe("a");
  shares.charge("a", 100);
  expect(shares.next()).toBe("b");
  shares.charge("b", 5_000);
  for (let i = 0; i < 40; i++) {
    expect(shares.next()).toBe("a");
    shares.charge("a", 100);
  }
  shares.rest("a");
  expect(shares.next()).toBe("b");
  shares.rest("b");
  expect(shares.next()).toBeNull();
});

test("a tenant of double weight is served twice as much", () => {
  const shares = createFairShares((tenant) => (tenant === "big" ? 2 : 1));
  const served = { big: 0, small: 0 };
  for (const tenant of ["big", "small"]) shares.wake(tenant);
  for (let i = 0; i < 300; i++) {
    const tenant = shares.next() as "big" | "small";
    shares.charge(tenant, 10);
    served[tenant] += 10;
  }
  expect(served.big / served.small).toBeCloseTo(2, 1);
});
