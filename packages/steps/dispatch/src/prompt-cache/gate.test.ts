import type { LaneAnswer } from "@slowboat/lanes";
import { expect, test } from "vitest";
import { createPromptGate, type Held, heldBy } from "./gate.ts";

const MINUTE = 60_000;
const PREFIX: Held = { automatic: false, cacheKey: null, keys: [{ key: "a", ttlMs: 5 * MINUTE }] };
const ENDPOINT = "/v1/messages" as const;
const usage = (written: number): LaneAnswer => ({
  kind: "answered",
  attemptId: "att_1",
  statusCode: 200,
  body: JSON.stringify({ usage: { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: written, cache_read_input_tokens: 0 } }),
  requestId: null,
});

/** A gate on a clock that the test moves. */
function opened() {
  const time = { nowMs: 1_000_000 };
  const gate = createPromptGate(() => time.nowMs);
  return { time, gate, enter: (held: Held = PREFIX, waitMs = 10 * MINUTE) => gate.enter(held, ENDPOINT, waitMs, MINUTE) };
}

test("the first goes ahead, the others wait until it was answered, then all go", () => {
  const { enter } = opened();
  const first = enter();
  expect(first).not.toBeNull();
  expect(enter()).toBeNull();
  first?.answered(usage(6_000));
  expect([enter(), enter(), enter()].every((pass) => pass !== null)).toBe(true);
});

test("an answer that wrote nothing opens the way for one more, not for all", () => {
  const { enter } = opened();
  enter()?.answered(usage(0));
  expect(enter()).not.toBeNull();
  expect(enter()).toBeNull();
});

test("a call that failed lets the next one try", () => {
  const { enter } = opened();
  enter()?.answered(null);
  expect(enter()).not.toBeNull();
});

test("whoever has no patience left goes; a writer is waited for while it stands in line itself, and a minute once it was sent", () => {
  const { enter } = opened();
  enter();
  expect(enter(PREFIX, 1)).toBeNull();
  expect(enter(PREFIX, 0)).not.toBeNull();
  const { enter: next, time: later } = opened();
  const first = next();
  later.nowMs += 5 * MINUTE;
  expect(next()).toBeNull();
  first?.sent();
  later.nowMs += MINUTE - 1;
  expect(next()).toBeNull();
  later.nowMs += 1;
  expect(next()).not.toBeNull();
});

test("a cache key is asked fourteen times a minute, and more only by those who cannot wait", () => {
  const { enter, time } = opened();
  const keyed: Held = { ...PREFIX, cacheKey: "acc|m|sb-a" };
  enter(keyed)?.answered(usage(6_000));
  for (let i = 1; i < 14; i++) expect(enter(keyed)).not.toBeNull();
  expect(enter(keyed)).toBeNull();
  expect(enter({ ...keyed, cacheKey: "acc|m|sb-a-1" })).not.toBeNull();
  expect(enter(keyed, 0)).not.toBeNull();
  time.nowMs += MINUTE;
  expect(enter(keyed)).not.toBeNull();
});

test("a prefix is warm for its lifetime from the start of the last request that used it, and then has to be written again", () => {
  const { enter, time } = opened();
  enter()?.answered(usage(6_000));
  time.nowMs += 4 * MINUTE;
  enter()?.answered({
    ...usage(0),
    body: JSON.stringify({ usage: { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: 6_000 } }),
  } as LaneAnswer);
  time.nowMs += 4 * MINUTE;
  expect([enter(), enter()].every((pass) => pass !== null)).toBe(true);
  time.nowMs += 10 * MINUTE;
  expect(enter()).not.toBeNull();
  expect(enter()).toBeNull();
});

test("a request that shares an outer prefix waits for whoever writes that, and one that shares nothing does not", () => {
  const { enter } = opened();
  const inner: Held = { automatic: false, cacheKey: null, keys: [...PREFIX.keys, { key: "b", ttlMs: MINUTE }] };
  expect(enter()).not.toBeNull();
  expect(enter(inner)).toBeNull();
  expect(enter({ automatic: false, cacheKey: null, keys: [{ key: "c", ttlMs: MINUTE }] })).not.toBeNull();
});

test("whoever waits is told of a change", async () => {
  const { enter, gate } = opened();
  const pass = enter();
  let told = false;
  const waiting = gate.changed().then(() => {
    told = true;
  });
  pass?.answered(usage(1));
  await waiting;
  expect(told).toBe(true);
});

test("two cache keys of one prefix are two entries", () => {
  const marks = (cacheKey: string) =>
    JSON.stringify({ breakpoints: [{ at: "s0.0", key: "k", ttl: "30m" }], cacheKey, explicit: true, group: "k", tokens: 1, why: "" });
  expect(heldBy({ promptCache: marks("sb-k") }, "acc|m")?.keys).not.toEqual(heldBy({ promptCache: marks("sb-k-1") }, "acc|m")?.keys);
  expect(heldBy({ promptCache: null }, "acc|m")).toBeNull();
});
