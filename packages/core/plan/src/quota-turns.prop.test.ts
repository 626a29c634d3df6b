import fc from "fast-check";
import { expect, test } from "vitest";
import { createFairShares, dueAtMs, fitQuota, type QuotaLine, type QuotaView, quotaTurns } from "./index.ts";

const SEED = 20_261_125;
const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 25);

const line = fc.record({
  id: fc.uuid(),
  tokens: fc.integer({ min: 1, max: 2_000 }),
  dueAtMs: fc.integer({ min: 0, max: 500 }).map((minute) => NOW + minute * MINUTE),
});
const lines = fc.uniqueArray(line, { selector: (one) => one.id, maxLength: 60 });
const waiting = fc
  .uniqueArray(fc.record({ minute: fc.integer({ min: 0, max: 500 }).map((m) => NOW / MINUTE + m), tokens: fc.integer({ min: 1, max: 5_000 }) }), {
    selector: (row) => row.minute,
    maxLength: 10,
  })
  .map((rows) => rows.sort((a, b) => a.minute - b.minute));
const view = fc.record({ limitTokens: fc.integer({ min: 1, max: 20_000 }), heldTokens: fc.integer({ min: 0, max: 25_000 }), waiting });
const sum = (some: readonly QuotaLine[]): number => some.reduce((total, one) => total + one.tokens, 0);

test(`what goes never exceeds the quota, but for one line that is larger than it and goes alone (seed ${SEED})`, () => {
  fc.assert(
    fc.property(view, lines, (quota, some) => {
      const { go, wait } = fitQuota(quota, some);
      expect([...go, ...wait].map((one) => one.id).sort()).toEqual(some.map((one) => one.id).sort());
      if (quota.heldTokens + sum(go) > quota.limitTokens && go.length > 0) {
        expect(go).toHaveLength(1);
        expect(quota.heldTokens).toBe(0);
        expect(go[0]?.tokens).toBeGreaterThan(quota.limitTokens);
      }
    }),
    { seed: SEED },
  );
});

test(`no line goes before one with an earlier deadline, whether that is asked about or waits already (seed ${SEED})`, () => {
  fc.assert(
    fc.property(view, lines, (quota, some) => {
      const { go, wait } = fitQuota(quota, some);
      const latest = Math.max(Number.NEGATIVE_INFINITY, ...go.map((one) => one.dueAtMs));
      for (const one of wait) expect(one.dueAtMs).toBeGreaterThanOrEqual(latest);
      const before = quota.waiting.filter((row) => row.minute * MINUTE + MINUTE <= latest).reduce((total, row) => total + row.tokens, 0);
      if (go.length > 0 && before > 0) expect(quota.heldTokens + before + sum(go)).toBeLessThanOrEqual(quota.limitTokens);
    }),
    { seed: SEED },
  );
});

test(`turns follow deadlines, and a line that goes now waits for nothing (seed ${SEED})`, () => {
  fc.assert(
    fc.property(view, lines, (quota, some) => {
      const turns = quotaTurns(quota, some);
      const sorted = some.filter((one) => one.tokens <= quota.limitTokens).sort((a, b) => a.dueAtMs - b.dueAtMs);
      for (const [i, one] of sorted.entries()) {
        const next = sorted[i + 1];
        if (next && next.dueAtMs > one.dueAtMs) expect(turns.get(next.id)?.waitMs).toBeGreaterThanOrEqual(turns.get(one.id)?.waitMs ?? 0);
      }
      for (const one of fitQuota(quota, some).go) if (one.tokens <= quota.limitTokens) expect(turns.get(one.id)?.waitMs).toBe(0);
    }),
    { seed: SEED },
  );
});

