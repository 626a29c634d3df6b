import fc from "fast-check";
import { expect, test } from "vitest";
import { createFairLine, type FairTurn } from "./fair-line.ts";

const turn = (tenant: string, work: number, over: Partial<FairTurn> = {}): FairTurn => ({ tenant, work, dueAtMs: 0, urgent: false, ...over });

test("of two tenants that wait all the while, neither is served more than the other by over twice the largest turn, by weight, with estimates corrected", () => {
  const estimates = fc.array(fc.record({ work: fc.integer({ min: 1, max: 1000 }), wrong: fc.integer({ min: -300, max: 300 }) }), {
    minLength: 5,
    maxLength: 60,
  });
  fc.assert(
    fc.property(estimates, estimates, fc.constantFrom(1, 2, 5), (a, b, weight) => {
      const line = createFairLine<FairTurn>((tenant) => (tenant === "a" ? weight : 1));
      const left = { a: [...a], b: [...b] };
      const served = { a: 0, b: 0 };
      const most = { work: 0, wrong: 0 };
      const next = (tenant: "a" | "b"): void => {
        const first = left[tenant].shift();
        if (first !== undefined) line.join(turn(tenant, first.work));
      };
      // Two each, so that nobody leaves the line between two turns.
      for (const tenant of ["a", "b", "a", "b"] as const) next(tenant);
      const wrongs = [...a, ...b];
      for (let step = 0; left.a.length > 0 && left.b.length > 0; step++) {
        const taken = line.peek() as FairTurn;
        const tenant = taken.tenant as "a" | "b";
        line.serve(taken);
        const wrong = Math.max(-taken.work, wrongs[step % wrongs.length]?.wrong ?? 0);
        line.charge(tenant, wrong);
        served[tenant] += taken.work + wrong;
        most.work = Math.max(most.work, taken.work);
        most.wrong = Math.max(most.wrong, Math.abs(wrong));
        expect(Math.abs(served.a / weight - served.b)).toBeLessThanOrEqual(2 * (most.work + most.wrong));
        next(tenant);
      }
    }),
  );
});

test("who comes while another floods the line is next or the one after, whatever was served before it came", () => {
  const line = createFairLine<FairTurn>();
  for (let n = 0; n < 500; n++) line.join(turn("flood", 10));
  const serve = (): string => {
    const taken = line.peek() as FairTurn;
    line.serve(taken);
    return taken.tenant;
  };
  for (let n = 0; n < 200; n++) serve();
  line.join(turn("late", 10));
  expect([serve(), serve()]).toContain("late");
});

test("nobody banks credit while away, not even while the line is empty", () => {
  const line = createFairLine<FairTurn>();
  for (let n = 0; n < 100; n++) line.charge("busy", 10);
  for (let n = 0; n < 20; n++) {
    line.join(turn("fresh", 10));
    line.join(turn("busy", 10));
  }
  const first = Array.from({ length: 10 }, () => {
    const taken = line.peek() as FairTurn;
    line.serve(taken);
    return taken.tenant;
  });
  expect(first.filter((tenant) => tenant === "busy").length).toBeGreaterThanOrEqual(4);
});

test("inside a tenant the earliest deadline goes first", () => {
  const line = createFairLine<FairTurn>();
  for (const dueAtMs of [3, 1, 2]) line.join(turn("a", 1, { dueAtMs }));
  const order = [0, 0, 0].map(() => {
    const taken = line.peek() as FairTurn;
    line.serve(taken);
    return taken.dueAtMs;
  });
  expect(order).toEqual([1, 2, 3]);
});

test("urgent turns go before, at most every second one, and are paid for", () => {
  const line = createFairLine<FairTurn>();
  for (let n = 0; n < 6; n++) {
    line.join(turn("calm", 10));
    line.join(turn("late", 10, { urgent: true }));
  }
  const order = Array.from({ length: 12 }, () => {
    const taken = line.peek() as FairTurn;
    line.serve(taken);
    return taken.tenant;
  });
  expect(order.slice(0, 6)).toEqual(["late", "calm", "late", "calm", "late", "calm"]);
  line.join(turn("late", 10));
  line.join(turn("calm", 10));
  expect(order.filter((tenant) => tenant === "late")).toHaveLength(6);
});

