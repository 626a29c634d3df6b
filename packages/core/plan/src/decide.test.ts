import type { Endpoint, LaneId } from "@slowboat/contract";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { admit, decide, type LaneView, type PlanJob, type Snapshot, type Verdict } from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const SEED = 20_261_123;
const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.UTC(2026, 10, 23);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ALL: readonly LaneId[] = ["pool", "openai-batch", "anthropic-batch", "openai-flex", "openai", "anthropic"];

const lane = (id: LaneId, over: Partial<LaneView> = {}): LaneView => ({ id, emulated: true, available: true, concurrency: 32, queued: 0, ...over });
const world = (over: Partial<Snapshot> = {}): Snapshot => ({
  book,
  lanes: ALL.map((id) => lane(id)),
  pool: { tokensPerSecond: 3000, backlogTokens: 0 },
  tickMs: 250,
  scale: 1,
  batchLines: 50,
  ...over,
});
const without = (...ids: LaneId[]): Snapshot => world({ lanes: ALL.map((id) => lane(id, { available: !ids.includes(id) })) });

const job = (model: string, slackMs: number | null, over: Partial<PlanJob> = {}): PlanJob => {
  const known = resolveModel(book, model);
  const endpoint: Endpoint = known?.endpoints[0] ?? "/v1/chat/completions";
  const words = endpoint !== "/v1/embeddings" && endpoint !== "/v1/classifications";
  return planJob({
    model,
    candidates: known?.candidates ?? [{ provider: "openai", model }],
    endpoint,
    outputTokens: words ? 100 : 0,
    deadlineAtMs: slackMs === null ? null : NOW + slackMs,
    ...over,
  });
};

const laneOf = (verdict: Verdict): string => (verdict.kind === "place" ? verdict.decision.lane : verdict.code);
const placed = (verdict: Verdict) => {
  if (verdict.kind !== "place") throw new Error(`refused: ${verdict.code} ${verdict.message}`);
  return verdict.decision;
};

test("the same job goes to cheaper and slower lanes as its slack grows", () => {
  const at = (model: string, slack: number): string => laneOf(admit(job(model, slack), world(), NOW));
  expect([30_000, 5 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR].map((s) => at("gpt-6-luna", s))).toEqual([
    "openai",
    "openai-flex",
    "openai-flex",
    "openai-batch",
    "openai-batch",
  ]);
  expect([30_000, 5 * MINUTE, HOUR, 24 * HOUR].map((s) => at("claude-haiku-4-5", s))).toEqual([
    "anthropic",
    "anthropic",
    "anthropic-batch",
    "anthropic-batch",
  ]);
});

test("a kept answer wins over every lane, but not where the cache is denied", () => {
  expect(laneOf(decide(job("gpt-6-luna", HOUR, { cached: true }), world(), NOW))).toBe("cache");
  expect(laneOf(decide(job("gpt-6-luna", null, { cached: true }), without(...ALL), NOW))).toBe("cache");
  expect(laneOf(decide(job("gpt-6-luna", HOUR, { cached: true, deny: ["cache"] }), world(), NOW))).toBe("openai-flex");
});

test("an urgent job takes the pool if it serves the model and is not backed up, else real time", () => {
  expect(laneOf(decide(job("slowboat-embed", null), world(), NOW))).toBe("pool");
  expect(laneOf(decide(job("slowboat-embed", null), world({ pool: { tokensPerSecond: 100, backlogTokens: 1_000_000 } }), NOW))).toBe("openai");
  expect(laneOf(decide(job("text-embedding-3-small", null), world(), NOW))).toBe("openai");
  expect(laneOf(decide(job("gpt-6-luna", null, { allow: ["openai-batch"] }), world(), NOW))).toBe("openai-batch");
});

test("a pinned provider model never runs on the pool, a pool model never anywhere else", () => {
  const pinned = placed(decide(job("text-embedding-3-small", 24 * HOUR), world(), NOW));
  expect(pinned.candidates.map((c) => c.lane)).not.toContain("pool");
  const pool = placed(decide(job("use-lite-en", 24 * HOUR), world(), NOW));
  expect(pool.candidates.map((c) => c.lane)).toEqual(["pool"]);
});

