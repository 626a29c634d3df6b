import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "./stack.ts";
import { bytesSuite } from "./suite/own-bytes.conformance.ts";
import { refusalsSuite } from "./suite/own-refusals.conformance.ts";
import { retriesSuite } from "./suite/own-retries.conformance.ts";
import { everySuite } from "./suite.ts";

let target: Stack;
beforeAll(async () => {
  target = await startStack();
});
afterEach(async () => {
  await target.calm();
  expect(await target.witness.complaints()).toEqual([]);
});
afterAll(async () => {
  await target.stop();
});

everySuite(() => target);
bytesSuite(() => target);
refusalsSuite(() => target);
retriesSuite(() => target);

test("hundreds of bodies were held against their schemas", () => {
  expect(target.witness.checked()).toBeGreaterThan(400);
});
