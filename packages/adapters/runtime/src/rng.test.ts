import { expect, test } from "vitest";
import { systemRng } from "./rng.ts";

test("the dice stay in their range, fill it, and do not repeat over block ends", () => {
  const rng = systemRng();
  const floats = Array.from({ length: 10_000 }, () => rng.float());
  expect(floats.every((one) => one >= 0 && one < 1)).toBe(true);
  expect(floats.reduce((sum, one) => sum + one, 0) / floats.length).toBeCloseTo(0.5, 1);
  const words = Array.from({ length: 10_000 }, () => rng.u32());
  expect(words.every((one) => Number.isInteger(one) && one >= 0 && one < 2 ** 32)).toBe(true);
  expect(new Set(words).size).toBeGreaterThan(9990); // about 0.01 doubles are expected
});
