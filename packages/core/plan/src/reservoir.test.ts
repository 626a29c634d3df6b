import type { LaneId } from "@slowboat/contract";
import { seededRng } from "@slowboat/kernel";
import { loadPriceBook, resolveModel } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { decide, type LaneView, type PlanJob, type PoolAhead, rescueMs, restMs, type Snapshot } from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const NOW = Date.UTC(2026, 10, 23);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ENDPOINT = "/v1/chat/completions";
const row = (provider: string, model: string, tier: string, input: number) => ({
  provider,
  model,
  tier,
  pico_per_token: { input, output: 4 * input },
  source: "test",
  checked_at: "2026-11-23",
  evidence: "operator",
});
const book = loadPriceBook({
  models: ["openai far", "pool own"].map((name) => ({ provider: name.split(" ")[0], model: name.split(" ")[1], endpoints: [ENDPOINT] })),
  aliases: [
    {
      alias: "any",
      endpoints: [ENDPOINT],
      baseline: { provider: "openai", model: "far" },
      candidates: [
        { provider: "pool", model: "own" },
        { provider: "openai", model: "far" },
      ],
    },
  ],
  rows: [
    row("openai", "far", "standard", 100_000),
    row("openai", "far", "batch", 50_000),
    row("openai", "far", "flex", 50_000),
    row("pool", "own", "standard", 15_000),
  ],
});
const LANES: readonly LaneId[] = ["pool", "openai-batch", "openai-flex", "openai"];
const lane = (id: LaneId, over: Partial<LaneView> = {}): LaneView => ({ id, emulated: true, available: true, concurrency: 32, queued: 0, ...over });
const world = (ahead: readonly PoolAhead[] | undefined, lanes: readonly LaneId[] = LANES): Snapshot => ({
  book,
  lanes: lanes.map((id) => lane(id)),
  pool: { tokensPerSecond: 100, backlogTokens: ahead?.at(-1)?.tokens ?? 0, ...(ahead === undefined ? {} : { ahead }), outputWeight: 4 },
  tickMs: 250,
  scale: 1,
  batchLines: 10,
});
const job = (slackMs: number, over: Partial<PlanJob> = {}): PlanJob =>
  planJob({
    model: "any",
    candidates: resolveModel(book, "any")?.candidates ?? [],
    endpoint: ENDPOINT,
    inputTokens: 600,
    deadlineAtMs: NOW + slackMs,
    ...over,
  });
const placed = (snapshot: Snapshot, asked: PlanJob) => {
  const verdict = decide(asked, snapshot, NOW);
  if (verdict.kind !== "place") throw new Error(`refused: ${verdict.code}`);
  return verdict.decision;
};

test("what is due later does not stand in front of a job in a pool that serves by deadline", () => {
  const behind = [{ untilMs: NOW + 20 * HOUR, tokens: 1_000_000 }];
  expect(placed(world(behind), job(2 * MINUTE)).lane).toBe("pool");
  expect(placed(world([{ untilMs: NOW + MINUTE, tokens: 1_000_000 }]), job(2 * MINUTE)).lane).not.toBe("pool");
  const all = { ...world(undefined), pool: { tokensPerSecond: 100, backlogTokens: 1_000_000, outputWeight: 4 } };
  expect(placed(all, job(2 * MINUTE)).lane).not.toBe("pool");
});

test("work that can wait stands in the pool's line until its next lane would lose by it, and leaves for that lane then", () => {
  const line = [{ untilMs: NOW + 20 * HOUR, tokens: 200_000 }];
  const decision = placed(world(line), job(24 * HOUR));
  expect(decision.lane).toBe("pool");
  expect(decision.latestStartAtMs).toBeGreaterThan(NOW + HOUR);
  expect((decision.deadlineAtMs ?? 0) - (decision.latestStartAtMs ?? 0)).toBeGreaterThan(15 * MINUTE);
  // Its turn did not come: it goes on, and does not stand in line again.
  const next = placed(
    world([{ untilMs: NOW + 30 * MINUTE, tokens: 200_000 }]),
    job(40 * MINUTE, { lanesTried: [{ lane: "pool", outcome: "unsent" }] }),
  );
  expect(next.lane).toBe("openai-flex");
});

test("a line too long to be reached in time is not joined", () => {
  const endless = [{ untilMs: NOW + 20 * HOUR, tokens: 100 * 86_400 }];
  expect(placed(world(endless), job(24 * HOUR)).lane).not.toBe("pool");
});

test("a job that only a batch can take cheaply keeps two thirds of its slack for slow batches", () => {
  const decision = placed(world([], ["pool", "openai-batch", "openai"]), job(24 * HOUR));
  expect(decision.lane).toBe("pool");
  expect((decision.latestStartAtMs ?? 0) - NOW).toBeLessThan(8 * HOUR);
});

test("a line at a rate limit starts rescues earlier, and short slack counts on a slower answer", () => {
  const facts = { outputTokens: 100, deadlineAtMs: NOW + HOUR, together: 1 };
  const needs = (over: Partial<LaneView>, at = facts): number => rescueMs("pool", "hedge", lane("openai", over), at, world([]), NOW);
  expect(needs({ rate: { perSecond: 1, waiting: 60 } }) - needs({})).toBeCloseTo(MINUTE, 3);
  const margin = (slackMs: number): number => needs({}, { ...facts, deadlineAtMs: NOW + slackMs }) - Math.max(10_000, slackMs / 100);
  expect(margin(14 * MINUTE) - margin(16 * MINUTE)).toBeCloseTo(8_900, -3);
});

test("a job that its lane did not take rests longer each time, but never beyond its latest start", () => {
  const rng = seededRng(3);
  const refused = { lane: "openai-flex", retryAfterMs: null, latestStartAtMs: null };
  expect(restMs({ ...refused, attempts: 6 }, NOW, rng)).toBeGreaterThan(4 * restMs({ ...refused, attempts: 1 }, NOW, rng));
  expect(restMs({ ...refused, attempts: 1, retryAfterMs: 90_000 }, NOW, rng)).toBe(90_000);
  expect(restMs({ ...refused, attempts: 9, latestStartAtMs: NOW + 5_000 }, NOW, rng)).toBe(5_000);
  expect(restMs({ ...refused, attempts: 1, latestStartAtMs: NOW - 1 }, NOW, rng)).toBeGreaterThan(1_000);
});
