import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { emptyState, grayShare, judgeMayHelp, learnVerdict, type ReuseState, readState, takeVerdict, writeState } from "./index.ts";
import { POLICY } from "./policy.ts";

const ALLOWED = 0.02;
const x = new Uint8Array(emptyState().fit.weights.length);

/** A family with a thousand labels: most score high and are right, a seventh lies lower, and a third of that is wrong. */
function doubting(judge: ReuseState["judge"] = { looked: 0, wrong: 0 }): ReuseState {
  const rows = Array.from({ length: 1_000 }, (_, i) =>
    i < 850 ? { score: 0.995, right: true } : i < 950 ? { score: 0.65, right: true } : { score: 0.7, right: false },
  );
  const window = rows.map(({ right }) => ({ x, label: right, weight: 1, vetoes: 0 }));
  const samples = rows.map(({ score, right }) => ({ score, loss: right ? 0 : 1, weight: 1, copy: false }));
  return { ...emptyState(), window, fit: { weights: [...x], samples, released: 0 }, judge };
}

/** Asks a judge with a known share of wrong yes until `words` have come; every word that is looked at is learned. */
function run(wrongShare: number, words: number, seed: number) {
  const rng = seededRng(seed);
  let state = doubting();
  const tally = { given: 0, wrong: 0, asked: 0 };
  for (let i = 0; i < words; i++) {
    if (!judgeMayHelp(state, ALLOWED)) continue;
    tally.asked++;
    const right = rng.float() >= wrongShare;
    if (takeVerdict(state, ALLOWED, rng).kind === "explore") state = learnVerdict(state, right);
    else {
      tally.given++;
      if (!right) tally.wrong++;
    }
  }
  return { ...tally, state };
}

test("the gray zone is the share of labels between the threshold and that of four times the error", () => {
  expect(grayShare(doubting(), ALLOWED)).toBeCloseTo(0.15, 10);
  expect(grayShare(emptyState(), ALLOWED)).toBe(1);
});

test("a judge's yes is asked anew until its record bears it; a good one then answers most, a bad one is not asked any more", () => {
  expect(takeVerdict(doubting(), ALLOWED, seededRng(1))).toEqual({ kind: "explore", propensity: 1 });
  const good = run(0.005, 3_000, 5);
  expect(good.given).toBeGreaterThan(2_000);
  // Of all requests the zone is 15 %, so that wrong ones stay within the part that is kept for judges.
  expect((good.wrong / 3_000) * grayShare(good.state, ALLOWED)).toBeLessThan(POLICY.judgeReserve * ALLOWED);
  const bad = run(0.3, 3_000, 6);
  expect(bad.given).toBe(0);
  expect(bad.asked).toBeLessThan(50);
});

test("a judge that turns bad loses its trust again", () => {
  const rng = seededRng(9);
  let state = run(0, 1_000, 7).state;
  expect(takeVerdict(state, ALLOWED, { u32: () => 0, float: () => 0.99 }).kind).toBe("reuse");
  let words = 0;
  for (; words < 5_000 && !(state.judge.wrong + 1 > (state.judge.looked + 2) * 0.02); words++)
    if (takeVerdict(state, ALLOWED, rng).kind === "explore") state = learnVerdict(state, false);
  expect(words).toBeLessThan(200);
  expect(takeVerdict(state, ALLOWED, rng)).toEqual({ kind: "explore", propensity: 1 });
});

test("what is written down keeps the judge's record, and what was written without one reads as none", () => {
  expect(readState(writeState(doubting({ looked: 7, wrong: 2 }))).judge).toEqual({ looked: 7, wrong: 2 });
  const { judge: _judge, ...old } = JSON.parse(writeState(doubting({ looked: 7, wrong: 2 }))) as { judge: unknown };
  expect(readState(JSON.stringify(old)).judge).toEqual({ looked: 0, wrong: 0 });
});
