import { jobNowMs } from "@slowboat/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { eveningMs, lastJobMs, planClock } from "./clock-plan.ts";

const NOW = Date.UTC(2026, 10, 25, 12);
const stored = (jobAnchorMs: number, scale = 480) => ({ realAnchorMs: NOW - 60_000, jobAnchorMs, scale, seenRealMs: NOW - 10_000 });

test("a first start follows the machine, or begins at the evening", () => {
  expect(planClock({ stored: null, realNowMs: NOW, scale: 1, pinned: false, notBeforeJobMs: NOW })).toEqual({
    clock: { realAnchorMs: NOW, jobAnchorMs: NOW, scale: 1, seenRealMs: NOW },
  });
  expect(planClock({ stored: null, realNowMs: NOW, scale: 480, pinned: false, notBeforeJobMs: NOW + 3_600_000 })).toMatchObject({
    clock: { jobAnchorMs: NOW + 3_600_000, scale: 480 },
  });
});

test("job time never goes back over any chain of starts, crashes and pauses", () => {
  const step = fc.record({
    runMs: fc.integer({ min: 0, max: 10_000_000 }),
    unseenMs: fc.integer({ min: 0, max: 1500 }),
    downMs: fc.integer({ min: 1500, max: 10_000_000 }),
    scale: fc.integer({ min: 1, max: 5000 }),
    jump: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      let realMs = NOW;
      let clock: Parameters<typeof planClock>[0]["stored"] = null;
      let latest = Number.NEGATIVE_INFINITY;
      for (const one of steps) {
        const planned = planClock({
          stored: clock,
          realNowMs: realMs,
          scale: one.scale,
          pinned: false,
          notBeforeJobMs: one.jump ? eveningMs(realMs, latest) : 0,
        });
        if (!("clock" in planned)) throw new Error(planned.refused);
        expect(planned.clock.jobAnchorMs).toBeGreaterThanOrEqual(latest);
        const crashMs = realMs + one.runMs + one.unseenMs;
        latest = jobNowMs(planned.clock, crashMs);
        clock = { ...planned.clock, seenRealMs: realMs + one.runMs };
        realMs = crashMs + one.downMs;
      }
    }),
  );
});

test("with a provider key the clock is the machine's, and a folder ahead of it is refused with the mend", () => {
  const pinned = { realNowMs: NOW, scale: 1, pinned: true, notBeforeJobMs: NOW };
  expect(planClock({ ...pinned, stored: stored(NOW - 60_000, 1) })).toMatchObject({ clock: { jobAnchorMs: NOW, scale: 1 } });
  expect(planClock({ ...pinned, stored: stored(NOW) })).toMatchObject({ refused: expect.stringContaining("--data-dir") });
  expect(planClock({ ...pinned, stored: null, scale: 480 })).toMatchObject({ refused: expect.stringContaining("--time-scale 1") });
});

test("an evening is 22:00 local, today or the next day after the last instant handed out", () => {
  const noon = new Date(2026, 10, 25, 12).getTime();
  const at = (day: number, hour: number): number => new Date(2026, 10, day, hour).getTime();
  expect(eveningMs(noon, 0)).toBe(at(25, 22));
  expect(eveningMs(noon, at(25, 21))).toBe(at(25, 22));
  expect(eveningMs(noon, at(26, 6))).toBe(at(26, 22));
  expect(eveningMs(noon, at(26, 23))).toBe(at(27, 22));
});

test("what was handed out after the last heartbeat counts as used", () => {
  const clock = stored(0, 1000);
  expect(lastJobMs(clock, NOW)).toBe((50_000 + 2000) * 1000);
  expect(lastJobMs(clock, clock.seenRealMs + 5)).toBe(50_005 * 1000);
});
