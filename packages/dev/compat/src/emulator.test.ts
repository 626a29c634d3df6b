import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startEmulated } from "./emulated.ts";
import { everySuite } from "./suite.ts";
import type { Target } from "./target.ts";

let target: Target;
beforeAll(async () => {
  target = await startEmulated();
});
afterEach(async () => {
  await target.calm();
  expect(await target.witness.complaints()).toEqual([]);
});
afterAll(async () => {
  await target.stop();
});

everySuite(() => target);

test("hundreds of bodies were held against their schemas", () => {
  expect(target.witness.checked()).toBeGreaterThan(400);
});
