import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addNano,
  assert,
  backoffMs,
  type ClockRow,
  FAULTS,
  fault,
  formatUsd,
  ID_PREFIX,
  type IdKind,
  isFault,
  isId,
  jobNowMs,
  LIMITS,
  nano,
  newId,
  type PicoUsd,
  parseDeadline,
  parseDurationMs,
  parseUsd,
  priceTokens,
  realMsUntil,
  seededRng,
  ZERO,
} from "./index.ts";

const SEED = 20_261_123;
const opts = { seed: SEED, numRuns: 500 };
const pico = (n: bigint): PicoUsd => n as PicoUsd;

test("money is rounded once, half to even", () => {
  const cost = (tokens: number, price: bigint): bigint => priceTokens([{ tokens, pico: pico(price) }]);
  expect([cost(1, 499n), cost(1, 500n), cost(1, 501n), cost(3, 500n), cost(5, 500n)]).toEqual([0n, 0n, 1n, 2n, 2n]);
  // Two halves make a whole: rounding each line would give 0.
  expect(
    priceTokens([
      { tokens: 1, pico: pico(500n) },
      { tokens: 1, pico: pico(500n) },
    ]),
  ).toBe(1n);
  expect(() => cost(1.5, 1n)).toThrow(/whole number/);
  expect(() => cost(-1, 1n)).toThrow(/whole number/);
});