test("what is too late by now lets its tenant's others pass, seven at a time, and waits for nobody when it is alone", () => {
  let nowMs = 0;
  const line = createFairLine<FairTurn & { name: string }>(
    () => 1,
    () => nowMs,
  );
  const join = (name: string, dueAtMs: number, tenant = "a"): void => line.join({ ...turn(tenant, 1, { dueAtMs, lateAtMs: dueAtMs }), name });
  const serve = (): string => {
    const taken = line.peek() as FairTurn & { name: string };
    line.serve(taken);
    return taken.name;
  };
  join("late", 10);
  join("later", 20);
  for (let n = 0; n < 9; n++) join(`n${n}`, 1_000 + n);
  nowMs = 50;
  const order = Array.from({ length: 11 }, serve);
  expect(order).toEqual(["n0", "n1", "n2", "n3", "n4", "n5", "n6", "late", "n7", "n8", "later"]);
  expect(line.size).toBe(0);
  // Lateness is a matter within a tenant: it gives no other tenant more than its share.
  nowMs = 0;
  join("mine", 10);
  for (let n = 0; n < 4; n++) join(`theirs${n}`, 1_000, "b");
  nowMs = 50;
  expect(Array.from({ length: 5 }, serve).indexOf("mine")).toBeLessThanOrEqual(1);
  // Work without a deadline is never too late.
  line.join({ ...turn("a", 1, { dueAtMs: 5 }), name: "urgent" });
  join("dated", 1_000);
  expect([serve(), serve()]).toEqual(["urgent", "dated"]);
});

/** A line whose turns are told by name, and what serves its first. */
function namedLine(nowMs: () => number = () => 0) {
  const line = createFairLine<FairTurn & { name: string }>(() => 1, nowMs);
  return {
    join: (name: string, over: Partial<FairTurn> = {}) => line.join({ ...turn(over.tenant ?? "a", 1, { lateAtMs: 10_000, ...over }), name }),
    serve: (): string => {
      const taken = line.peek() as FairTurn & { name: string };
      const { jumps } = line;
      line.serve(taken);
      return jumps ? `${taken.name}!` : taken.name;
    },
  };
}

test("what would have been late in real time, too, goes behind its tenant's others, however early it is due, and before what is too late", () => {
  let nowMs = 0;
  const { join, serve } = namedLine(() => nowMs);
  join("yields", { dueAtMs: 1, yields: true });
  join("late", { dueAtMs: 0, lateAtMs: 50 });
  join("owed", { dueAtMs: 500 });
  join("theirs", { dueAtMs: 900, tenant: "b", yields: true });
  nowMs = 60;
  const order = Array.from({ length: 4 }, serve);
  // It is a matter within a tenant: another one's share is none of its business.
  expect(order.slice(0, 2).sort()).toEqual(["owed", "theirs"]);
  expect(order.slice(2)).toEqual(["yields", "late"]);
});

test("the place of an urgent turn is for its tenant's dated turn that must start first; work without a deadline does not take it", () => {
  const { join, serve } = namedLine();
  join("calm", { tenant: "b", dueAtMs: 1 });
  join("rescue", { dueAtMs: 300, urgent: true });
  join("sooner", { dueAtMs: 100 });
  expect([serve(), serve(), serve()]).toEqual(["sooner!", "calm", "rescue!"]);
  join("undated", { dueAtMs: 0, lateAtMs: undefined });
  join("rescue", { dueAtMs: 300, urgent: true });
  join("calm", { tenant: "b", dueAtMs: 1 });
  const order = [serve(), serve(), serve()];
  expect(order.filter((name) => name.endsWith("!"))).toEqual(["rescue!"]);
  expect(order.sort()).toEqual(["calm", "rescue!", "undated"]);
});

test("a large turn that is too late waits for seven times its own work of its tenant's, whatever pieces that comes in", () => {
  let nowMs = 0;
  const line = createFairLine<FairTurn & { name: string }>(
    () => 1,
    () => nowMs,
  );
  line.join({ ...turn("a", 40, { lateAtMs: 10 }), name: "late" });
  for (let n = 0; n < 60; n++) line.join({ ...turn("a", 10, { dueAtMs: 100 + n, lateAtMs: 10_000 }), name: "timely" });
  nowMs = 50;
  let passed = 0;
  for (let taken = line.peek(); taken !== null && taken.name === "timely"; taken = line.peek()) {
    line.serve(taken);
    passed += taken.work;
  }
  expect(passed).toBe(280);
  expect(line.peek()?.name).toBe("late");
});

test("an urgent turn that yields gives its tenant no place before others", () => {
  const { join, serve } = namedLine();
  join("rescue", { dueAtMs: 1, urgent: true, yields: true });
  for (let n = 0; n < 4; n++) join(`mine${n}`, { dueAtMs: 100 + n });
  for (let n = 0; n < 4; n++) join(`theirs${n}`, { dueAtMs: 100 + n, tenant: "b" });
  const order = Array.from({ length: 8 }, serve);
  expect(order.some((name) => name.endsWith("!"))).toBe(false);
  for (let n = 0; n < 8; n += 2) expect(new Set([order[n]?.slice(0, 4), order[n + 1]?.slice(0, 4)])).toEqual(new Set(["mine", "thei"]));
});
