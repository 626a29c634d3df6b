import { describe, expect, test } from "vitest";
import { type HeaderOf, readLimits, retryAfterMs } from "./headers.ts";
import { goDurationMs } from "./index.ts";

const of =
  (headers: Record<string, string>): HeaderOf =>
  (name) =>
    headers[name] ?? null;
const NOON = Date.parse("2026-11-25T12:00:00Z");

describe("limits in headers", () => {
  test("OpenAI's requests and tokens are read, those of the project apart", () => {
    const limits = readLimits(
      of({
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-ratelimit-limit-project-tokens": "1000",
        "x-ratelimit-remaining-project-tokens": "0",
      }),
      NOON,
    );
    expect(limits).toEqual({
      meters: {
        requests: { limit: 500, remaining: 499, daily: false },
        tokens: { limit: 150_000, remaining: 149_984, daily: false },
        "project-tokens": { limit: 1000, remaining: 0, daily: false },
      },
      wishMs: null,
      emptyMs: null,
    });
  });

  test("a request limit counts a day where its reset says so, and only there", () => {
    const requests = (limit: string, remaining: string, reset: string): boolean | undefined =>
      readLimits(of({ "x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": remaining, "x-ratelimit-reset-requests": reset }), NOON)
        .meters.requests?.daily;
    expect(requests("10000", "9999", "8.64s")).toBe(true);
    expect(requests("14400", "14370", "2m59.56s")).toBe(true);
    expect(requests("10000", "9999", "6ms")).toBe(false);
    expect(requests("60", "0", "1m0s")).toBe(false);
    expect(requests("10000", "10000", "0s")).toBe(false);
  });

  test("Anthropic's limits are read; the tokens that only repeat the tighter one are left out", () => {
    const one = (kind: string, limit: string, remaining: string): Record<string, string> => ({
      [`anthropic-ratelimit-${kind}-limit`]: limit,
      [`anthropic-ratelimit-${kind}-remaining`]: remaining,
      [`anthropic-ratelimit-${kind}-reset`]: "2026-11-25T12:00:01Z",
    });
    const all = { ...one("requests", "50", "49"), ...one("input-tokens", "30000", "29000"), ...one("output-tokens", "8000", "8000") };
    expect(Object.keys(readLimits(of({ ...all, ...one("tokens", "30000", "29000") }), NOON).meters)).toEqual([
      "requests",
      "input-tokens",
      "output-tokens",
    ]);
    expect(readLimits(of(one("tokens", "30000", "29000")), NOON).meters).toEqual({ tokens: { limit: 30_000, remaining: 29_000, daily: false } });
  });

  test("a limit without its size holds until its reset when nothing is left, in both spellings", () => {
    expect(readLimits(of({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s" }), NOON)).toEqual({
      meters: {},
      wishMs: null,
      emptyMs: 20_000,
    });
    const anthropic = { "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-11-25T12:00:20+00:00" };
    expect(readLimits(of(anthropic), NOON).emptyMs).toBe(20_000);
    expect(readLimits(of({ "x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "20s" }), NOON).emptyMs).toBeNull();
  });

  test.each(["", " ", "-1", "0", "NaN", "Infinity", "many", "1e999"])("a limit of %j says nothing", (limit) => {
    expect(readLimits(of({ "x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": "5" }), NOON)).toEqual({
      meters: {},
      wishMs: null,
      emptyMs: null,
    });
  });
});

test.each([
  [{ "retry-after-ms": "1500", "retry-after": "9" }, 1500],
  [{ "retry-after": "7" }, 7000],
  [{ "retry-after": "Wed, 25 Nov 2026 12:00:05 GMT" }, 5000],
  [{ "retry-after": "Wed, 25 Nov 2026 11:00:00 GMT" }, 0],
  [{ "retry-after-ms": "soon", "retry-after": "2" }, 2000],
  [{ "retry-after": "-3" }, null],
  [{ "retry-after": "later" }, null],
  [{}, null],
] as const)("retry-after of %j", (headers, expected) => {
  expect(retryAfterMs(of(headers as Record<string, string>), NOON)).toBe(expected);
});

test.each([
  ["1s", 1000],
  ["6m0s", 360_000],
  ["20ms", 20],
  ["1h2m3.5s", 3_723_500],
  ["", null],
  ["5", null],
  ["1s ", null],
  ["-1s", null],
])("the length %j", (text, expected) => {
  expect(goDurationMs(text)).toBe(expected);
});
