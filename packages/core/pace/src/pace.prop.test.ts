import { seededRng } from "@slowboat/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type HeaderOf, readLimits } from "./headers.ts";
import { admit, type Cost, letOut, next, type Outcome, openPace, type PaceState, pacePolicy, type Ticket, viewOf } from "./index.ts";

const policy = pacePolicy({ scale: 1, ceiling: 32 });
const MINUTE = 60_000;
const OUTCOMES: readonly Outcome[] = ["ok", "refused", "limited", "overloaded", "failed", "silent"];

const amountText = fc.oneof(
  fc.integer({ min: 0, max: 5000 }).map(String),
  fc.constantFrom("0", "-5", "1e30", "0.0001", "NaN", "", "many", "18446744073709551616"),
);
const resetText = fc.constantFrom(
  "0s",
  "20ms",
  "1s",
  "6m0s",
  "999999h",
  "soon",
  "",
  "2026-11-25T12:00:01Z",
  "9999-12-31T23:59:59Z",
  "1970-01-01T00:00:00Z",
);
/** Headers as no honest provider would write them. */
const lyingHeaders = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        ...["requests", "tokens", "project-tokens"].flatMap((kind) => ["limit", "remaining", "reset"].map((what) => `x-ratelimit-${what}-${kind}`)),
        ...["requests", "tokens", "input-tokens", "output-tokens"].flatMap((kind) =>
          ["limit", "remaining", "reset"].map((what) => `anthropic-ratelimit-${kind}-${what}`),
        ),
        "retry-after",
        "retry-after-ms",
      ),
      amountText,
      resetText,
    ),
    { maxLength: 12 },
  )
  .map((rows): HeaderOf => {
    const headers = new Map(rows.map(([name, amount, reset]) => [name, name.includes("reset") ? reset : amount]));
    return (name) => headers.get(name) ?? null;
  });

type Step =
  | { readonly kind: "send"; readonly cost: Cost }
  | { readonly kind: "hear"; readonly which: number; readonly headers: HeaderOf; readonly ok: boolean }
  | { readonly kind: "end"; readonly which: number; readonly outcome: Outcome; readonly wishMs: number | null }
  | { readonly kind: "pass"; readonly ms: number };

const costs = fc.record({ requests: fc.constant(1), input: fc.integer({ min: 0, max: 6000 }), output: fc.integer({ min: 0, max: 512 }) });
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("send" as const), cost: costs }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("hear" as const), which: fc.nat(40), headers: lyingHeaders, ok: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("end" as const),
        which: fc.nat(40),
        outcome: fc.constantFrom(...OUTCOMES),
        wishMs: fc.constantFrom(null, 0, 500, 1e15),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 20_000 }) }) },
  ),
  { maxLength: 150 },
);

/** Plays steps; `watch` sees the state before and after each change. */
function play(script: readonly Step[], watch: (before: PaceState, after: PaceState, nowMs: number) => void = () => {}) {
  const rng = seededRng(7);
  let state = openPace(policy);
  let nowMs = 0;
  const open: Ticket[] = [];
  const become = (after: PaceState): void => {
    watch(state, after, nowMs);
    state = after;
  };
  for (const step of script) {
    if (step.kind === "pass") nowMs += step.ms;
    else if (step.kind === "send") {
      if (admit(state, step.cost, nowMs).kind !== "go") continue;
      const out = letOut(state, step.cost, nowMs);
      become(out.state);
      open.push(out.ticket);
    } else {
      const ticket = open[step.which % Math.max(1, open.length)];
      if (ticket === undefined) continue;
      if (step.kind === "hear") become(next(state, { kind: "heard", ticket, ok: step.ok, limits: readLimits(step.headers, nowMs) }, nowMs, rng));
      else {
        become(next(state, { kind: "ended", ticket, outcome: step.outcome, wishMs: step.wishMs, spent: null }, nowMs, rng));
        open.splice(open.indexOf(ticket), 1);
      }
    }
  }
  return { state, nowMs, open, rng };
}

