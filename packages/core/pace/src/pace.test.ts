import { seededRng } from "@slowboat/kernel";
import { describe, expect, test } from "vitest";
import { admit, type Cost, letOut, next, type Outcome, openPace, type PaceState, pacePolicy, type Ticket, viewOf } from "./index.ts";

const rng = seededRng(1);
const policy = pacePolicy({ scale: 1, ceiling: 64 });
const ONE: Cost = { requests: 1, input: 100, output: 0 };
const MINUTE = 60_000;

/** A pace with its clock, driven by hand. */
function drive(over: Partial<typeof policy> = {}) {
  let state: PaceState = openPace({ ...policy, ...over });
  const at = { nowMs: 0 };
  return {
    at,
    state: () => state,
    admit: (cost = ONE) => admit(state, cost, at.nowMs),
    view: () => viewOf(state, at.nowMs),
    send: (cost = ONE): Ticket => {
      expect(admit(state, cost, at.nowMs)).toEqual({ kind: "go" });
      const out = letOut(state, cost, at.nowMs);
      state = out.state;
      return out.ticket;
    },
    hear: (
      ticket: Ticket,
      meters: Parameters<typeof next>[1] extends infer _ ? Record<string, { limit: number; remaining: number | null; daily?: boolean }> : never,
    ) => {
      const said = Object.fromEntries(Object.entries(meters).map(([name, one]) => [name, { daily: false, ...one }]));
      state = next(state, { kind: "heard", ticket, ok: true, limits: { meters: said, wishMs: null, emptyMs: null } }, at.nowMs, rng);
    },
    end: (ticket: Ticket, outcome: Outcome, more: { wishMs?: number | null; spent?: { input: number; output: number } } = {}) => {
      state = next(state, { kind: "ended", ticket, outcome, ...more }, at.nowMs, rng);
    },
  };
}

describe("limits", () => {
  test("nothing is limited until a reply says so, but for the ceiling", () => {
    const pace = drive();
    const tickets = Array.from({ length: 64 }, () => pace.send());
    expect(pace.admit()).toEqual({ kind: "wait", ms: 1_000 });
    pace.end(tickets[0] as Ticket, "ok");
    expect(pace.admit()).toEqual({ kind: "go" });
  });

  test("what others have used up is waited for, as long as the limit takes to refill", () => {
    const pace = drive();
    const first = pace.send();
    pace.hear(first, { requests: { limit: 60, remaining: 0 } });
    expect(pace.admit()).toEqual({ kind: "wait", ms: 1000 });
    pace.at.nowMs = 1000;
    expect(pace.admit()).toEqual({ kind: "go" });
  });

  test("calls that left after the one that was answered are taken off what its reply says is left", () => {
    const pace = drive();
    const first = pace.send();
    for (let n = 0; n < 5; n++) pace.send();
    pace.hear(first, { requests: { limit: 60, remaining: 6 } });
    pace.send();
    expect(pace.admit().kind).toBe("wait");
  });

  test("a reply to an earlier call does not overrule what is known already", () => {
    const pace = drive();
    const [first, second] = [pace.send(), pace.send()];
    pace.hear(second, { requests: { limit: 60, remaining: 58 } });
    pace.hear(first, { requests: { limit: 60, remaining: 0 } });
    expect(pace.admit()).toEqual({ kind: "go" });
  });

  test("a sustained stream comes to nine tenths of the limit at least, and never above it", () => {
    const pace = drive({ ceiling: 1000 });
    pace.hear(pace.send(), { requests: { limit: 120, remaining: 120 } });
    const sentAt: number[] = [];
    while (pace.at.nowMs < 10 * MINUTE) {
      const gate = pace.admit();
      if (gate.kind === "go") {
        sentAt.push(pace.at.nowMs);
        const ticket = pace.send();
        pace.hear(ticket, { requests: { limit: 120, remaining: 119 } });
        pace.end(ticket, "ok");
      } else if (gate.kind === "wait") pace.at.nowMs += gate.ms;
    }
    expect(sentAt.length).toBeGreaterThanOrEqual(10 * 120 * 0.9);
    expect(sentAt.length).toBeLessThanOrEqual(10 * 120 + 15);
  });

  test("tokens that the provider's cache gave do not count once the reply has told", () => {
    const pace = drive();
    pace.hear(pace.send({ requests: 1, input: 0, output: 0 }), { "input-tokens": { limit: 8000, remaining: 8000 } });
    const large = { requests: 1, input: 7900, output: 0 };
    const ticket = pace.send(large);
    expect(pace.admit(ONE).kind).toBe("wait");
    pace.end(ticket, "ok", { spent: { input: 50, output: 10 } });
    expect(pace.admit(ONE)).toEqual({ kind: "go" });
  });

  test("a request larger than the limit goes out alone, for the provider to refuse", () => {
    const pace = drive();
    pace.hear(pace.send({ requests: 1, input: 0, output: 0 }), { tokens: { limit: 1000, remaining: 1000 } });
    pace.send({ requests: 1, input: 50_000, output: 0 });
    const gate = pace.admit();
    expect(gate.kind).toBe("wait");
    pace.at.nowMs += 2 * MINUTE;
    expect(pace.admit()).toEqual({ kind: "go" });
  });

  test("a limit that no reply confirms any more is forgotten", () => {
    const pace = drive();
    pace.hear(pace.send(), { requests: { limit: 1, remaining: 0 } });
    expect(pace.admit().kind).toBe("wait");
    pace.at.nowMs = 11 * MINUTE;
    for (let n = 0; n < 20; n++) pace.send();
  });

  test("a daily limit is spent as it comes, not spread over the day", () => {
    const pace = drive();
    pace.hear(pace.send(), { requests: { limit: 100, remaining: 40, daily: true } });
    for (let n = 0; n < 40; n++) pace.end(pace.send(), "ok");
    const gate = pace.admit();
    expect(gate.kind === "wait" && gate.ms).toBeGreaterThan(MINUTE);
  });
});

