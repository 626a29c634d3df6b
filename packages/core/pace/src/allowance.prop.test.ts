import fc from "fast-check";
import { expect, test } from "vitest";
import { type Allowance, allowedAfterMs, goDuration, refilled, refusedBy } from "./allowance.ts";
import { goDurationMs } from "./headers.ts";

const limits = { requestsPerMinute: 60, tokensPerMinute: 6_000, concurrency: 3 };

test("in no minute do more requests or tokens pass than two minutes' worth, and in the long run no more than the limit", () => {
  const step = fc.record({ gapMs: fc.integer({ min: 0, max: 3_000 }), tokens: fc.integer({ min: 1, max: 700 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), (steps) => {
      let nowMs = 1_000_000;
      let known: Allowance | null = null;
      const passed: { atMs: number; tokens: number }[] = [];
      for (const { gapMs, tokens } of steps) {
        nowMs += gapMs;
        const left = refilled(known, limits, nowMs);
        const ask = { tokens, call: false };
        const go = refusedBy(limits, { ...left, running: 0 }, ask) === null;
        known = go ? { ...left, requests: left.requests - 1, tokens: left.tokens - tokens } : left;
        if (go) passed.push({ atMs: nowMs, tokens });
      }
      const spanMinutes = (nowMs - 1_000_000) / 60_000;
      expect(passed.length).toBeLessThanOrEqual(60 * (1 + spanMinutes) + 1e-6);
      expect(passed.reduce((sum, one) => sum + one.tokens, 0)).toBeLessThanOrEqual(6_000 * (1 + spanMinutes) + 1e-6);
    }),
  );
});

test("who waits as long as it was told may go, if nobody else came", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 60, noNaN: true }),
      fc.double({ min: 0, max: 6_000, noNaN: true }),
      fc.integer({ min: 1, max: 6_000 }),
      (requests, tokens, asked) => {
        const standing = { requests, tokens, running: 0 };
        const ask = { tokens: asked, call: true };
        const by = refusedBy(limits, standing, ask);
        if (by === null) return;
        const later = refilled({ requests, tokens, atMs: 0 }, limits, (allowedAfterMs(by, limits, standing, ask) ?? Number.NaN) + 1);
        expect(refusedBy(limits, { ...later, running: 0 }, ask)).not.toBe(by);
      },
    ),
  );
});

test("a request larger than a minute's tokens is told that it never may go", () => {
  expect(allowedAfterMs("tokens", limits, { requests: 60, tokens: 6_000, running: 0 }, { tokens: 6_001, call: false })).toBeNull();
});

test("as many calls run as may, and jobs are no calls", () => {
  const standing = { requests: 60, tokens: 6_000, running: 3 };
  expect(refusedBy(limits, standing, { tokens: 1, call: true })).toBe("concurrency");
  expect(refusedBy(limits, standing, { tokens: 1, call: false })).toBeNull();
});

test("a clock that stands back neither fills nor empties", () => {
  const known = { requests: 5, tokens: 50, atMs: 10_000 };
  expect(refilled(known, limits, 4_000)).toEqual(known);
});

test("lengths are written as the clients read them", () => {
  expect([20, 1_500, 360_000, 3_723_000].map(goDuration)).toEqual(["20ms", "1.5s", "6m0s", "1h2m3s"]);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), (ms) => {
      expect(goDurationMs(goDuration(ms))).toBeCloseTo(ms, 3);
    }),
  );
});
