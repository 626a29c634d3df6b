import { expect, test } from "vitest";
import { decisionWords } from "./index.ts";

test("what a decision did is said in words, with its lane where the words ask for one", () => {
  expect(decisionWords("place", "openai-batch")).toBe("placed on openai-batch");
  expect(decisionWords("hold", "openai-batch")).toBe("held back from openai-batch");
  expect(decisionWords("quota", null)).toBe("waits for room on its lane");
  expect(decisionWords("budget", "openai")).toBe("waits for its budget");
  expect(decisionWords("cancel", null)).toBe("called back from its batch");
  expect(decisionWords("a-kind-of-tomorrow", "openai")).toBe("a-kind-of-tomorrow");
});