describe("the width of calls in flight", () => {
  test("is halved once a round trip, and grows by one a window", () => {
    const pace = drive();
    const burst = Array.from({ length: 40 }, () => pace.send());
    for (const ticket of burst) pace.end(ticket, "limited", { wishMs: 0 });
    expect(pace.view().concurrency).toBe(20);
    pace.at.nowMs += 1;
    for (let n = 0; n < 21; n++) pace.end(pace.send(), "ok");
    expect(pace.view().concurrency).toBe(21);
    for (let n = 0; n < 3000; n++) pace.end(pace.send(), "ok");
    expect(pace.view().concurrency).toBe(64);
  });

  test("never falls below the floor", () => {
    const pace = drive();
    for (let n = 0; n < 30; n++) {
      pace.end(pace.send(), "limited", { wishMs: 0 });
      pace.at.nowMs += 1;
    }
    expect(pace.view().concurrency).toBe(policy.floor);
  });

  test("a tier without room, a wrong request and a call given up leave it as it is", () => {
    const pace = drive();
    for (const outcome of ["silent", "refused", "silent", "failed"] as const) pace.end(pace.send(), outcome);
    expect(pace.view().concurrency).toBe(64);
  });
});

describe("the provider's wish", () => {
  test("holds everything for as long as it says, and a tenth more at most", () => {
    const pace = drive();
    pace.end(pace.send(), "limited", { wishMs: 10_000 });
    const gate = pace.admit();
    expect(gate.kind === "wait" && gate.ms).toBeGreaterThanOrEqual(10_000);
    expect(gate.kind === "wait" && gate.ms).toBeLessThanOrEqual(11_000);
  });

  test("that is absurd holds for the bound; none at all for a pause that doubles", () => {
    const pace = drive();
    pace.end(pace.send(), "limited", { wishMs: 1e12 });
    expect(pace.view().waitMs).toBe(policy.holdMsMax);
    const other = drive();
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      other.end(other.send(), "limited");
      waits.push(other.view().waitMs);
      other.at.nowMs += other.view().waitMs;
    }
    expect(waits[0]).toBeLessThanOrEqual(1000);
    expect(waits[3]).toBeGreaterThan(4000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
  });
});

describe("the breaker", () => {
  const failing = () => {
    const pace = drive();
    for (let n = 0; n < policy.breaker.failures; n++) pace.end(pace.send(), "failed");
    return pace;
  };

  test("opens after failures in a row, and not for requests that are wrong in themselves", () => {
    const pace = drive();
    for (let n = 0; n < 100; n++) pace.end(pace.send(), n % 5 === 4 ? "refused" : "failed");
    for (let n = 0; n < 50; n++) pace.end(pace.send(), "refused");
    expect(pace.view().breaker).toBe("closed");
    expect(failing().admit()).toMatchObject({ kind: "open", retryAfterMs: expect.any(Number) });
  });

  test("lets one probe through after its cooldown; the others wait for its word, and a good one closes it", () => {
    const pace = failing();
    pace.at.nowMs += pace.view().waitMs;
    expect(pace.view()).toMatchObject({ breaker: "half-open", waitMs: 0 });
    const probe = pace.send();
    expect(pace.admit().kind).toBe("wait");
    pace.hear(probe, {});
    expect(pace.admit()).toEqual({ kind: "go" });
    pace.end(probe, "ok");
    expect(pace.view().breaker).toBe("closed");
  });

  test("stays open longer with every probe that fails, within its bound", () => {
    const pace = failing();
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      waits.push(pace.view().waitMs);
      pace.at.nowMs += pace.view().waitMs;
      pace.end(pace.send(), "overloaded");
    }
    expect(waits[0]).toBeLessThanOrEqual(2000);
    expect(waits[2]).toBeGreaterThan(4000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
  });

  test("a probe that was given up frees its place, and one that never ends does not keep it", () => {
    const pace = failing();
    pace.at.nowMs += pace.view().waitMs;
    pace.end(pace.send(), "silent");
    pace.send();
    expect(pace.admit().kind).toBe("wait");
    pace.at.nowMs += policy.breaker.probeMs;
    expect(pace.admit()).toEqual({ kind: "go" });
  });

  test("late words of calls that left before it opened change nothing", () => {
    const pace = drive();
    const [slow, slower] = [pace.send(), pace.send()];
    for (let n = 0; n < policy.breaker.failures; n++) pace.end(pace.send(), "failed");
    pace.end(slow, "ok");
    expect(pace.admit().kind).toBe("open");
    pace.at.nowMs += pace.view().waitMs;
    pace.send();
    pace.end(slower, "failed");
    expect(pace.admit().kind).toBe("wait");
  });
});

test("in a provider's time that goes 480 times as fast, its minute and its wishes are as much shorter, but no breaker spins", () => {
  const fast = pacePolicy({ scale: 480, ceiling: 8 });
  expect(fast.minuteMs).toBe(125);
  expect(fast.holdMsMax).toBe(1250);
  expect(fast.breaker.cooldown.baseMs).toBe(50);
});