test(`nothing starves: with later work arriving for ever, every line has gone after as many rounds as there is work before it (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      lines,
      fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 20 }),
      (limitTokens, some, arriving) => {
        let left: QuotaLine[] = [...some];
        // Everything that is out ends between two rounds; what arrives is due after all that is here.
        const roundsMax = 2 * some.length + 1;
        for (let round = 0; round < roundsMax && left.some((one) => some.includes(one)); round++) {
          arriving.forEach((tokens, i) => {
            left.push({ id: `new-${round}-${i}`, tokens, dueAtMs: dueAtMs({ deadlineAtMs: null, acceptedAtMs: NOW + round * MINUTE }) });
          });
          left = fitQuota({ limitTokens, heldTokens: 0, waiting: [] }, left).wait;
        }
        expect(left.filter((one) => some.includes(one))).toEqual([]);
      },
    ),
    { seed: SEED },
  );
});

test("work without a deadline keeps its place: a day after its acceptance, whenever it is asked", () => {
  expect(dueAtMs({ deadlineAtMs: null, acceptedAtMs: NOW })).toBe(NOW + 86_400_000);
  expect(dueAtMs({ deadlineAtMs: NOW + 1, acceptedAtMs: NOW })).toBe(NOW + 1);
});

test("a line behind one round's worth of tokens waits a round, one larger than the quota a day", () => {
  const quota: QuotaView = { limitTokens: 1_000, heldTokens: 1_000, waiting: [{ minute: NOW / MINUTE - 1, tokens: 900 }] };
  const turns = quotaTurns(quota, [
    { id: "a", tokens: 100, dueAtMs: NOW },
    { id: "b", tokens: 100, dueAtMs: NOW + MINUTE },
    { id: "c", tokens: 1_001, dueAtMs: NOW + 2 * MINUTE },
  ]);
  const round = turns.get("a")?.waitMs ?? 0;
  expect(round / MINUTE).toBeGreaterThan(10);
  expect(turns.get("a")?.aheadTokens).toBe(900);
  expect(turns.get("b")?.waitMs).toBe(2 * round);
  expect(turns.get("c")?.waitMs).toBe(86_400_000);
});

const owned = fc.record({
  tenant: fc.constantFrom("a", "b", "c"),
  tokens: fc.integer({ min: 1, max: 900 }),
  minute: fc.integer({ min: 0, max: 500 }),
});

test(`what goes of several tenants never exceeds the quota, and inside a tenant nothing goes before what is due earlier (seed ${SEED})`, () => {
  const served = fc.record({ a: fc.nat(5_000), b: fc.nat(5_000), c: fc.nat(5_000) });
  fc.assert(
    fc.property(view, fc.array(owned, { maxLength: 60 }), fc.array(owned, { maxLength: 12 }), served, (quota, some, others, counts) => {
      const waiting = others
        .map(({ tenant, tokens, minute }) => ({ tenant, tokens, minute: NOW / MINUTE + minute }))
        .sort((a, b) => a.minute - b.minute);
      const lines = some.map(({ tenant, tokens, minute }, i) => ({ id: `line-${i}`, tenant, tokens, dueAtMs: NOW + minute * MINUTE }));
      const shares = { served: (tenant: string) => counts[tenant as "a"], weight: (tenant: string) => (tenant === "a" ? 3 : 1) };
      const all = { ...quota, waiting, shares };
      const { go, wait } = fitQuota(all, lines);
      expect(go.length + wait.length).toBe(lines.length);
      if (go.length > 1 || quota.heldTokens > 0)
        expect(quota.heldTokens + sum(go)).toBeLessThanOrEqual(Math.max(quota.limitTokens, quota.heldTokens));
      for (const tenant of ["a", "b", "c"]) {
        const latest = Math.max(Number.NEGATIVE_INFINITY, ...go.filter((one) => one.tenant === tenant).map((one) => one.dueAtMs));
        for (const one of wait) if (one.tenant === tenant) expect(one.dueAtMs).toBeGreaterThanOrEqual(latest);
      }
      const turns = quotaTurns(all, lines);
      for (const one of go) if (one.tokens <= quota.limitTokens) expect(turns.get(one.id)?.waitMs).toBe(0);
    }),
    { seed: SEED },
  );
});

/** Rounds of a quota that is empty each time, under the counters of fair shares; returns what each tenant got in them. */
function rounds(
  limitTokens: number,
  count: number,
  lines: QuotaLine[],
  weight: (tenant: string) => number,
): { got: Map<string, number>; left: QuotaLine[] } {
  const shares = createFairShares(weight, true);
  const got = new Map<string, number>();
  let left = lines;
  for (const { tenant = "" } of lines) shares.wake(tenant);
  for (let round = 0; round < count; round++) {
    const { go, wait } = fitQuota({ limitTokens, heldTokens: 0, waiting: [], shares: { served: shares.served, weight } }, left);
    for (const { tenant = "", tokens } of go) {
      shares.charge(tenant, tokens);
      got.set(tenant, (got.get(tenant) ?? 0) + tokens);
    }
    left = wait;
  }
  return { got, left };
}

test(`of two tenants that wait all the while, neither is ahead of the other by over twice the largest line, by weight, whatever is due first (seed ${SEED})`, () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 200, maxLength: 200 });
  fc.assert(
    fc.property(sizes, sizes, fc.constantFrom(1, 3), (a, b, weight) => {
      const of = (tenant: string, list: readonly number[], due: number): QuotaLine[] =>
        list.map((tokens, i) => ({ id: `${tenant}${i}`, tenant, tokens, dueAtMs: NOW + due + i }));
      const { got, left } = rounds(400, 6, [...of("flood", a, 0), ...of("other", b, 86_400_000)], (tenant) => (tenant === "flood" ? weight : 1));
      fc.pre(left.some((one) => one.tenant === "flood") && left.some((one) => one.tenant === "other"));
      expect(Math.abs((got.get("flood") ?? 0) / weight - (got.get("other") ?? 0))).toBeLessThanOrEqual(200);
    }),
    { seed: SEED, numRuns: 50 },
  );
});

test("a line larger than the quota goes in its turn, although another tenant's small ones never end", () => {
  const small = Array.from({ length: 400 }, (_, i): QuotaLine => ({ id: `small-${i}`, tenant: "b", tokens: 100, dueAtMs: NOW + i }));
  const { left } = rounds(1_000, 12, [...small, { id: "large", tenant: "a", tokens: 1_500, dueAtMs: NOW + 86_400_000 }], () => 1);
  expect(left.some((one) => one.id === "large")).toBe(false);
  expect(left.length).toBeGreaterThan(0);
});

test(`where nothing is out something goes, however much of all tenants waits besides the lines that are asked about (seed ${SEED})`, () => {
  const tenants = fc.array(
    fc.record({ tokens: fc.integer({ min: 1, max: 900 }), waiting: fc.integer({ min: 0, max: 5_000 }), served: fc.nat(5_000) }),
    {
      minLength: 1,
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(tenants, fc.integer({ min: 1, max: 2_000 }), (all, limitTokens) => {
      const lines = all.map(({ tokens }, i) => ({ id: `line-${i}`, tenant: `t${i}`, tokens, dueAtMs: NOW }));
      const waiting = all
        .map(({ waiting: tokens }, i) => ({ tenant: `t${i}`, minute: NOW / MINUTE + 10, tokens }))
        .filter(({ tokens }) => tokens > 0);
      const shares = { served: (tenant: string) => all[Number(tenant.slice(1))]?.served ?? 0, weight: () => 1 };
      const { go } = fitQuota({ limitTokens, heldTokens: 0, waiting, shares }, lines);
      expect(go.length).toBeGreaterThan(0);
    }),
    { seed: SEED },
  );
});

test("two tenants that were served alike, each with a line asked about and one that waits, do not wait for each other", () => {
  const line = (tenant: string): QuotaLine => ({ id: tenant, tenant, tokens: 100, dueAtMs: NOW });
  const waiting = ["a", "b"].map((tenant) => ({ tenant, minute: NOW / MINUTE + 1, tokens: 100 }));
  const { go } = fitQuota({ limitTokens: 150, heldTokens: 0, waiting }, [line("a"), line("b")]);
  expect(go.map(({ id }) => id)).toEqual(["a"]);
});
