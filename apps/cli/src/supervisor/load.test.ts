import { expect, test } from "vitest";
import { scaleFor } from "./load.ts";

test("a night is eight hours in two minutes on an idle machine, and longer the busier it is", () => {
  expect([0, 1.5, 1.6, 4, 4.1, 50].map(scaleFor)).toEqual([240, 240, 120, 120, 60, 60]);
});