describe("the pace", () => {
  test("never lets out more than the learned limit in any window", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.array(
          fc.record({
            share: fc.double({ min: 0, max: 1, noNaN: true }),
            gapMs: fc.integer({ min: 0, max: 9_000 }),
            remaining: fc.double({ min: 0, max: 1, noNaN: true }),
          }),
          {
            minLength: 1,
            maxLength: 120,
          },
        ),
        (limit, asks) => {
          const rng = seededRng(3);
          const said = (remaining: number) => ({ meters: { tokens: { limit, remaining, daily: false } }, wishMs: null, emptyMs: null });
          let state = openPace(policy);
          const first = letOut(state, { requests: 1, input: 0, output: 0 }, 0);
          state = next(first.state, { kind: "heard", ticket: first.ticket, ok: true, limits: said(limit) }, 0, rng);
          let nowMs = 0;
          const left: { atMs: number; tokens: number }[] = [];
          for (const ask of asks) {
            nowMs += ask.gapMs;
            const cost = { requests: 1, input: Math.ceil(ask.share * limit), output: 0 };
            const gate = admit(state, cost, nowMs);
            if (gate.kind === "wait" && gate.ms < 2 * MINUTE) nowMs += gate.ms;
            if (admit(state, cost, nowMs).kind !== "go") continue;
            const out = letOut(state, cost, nowMs);
            left.push({ atMs: nowMs, tokens: cost.input });
            // A reply that claims more is left than can be true frees nothing.
            state = next(out.state, { kind: "heard", ticket: out.ticket, ok: true, limits: said(limit * (0.5 + ask.remaining)) }, nowMs, rng);
            state = next(state, { kind: "ended", ticket: out.ticket, outcome: "ok" }, nowMs, rng);
          }
          for (const { atMs } of left) {
            const inWindow = left.filter((one) => one.atMs > atMs - MINUTE && one.atMs <= atMs).reduce((sum, one) => sum + one.tokens, 0);
            expect(inWindow).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });

  test("is never stuck: whatever was said, a call gets out within a day, and by waiting as long as it is told", () => {
    fc.assert(
      fc.property(steps, costs, (script, cost) => {
        const played = play(script);
        let { state } = played;
        let { nowMs } = played;
        for (const ticket of played.open) state = next(state, { kind: "ended", ticket, outcome: "silent" }, nowMs, played.rng);
        const untilMs = nowMs + 27 * 3_600_000;
        for (let tries = 0; ; tries++) {
          const gate = admit(state, cost, nowMs);
          if (gate.kind === "go") break;
          const ms = gate.kind === "wait" ? gate.ms : gate.retryAfterMs;
          expect(ms).toBeGreaterThan(0);
          expect(tries).toBeLessThan(3);
          nowMs += ms;
        }
        expect(nowMs).toBeLessThanOrEqual(untilMs);
      }),
    );
  });

  test("keeps every number sane under lying headers", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const { state, nowMs, open } = play(script);
        expect(state.inFlight).toBe(open.length);
        expect(state.width).toBeGreaterThanOrEqual(policy.floor);
        expect(state.width).toBeLessThanOrEqual(policy.ceiling);
        for (const meter of Object.values(state.meters)) {
          expect(Number.isFinite(meter.level) && meter.level <= meter.burst).toBe(true);
          expect(meter.slots.every((slot) => slot.sum >= 0)).toBe(true);
          expect(meter.slots.length).toBeLessThanOrEqual(18);
        }
        expect(Number.isFinite(viewOf(state, nowMs).waitMs)).toBe(true);
      }),
    );
  });

  test("cuts the width at most once a round trip", () => {
    fc.assert(
      fc.property(steps, (script) => {
        let cutAt = -1;
        play(script, (before, after) => {
          if (after.width >= before.width) return;
          expect(before.cutAt).toBeGreaterThanOrEqual(cutAt);
          expect(after.cutAt).toBe(before.sent.requests);
          expect(before.sent.requests).toBeGreaterThan(cutAt);
          cutAt = after.cutAt;
        });
      }),
    );
  });
});

test("every move of the breaker is legal, and while it is open or being probed nothing else leaves", () => {
  const legal = new Set(["closed closed", "closed open", "open open", "open half-open", "half-open half-open", "half-open closed", "half-open open"]);
  fc.assert(
    fc.property(steps, (script) => {
      let probeSinceMs = Number.NEGATIVE_INFINITY;
      play(script, (before, after, nowMs) => {
        expect(legal).toContain(`${before.breaker.kind} ${after.breaker.kind}`);
        if (after.sent.requests === before.sent.requests) return;
        if (before.breaker.kind === "open") expect(nowMs).toBeGreaterThanOrEqual(before.breaker.untilMs);
        if (before.breaker.kind === "half-open" && before.breaker.probe !== null)
          expect(nowMs - probeSinceMs).toBeGreaterThanOrEqual(policy.breaker.probeMs);
        if (after.breaker.kind === "half-open") probeSinceMs = nowMs;
      });
    }),
  );
});
