import { expect, test } from "vitest";
import { enqueuedLimit } from "./index.ts";

test.each([
  ["Enqueued token limit reached for gpt-4.1 in organization org-1. Limit: 900,000 enqueued tokens. Please try again.", 900_000],
  ["Enqueued token limit reached for gpt-5-mini in organization org-2. Limit: 90000 enqueued tokens.", 90_000],
  ["Limit: 15,000,000,000 enqueued tokens", 15_000_000_000],
  ["limit 1 500 000 tokens", 1_500_000],
  ["Enqueued token limit reached for gpt-4.1-2025-04-14 in organization org-9.", null],
  ["Limit: 0 enqueued tokens.", null],
  ["Limit: 99999999999999999999 enqueued tokens.", null],
  ["Rate limit reached: 500 requests per minute", null],
  ["", null],
] as const)("the limit in '%s' is %s", (message, limit) => {
  expect(enqueuedLimit(message)).toBe(limit);
});
