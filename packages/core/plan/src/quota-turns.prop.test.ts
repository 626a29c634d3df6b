import fc from "fast-check";
import { expect, test } from "vitest";
import { dueAtMs, fitQuota, type QuotaLine, type QuotaView, quotaTurns } from "./index.ts";

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