test("the record names the model that runs: an alias is resolved", () => {
  expect(placed(decide(job("slowboat-embed", HOUR), world(), NOW)).model).toBe("use-lite-en");
  expect(placed(decide(job("slowboat-embed", 24 * HOUR), without("pool"), NOW)).model).toBe("text-embedding-3-small");
});

test("the record is plain JSON and comes out the same again", () => {
  const one = decide(job("gpt-6-luna", 6 * HOUR), world(), NOW);
  expect(JSON.parse(JSON.stringify(one))).toEqual(one);
  expect(decide(job("gpt-6-luna", 6 * HOUR), world(), NOW)).toEqual(one);
});

test("a caller on the line is never put into a batch", () => {
  expect(laneOf(admit(job("claude-haiku-4-5", 10 * MINUTE, { interactive: true }), world(), NOW))).toBe("anthropic");
  expect(admit(job("claude-haiku-4-5", 10 * MINUTE, { interactive: true, allow: ["anthropic-batch"] }), world(), NOW)).toMatchObject({
    kind: "refuse",
    code: "lanes-empty",
  });
});

test("a lane set that cannot make the deadline is refused with a deadline that it is then admitted with", () => {
  for (const allow of [null, ["openai-batch"], ["openai"], ["openai-flex"]] as const) {
    const refused = admit(job("gpt-6-luna", 3000, { allow }), world(), NOW);
    expect(refused).toMatchObject({ kind: "refuse", code: "deadline-infeasible" });
    if (refused.kind !== "refuse" || refused.earliestFeasibleAtMs === null) throw new Error("no earliest time");
    expect(refused.message).toContain(new Date(refused.earliestFeasibleAtMs).toISOString());
    expect(admit(job("gpt-6-luna", refused.earliestFeasibleAtMs - NOW, { allow }), world(), NOW).kind).toBe("place");
  }
});

test("a past deadline is refused at the door; once accepted the job goes to the fastest lane, late but never dropped", () => {
  expect(admit(job("gpt-6-luna", -1), world(), NOW)).toMatchObject({ kind: "refuse", code: "deadline-past" });
  const late = placed(decide(job("gpt-6-luna", -HOUR), world(), NOW));
  expect(late.lane).toBe("openai");
  expect(late.reason).toContain("late");
  expect(laneOf(decide(job("gpt-6-luna", -HOUR, { allow: ["openai-batch"] }), world(), NOW))).toBe("openai-batch");
});

test("a late job does not follow the typical batch: real time takes it though a quarter of an hour is queued there", () => {
  const busy = world({ lanes: ALL.map((id) => lane(id, { queued: id === "openai-batch" ? 0 : 4_000 })) });
  for (const slack of [-HOUR, MINUTE]) expect(laneOf(decide(job("gpt-6-luna", slack), busy, NOW))).not.toBe("openai-batch");
});

test("a rescue goes to real time, whatever a cheaper lane promises", () => {
  expect(laneOf(decide(job("gpt-6-luna", 24 * HOUR, { role: "rescue" }), world(), NOW))).toBe("openai");
  expect(laneOf(decide(job("slowboat-embed", HOUR, { role: "rescue" }), world(), NOW))).toBe("openai");
  expect(laneOf(decide(job("use-lite-en", HOUR, { role: "rescue" }), world(), NOW))).toBe("pool");
});

test("the cost bound holds against the worst case, rescue and waste counted in", () => {
  // 700 in, 100 out on gpt-6-luna: 120,000 nano in real time, 60,000 in a batch, at worst 123,000 with a rescue.
  expect(laneOf(admit(job("gpt-6-luna", 24 * HOUR, { maxCostNano: 123_000n }), world(), NOW))).toBe("openai-batch");
  const tight = placed(admit(job("gpt-6-luna", 24 * HOUR, { maxCostNano: 60_000n }), world(), NOW));
  expect([tight.lane, tight.latestStartAtMs]).toEqual(["openai-batch", null]);
  expect(admit(job("gpt-6-luna", 10 * MINUTE, { allow: ["openai"], maxCostNano: 119_999n }), world(), NOW)).toMatchObject({
    kind: "refuse",
    code: "over-max-cost",
  });
  const refused = admit(job("gpt-6-luna", 24 * HOUR, { maxCostNano: 59_999n }), world(), NOW);
  expect(refused).toMatchObject({ kind: "refuse", code: "over-max-cost" });
  expect(refused.kind === "refuse" && refused.message).toContain("0.00006 USD");
});

