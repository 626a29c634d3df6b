import type { Decision, LaneId } from "@slowboat/contract";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decide, type LaneView, learnTurnaround, type PlanJob, restoreInputs, roomKey, type Snapshot, withInputs } from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.UTC(2026, 10, 23);
const HOUR = 3_600_000;
const ALL: readonly LaneId[] = ["pool", "openai-batch", "openai-flex", "openai", "anthropic-batch", "anthropic"];
const MODELS = ["gpt-5-mini", "claude-haiku-4-5", "slowboat-embed", "use-lite-en"] as const;
const lesson = learnTurnaround(
  Array.from({ length: 60 }, (_, i) => ({
    submittedAtMs: NOW - i * HOUR,
    lastAtMs: NOW - i * HOUR + 600_000 * (1 + (i % 7)),
    ended: true,
    lines: 10,
  })),
  NOW,
);

const lane = fc.record({
  available: fc.constantFrom(true, true, true, false),
  concurrency: fc.integer({ min: 1, max: 300 }),
  queued: fc.integer({ min: 0, max: 500 }),
  callMs: fc.integer({ min: 0, max: 60_000 }),
});
const worlds = fc.record({
  model: fc.constantFrom(...MODELS),
  slackMs: fc.option(fc.integer({ min: -HOUR, max: 30 * HOUR }), { nil: null }),
  inputTokens: fc.integer({ min: 1, max: 100_000 }),
  outputTokens: fc.integer({ min: 0, max: 4_000 }),
  lanes: fc.tuple(lane, lane, lane, lane, lane, lane),
  backlog: fc.integer({ min: 0, max: 1_000_000 }),
  batchLines: fc.integer({ min: 1, max: 5_000 }),
  learned: fc.boolean(),
  deny: fc.option(fc.subarray([...ALL], { maxLength: 2 }), { nil: null }),
  maxCost: fc.option(fc.integer({ min: 0, max: 1_000_000_000 }), { nil: null, freq: 2 }),
  waitMs: fc.option(fc.integer({ min: 1, max: 10 * HOUR }), { nil: null }),
  role: fc.constantFrom("try" as const, "retry" as const, "rescue" as const),
  interactive: fc.constantFrom(false, false, true),
  tried: fc.array(fc.record({ lane: fc.constantFrom(...ALL), outcome: fc.constantFrom("refused" as const, "missed" as const) }), { maxLength: 3 }),
});

test("a record that was stored and read again holds enough to take the decision again, whatever the world was like (seed 20261128)", () => {
  let placedInAll = 0;
  fc.assert(
    fc.property(worlds, (world) => {
      const known = resolveModel(book, world.model);
      const job: PlanJob = planJob({
        model: world.model,
        candidates: known?.candidates ?? [],
        endpoint: known?.endpoints[0] ?? "/v1/chat/completions",
        inputTokens: world.inputTokens,
        outputTokens: world.outputTokens,
        deadlineAtMs: world.slackMs === null ? null : NOW + world.slackMs,
        deny: world.deny,
        maxCostNano: world.maxCost === null ? null : BigInt(world.maxCost),
        rooms: world.waitMs === null ? undefined : new Map([[roomKey("openai-batch", world.model), { waitMs: world.waitMs, why: "full" }]]),
        role: world.role,
        interactive: world.interactive,
        attempts: world.tried.length,
        lanesTried: world.tried,
        fallbacks: [],
      });
      const snapshot: Snapshot = {
        book,
        lanes: ALL.map((id, i): LaneView => ({ id, emulated: true, ...(world.lanes[i] as (typeof world.lanes)[number]) })),
        pool: { tokensPerSecond: 3000, backlogTokens: world.backlog },
        tickMs: 212,
        scale: 1,
        batchLines: world.batchLines,
        ...(world.learned ? { turnaround: new Map([["openai-batch", lesson]]) } : {}),
      };
      const verdict = withInputs(decide(job, snapshot, NOW), job, snapshot);
      if (verdict.kind !== "place") return;
      placedInAll++;
      const kept = JSON.parse(JSON.stringify(verdict.decision)) as Decision;
      if (kept.inputs === undefined) throw new Error("a placing without its inputs");
      const again = restoreInputs(kept.inputs, {
        model: job.model,
        provider: known?.provider ?? "openai",
        endpoint: job.endpoint,
        deadlineAtMs: job.deadlineAtMs,
        fallbacks: null,
        book,
        lessonOf: (id, at) => (id === "openai-batch" && at === NOW ? (JSON.parse(JSON.stringify(lesson)) as typeof lesson) : undefined),
      });
      const replayed = decide(again.job, again.snapshot, kept.decidedAtMs);
      const { inputs: _inputs, ...bare } = kept;
      expect(replayed).toEqual({ kind: "place", decision: bare });
    }),
    { seed: 20_261_128, numRuns: 400 },
  );
  expect(placedInAll).toBeGreaterThan(100);
});