test(`dollars are written and read back exactly (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 999_999_999_999_999_999n }), (n) => {
      expect(parseUsd(formatUsd(nano(n)))).toBe(n);
      expect(formatUsd(nano(-n - 1n))).toBe(`-${formatUsd(nano(n + 1n))}`);
    }),
    opts,
  );
  expect(formatUsd(nano(12_345_678_900n))).toBe("12.3456789");
  expect(formatUsd(ZERO)).toBe("0.00");
  expect(addNano(nano(1n), nano(2n))).toBe(3n);
});

test("a price that is negative, unreadable or finer than a nano-dollar is not taken for another", () => {
  expect([parseUsd("-1"), parseUsd("1e3"), parseUsd("0.0000000001"), parseUsd(""), parseUsd("$1"), parseUsd(Number.NaN), parseUsd(-1)]).toEqual(
    Array(7).fill(null),
  );
  expect([parseUsd(0.25), parseUsd(1e-3), parseUsd(" 12 ")]).toEqual([250_000_000n, 1_000_000n, 12_000_000_000n]);
});

test("ids are unique, sort by time, keep to one alphabet and are told apart by kind", () => {
  const rng = seededRng(1);
  const ids = Array.from({ length: 2000 }, (_, i) => newId("job", 1_700_000_000_000 + Math.floor(i / 2), rng));
  expect(new Set(ids).size).toBe(2000);
  const everyOther = ids.filter((_, i) => i % 2 === 0);
  expect([...everyOther].sort()).toEqual(everyOther);
  for (const kind of Object.keys(ID_PREFIX) as IdKind[]) {
    const id = newId(kind, 1, rng);
    expect(id).toMatch(/^[a-z0-9_-]{1,64}$/);
    expect(isId(kind, id)).toBe(true);
    expect(isId("job", id)).toBe(kind === "job");
  }
  expect(() => newId("job", -1, rng)).toThrow();
});

test("the same seed throws the same dice, another seed others, and floats stay in [0, 1)", () => {
  const throws = (seed: number): number[] =>
    Array.from(
      { length: 50 },
      (
        (rng) => () =>
          rng.u32()
      )(seededRng(seed)),
    );
  expect(throws(7)).toEqual(throws(7));
  expect(throws(7)).not.toEqual(throws(8));
  const rng = seededRng(3);
  const floats = Array.from({ length: 10_000 }, () => rng.float());
  expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...floats)).toBeLessThan(1);
  expect(floats.reduce((a, b) => a + b) / floats.length).toBeCloseTo(0.5, 1);
});

test("pauses grow to their bound and jitter only shortens them", () => {
  const policy = { baseMs: 100, factor: 2, maxMs: 1000, jitter: 0.25 };
  const rng = seededRng(5);
  for (let n = 0; n < 40; n++) {
    const full = Math.min(1000, 100 * 2 ** n);
    const pause = backoffMs(policy, n, rng);
    expect(pause).toBeLessThanOrEqual(full);
    expect(pause).toBeGreaterThanOrEqual(full * 0.75 - 1);
  }
  expect(backoffMs({ ...policy, jitter: 0 }, 2, rng)).toBe(400);
});

test("job time runs on from its anchor at its scale, and back again", () => {
  const clock: ClockRow = { realAnchorMs: 1000, jobAnchorMs: 50_000, scale: 600 };
  expect(jobNowMs(clock, 1000)).toBe(50_000);
  expect(jobNowMs(clock, 0)).toBe(50_000);
  expect(jobNowMs(clock, 1010)).toBe(56_000);
  expect(realMsUntil(clock, 56_000, 1000)).toBe(10);
  expect(realMsUntil(clock, 1, 1000)).toBe(0);
});

test("lengths are read in full or not at all", () => {
  expect(["90s", "45m", "4h", "1h30m", "2d"].map(parseDurationMs)).toEqual([90_000, 2_700_000, 14_400_000, 5_400_000, 172_800_000]);
  expect(["", "0s", "4", "h", "4 h", "-4h", "1.5h", "4hours", "9999999999s"].map(parseDurationMs)).toEqual(Array(9).fill(null));
});

const NOW = Date.UTC(2026, 10, 23, 12, 0, 0);

test("a deadline is an instant, a length from now, or the next wall-clock time of a named zone", () => {
  expect(parseDeadline("4h", NOW)).toEqual({ atMs: NOW + 14_400_000 });
  expect(parseDeadline("2026-11-24T06:00:00Z", NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 6) });
  expect(parseDeadline("2026-11-24T06:00:00.250+02:00", NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 4, 0, 0, 250) });
  expect(parseDeadline("06:00 Europe/Berlin", NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 5) });
  for (const text of ["06:00Z", "06:00z", "06:00 Z", "06:00+00:00", "06:00 UTC"])
    expect(parseDeadline(text, NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 6) });
  expect(parseDeadline("06:00+02:00", NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 4) });
  expect(parseDeadline("06:00-09:30", NOW)).toEqual(parseDeadline("06:00 -09:30", NOW));
  for (const text of ["06:00 +25:99", "06:00+25:99", "06:00+15:00", "06:00 +01:60"])
    expect(parseDeadline(text, NOW), text).toEqual({ problem: "zone-unknown" });
  for (const text of ["06:00Europe/Berlin", "06:00+2", "06:00ZZ"]) expect(parseDeadline(text, NOW), text).toEqual({ problem: "unreadable" });
  expect(parseDeadline("13:30", NOW, "UTC")).toEqual({ atMs: Date.UTC(2026, 10, 23, 13, 30) });
  expect(parseDeadline("06:00 +05:30", NOW)).toEqual({ atMs: Date.UTC(2026, 10, 24, 0, 30) });
});

test("a wall-clock deadline survives the clock change of the night before it", () => {
  // Berlin leaves summer time at 03:00 on 25 October 2026: 06:00 is 05:00 UTC, not 04:00.
  const evening = Date.UTC(2026, 9, 24, 20);
  expect(parseDeadline("06:00 Europe/Berlin", evening)).toEqual({ atMs: Date.UTC(2026, 9, 25, 5) });
});

test("an unclear or past deadline is told as what it is", () => {
  expect(parseDeadline("06:00", NOW)).toEqual({ problem: "zone-missing" });
  expect(parseDeadline("06:00 Mars/Base", NOW)).toEqual({ problem: "zone-unknown" });
  expect(parseDeadline("2026-11-23T11:59:59Z", NOW)).toEqual({ problem: "past" });
  for (const text of [
    "tomorrow",
    "25:00 UTC",
    "06:60 UTC",
    "2026-11-24",
    "2026-11-24T06:00:00",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "",
  ]) {
    expect([text, parseDeadline(text, NOW)]).toEqual([text, { problem: "unreadable" }]);
  }
});

test("a fault keeps its inside out of its public text and its cause with it", () => {
  const cause = new Error("socket");
  const error = fault("provider-failed", { inside: { key: "secret" }, cause });
  expect(isFault(error)).toBe(true);
  expect([error.status, error.retryable, error.cause]).toEqual([502, true, cause]);
  expect(error.message).toBe(FAULTS["provider-failed"].text);
  expect(JSON.stringify(error.message)).not.toContain("secret");
  expect(isFault(cause)).toBe(false);
});

test("an assertion says which invariant broke, and every limit is a positive number", () => {
  expect(() => assert(false, "x holds")).toThrow("invariant broken: x holds");
  for (const value of Object.values(LIMITS)) expect(value).toBeGreaterThan(0);
});