test("a model without a price is refused, or runs in real time and without a price where the tenant allows it", () => {
  expect(admit(job("gpt-9", HOUR), world(), NOW)).toMatchObject({ kind: "refuse", code: "model-unpriced" });
  const allowed = placed(admit(job("gpt-9", HOUR, { allowUnpriced: true }), world(), NOW));
  expect(allowed.lane).toBe("openai");
  expect(allowed.candidates.every((c) => c.priceNano === null)).toBe(true);
  expect(admit(job("gpt-9", HOUR, { allowUnpriced: true, maxCostNano: 10n ** 12n }), world(), NOW)).toMatchObject({ code: "over-max-cost" });
});

test("what keeps a job from every lane is named: not allowed, or not there right now", () => {
  expect(admit(job("gpt-6-luna", HOUR, { allow: ["anthropic"] }), world(), NOW)).toMatchObject({ code: "lanes-empty" });
  expect(admit(job("gpt-6-luna", HOUR, { allow: ["openai"] }), without("openai"), NOW)).toMatchObject({ code: "lane-unavailable" });
  expect(
    admit(job("gpt-6-luna", HOUR, { allow: ["openai"], interactive: true, lanesTried: [{ lane: "openai", outcome: "parked" }] }), world(), NOW),
  ).toMatchObject({
    code: "lane-unavailable",
  });
  expect(decide(job("use-lite-en", HOUR), world({ pool: null }), NOW)).toMatchObject({ code: "lane-unavailable" });
  expect(decide(job("gpt-6-luna", HOUR, { attempts: 6 }), world(), NOW)).toMatchObject({ code: "attempts-exhausted" });
});

test("lanes that failed the job are avoided while another can run it, and tried again when none can", () => {
  const voided = [{ lane: "openai-batch", outcome: "missed" }] as const;
  expect(laneOf(decide(job("gpt-6-luna", 24 * HOUR, { lanesTried: voided }), world(), NOW))).toBe("openai-flex");
  expect(laneOf(decide(job("gpt-6-luna", 24 * HOUR, { lanesTried: voided, allow: ["openai-batch"] }), world(), NOW))).toBe("openai-batch");
});

test("a refusal that cost nothing sends work that can wait back to the cheap lane, and a caller who waits elsewhere", () => {
  const lanesTried = Array.from({ length: 9 }, () => ({ lane: "openai-batch", outcome: "refused" }) as const);
  expect(laneOf(decide(job("gpt-6-luna", 24 * HOUR, { lanesTried }), world(), NOW))).toBe("openai-batch");
  const flex = Array.from({ length: 4 }, () => ({ lane: "openai-flex", outcome: "refused" }) as const);
  expect(laneOf(decide(job("gpt-6-luna", 5 * MINUTE, { lanesTried: flex, interactive: true, allow: ["openai-flex", "openai"] }), world(), NOW))).toBe(
    "openai",
  );
});

test("an idle pool is used, a busy one is kept for jobs without a cheap way out", () => {
  const busy = world({ pool: { tokensPerSecond: 3000, backlogTokens: 3000 * 900 } });
  const embed = (slack: number) => decide(job("slowboat-embed", slack), busy, NOW);
  expect(laneOf(decide(job("slowboat-embed", 24 * HOUR), world(), NOW))).toBe("pool");
  // Embeddings have no batch discount, so a busy pool is still the only saving for one that can wait.
  expect(laneOf(embed(24 * HOUR))).toBe("pool");
  expect(laneOf(embed(2 * MINUTE))).toBe("openai");
});

test("queued rescues and a fast clock move the rescue instant earlier, never later", () => {
  const start = (snapshot: Snapshot): number => placed(decide(job("claude-haiku-4-5", 6 * HOUR), snapshot, NOW)).latestStartAtMs ?? 0;
  const calm = start(world());
  const crowded = start(world({ lanes: ALL.map((id) => lane(id, { queued: 2000 })) }));
  const fast = start(world({ scale: 600 }));
  const herd = start(world({ batchLines: 5000 }));
  for (const earlier of [crowded, fast, herd]) expect(earlier).toBeLessThan(calm);
});

