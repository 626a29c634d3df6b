import fc from "fast-check";
import { expect, test } from "vitest";
import { type Arrival, createNaiveLine } from "./naive-line.ts";

const RATE = { perSecond: 1, atOnce: 2 };
const arrival = (over: Partial<Arrival> = {}): Arrival => ({ work: 1, deadlineAtMs: 30_000, startByMs: 24_000, ...over });

test("an idle line takes at once what may be used at once, and then what its rate lets pass before the latest start", () => {
  const line = createNaiveLine();
  const verdicts = Array.from({ length: 40 }, () => line.arrives(arrival(), RATE, 0));
  // Two at once, and another each second until the 24th.
  expect(verdicts.filter(Boolean)).toHaveLength(2 + 25);
  expect(verdicts.lastIndexOf(true)).toBe(verdicts.filter(Boolean).length - 1);
});

test("what is due later stands before nobody, and a line that has been served is empty", () => {
  const line = createNaiveLine();
  for (let n = 0; n < 1_000; n++) line.arrives(arrival({ deadlineAtMs: 86_400_000, startByMs: 86_000_000 }), RATE, 0);
  expect(line.arrives(arrival(), RATE, 0)).toBe(true);
  expect(line.arrives(arrival({ deadlineAtMs: 90_000_000, startByMs: 500_000 }), RATE, 0)).toBe(false);
  expect(line.arrives(arrival({ deadlineAtMs: 2_030_000, startByMs: 2_024_000 }), RATE, 2_000_000)).toBe(true);
});

test("a line of the same rate with one more arrival is late for no fewer", () => {
  const jobs = fc.array(
    fc.record({ gapMs: fc.integer({ min: 0, max: 4_000 }), slackMs: fc.integer({ min: 5_000, max: 600_000 }), work: fc.integer({ min: 1, max: 9 }) }),
    {
      minLength: 1,
      maxLength: 60,
    },
  );
  const late = (list: readonly { gapMs: number; slackMs: number; work: number }[]): number => {
    const line = createNaiveLine();
    let nowMs = 0;
    return list.filter(({ gapMs, slackMs, work }) => {
      nowMs += gapMs;
      return !line.arrives({ work, deadlineAtMs: nowMs + slackMs, startByMs: nowMs + slackMs - 4_000 }, RATE, nowMs);
    }).length;
  };
  fc.assert(
    fc.property(jobs, fc.integer({ min: 1, max: 9 }), (list, work) => {
      expect(late([{ gapMs: 0, slackMs: 5_000, work }, ...list])).toBeGreaterThanOrEqual(late(list));
    }),
    { seed: 20261128 },
  );
});