test(`every placement is on an allowed lane, at an instant that leaves its rescue time, within its cost bound (seed ${SEED})`, () => {
  const arbitrary = fc.record({
    model: fc.constantFrom(
      "gpt-6-luna",
      "gpt-4.1-mini",
      "claude-haiku-4-5",
      "claude-opus-5-5",
      "slowboat-embed",
      "text-embedding-3-small",
      "use-lite-en",
      "slowboat-classify",
    ),
    slack: fc.option(fc.integer({ min: -HOUR, max: 48 * HOUR }), { nil: null }),
    allow: fc.option(fc.subarray([...ALL, "cache" as const]), { nil: null }),
    deny: fc.option(fc.subarray([...ALL]), { nil: null }),
    gone: fc.subarray([...ALL]),
    maxCostNano: fc.option(fc.bigInt({ min: 0n, max: 2_000_000n }), { nil: null }),
    cached: fc.boolean(),
    interactive: fc.boolean(),
    scale: fc.constantFrom(1, 60, 600),
    role: fc.constantFrom("try", "rescue", "retry", "hedge"),
    backlogTokens: fc.integer({ min: 0, max: 10_000_000 }),
  });
  fc.assert(
    fc.property(arbitrary, (a) => {
      const snapshot: Snapshot = { ...without(...a.gone), scale: a.scale, pool: { tokensPerSecond: 3000, backlogTokens: a.backlogTokens } };
      const j = job(a.model, a.slack, {
        allow: a.allow,
        deny: a.deny,
        maxCostNano: a.maxCostNano,
        cached: a.cached,
        interactive: a.interactive,
        role: a.role as PlanJob["role"],
      });
      const strict = admit(j, snapshot, NOW);
      const verdict = decide(j, snapshot, NOW);
      if (strict.kind === "place") expect(verdict).toEqual(strict);
      if (verdict.kind === "refuse") {
        expect(["over-max-cost", "lanes-empty", "lane-unavailable"]).toContain(verdict.code);
        return;
      }
      const { decision } = verdict;
      if (a.allow !== null) expect(a.allow).toContain(decision.lane);
      expect(a.deny ?? []).not.toContain(decision.lane);
      expect(a.gone).not.toContain(decision.lane);
      if (a.interactive) expect(decision.lane).not.toMatch(/batch/);
      if (decision.latestStartAtMs !== null && a.slack !== null) {
        expect(decision.latestStartAtMs).toBeGreaterThan(NOW);
        expect(decision.latestStartAtMs).toBeLessThan(NOW + a.slack);
      }
      const chosen = decision.candidates.find((c) => c.lane === decision.lane);
      if (a.maxCostNano !== null && chosen?.priceNano) expect(BigInt(chosen.priceNano) <= a.maxCostNano).toBe(true);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

test("a machine that is slow itself starts its rescues earlier", () => {
  const many = { batchLines: 500 };
  const calm = placed(decide(job("gpt-6-luna", 8 * HOUR, { allow: ["openai-batch", "openai"] }), world(many), NOW));
  const lanes = ALL.map((id) => lane(id, id === "openai" ? { callMs: 120_000 } : {}));
  const slow = placed(decide(job("gpt-6-luna", 8 * HOUR, { allow: ["openai-batch", "openai"] }), world({ ...many, lanes }), NOW));
  expect(calm.lane).toBe("openai-batch");
  // 500 calls at 32 a time, two minutes each, are half an hour.
  expect((calm.latestStartAtMs ?? 0) - (slow.latestStartAtMs ?? 0)).toBeGreaterThan(25 * MINUTE);
});

test("a prompt that others share is cheaper in real time where the batch list has no cached price, and stays in the batch where it has", () => {
  const at = (model: string, others: number): string =>
    laneOf(
      decide(job(model, 20 * HOUR, { inputTokens: 6_000, outputTokens: 60, shared: { tokens: 5_800, others } }), without("pool", "openai-flex"), NOW),
    );
  expect([at("gpt-4.1-mini", 0), at("gpt-4.1-mini", 50)]).toEqual(["openai-batch", "openai"]);
  expect([at("gpt-5.6-luna", 50), at("claude-sonnet-5", 50)]).toEqual(["openai-batch", "anthropic-batch"]);
});
