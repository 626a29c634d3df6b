import type { Fallback, LaneId } from "@slowboat/contract";
import { seededRng } from "@slowboat/kernel";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { admit, chainOf, decide, isModelsOwn, type LaneView, type PlanJob, retryPlan, type Snapshot, type TriedLane } from "./index.ts";
import { planJob } from "./testing/plan-job.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.UTC(2026, 10, 23);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ALL: readonly LaneId[] = ["openai-batch", "anthropic-batch", "openai-flex", "openai", "anthropic"];

const lane = (id: LaneId, over: Partial<LaneView> = {}): LaneView => ({ id, emulated: true, available: true, concurrency: 32, queued: 0, ...over });
const world = (lanes: readonly LaneView[] = ALL.map((id) => lane(id))): Snapshot => ({
  book,
  lanes,
  pool: null,
  tickMs: 250,
  scale: 1,
  batchLines: 50,
});
const away = (over: Partial<LaneView>, ...ids: LaneId[]): Snapshot => world(ALL.map((id) => lane(id, ids.includes(id) ? over : {})));

const CLAUDE: Fallback = { model: "claude-haiku-4-5", provider: "anthropic", endpoint: "/v1/messages", notes: ["max_tokens: set to 8192"] };
const LUNA: Fallback = { model: "gpt-6-luna", provider: "openai", endpoint: "/v1/chat/completions" };

const job = (slackMs: number | null, fallbacks: readonly Fallback[], over: Partial<PlanJob> = {}): PlanJob =>
  planJob({
    model: "gpt-5-mini",
    candidates: resolveModel(book, "gpt-5-mini")?.candidates ?? [],
    deadlineAtMs: slackMs === null ? null : NOW + slackMs,
    fallbacks: chainOf(book, fallbacks),
    ...over,
  });

const placed = (of: PlanJob, snapshot: Snapshot, how = decide) => {
  const verdict = how(of, snapshot, NOW);
  if (verdict.kind !== "place") throw new Error(`refused: ${verdict.code} ${verdict.message}`);
  return verdict.decision;
};
const OPENAI: LaneId[] = ["openai", "openai-flex", "openai-batch"];
const refused = (n: number, over: Partial<TriedLane> = {}): TriedLane[] =>
  Array.from({ length: n }, () => ({ lane: "openai", outcome: "refused", ...over }));

test("a pinned model is never left while one of its lanes can answer in time, and the record says that the others were not needed", () => {
  for (const slack of [null, MINUTE, HOUR, 8 * HOUR, 24 * HOUR]) {
    const alone = placed(job(slack, []), world());
    const chained = placed(job(slack, [CLAUDE]), world());
    expect({ ...chained, candidates: [] }).toEqual({ ...alone, candidates: [] });
    expect(chained.fallback).toBeUndefined();
    const spare = chained.candidates.filter((one) => one.model === "claude-haiku-4-5");
    expect(spare.length).toBeGreaterThan(0);
    for (const one of spare) expect(one).toMatchObject({ eligible: false });
    expect(spare.find((one) => one.lane === "anthropic")?.why).toBe("not needed while gpt-5-mini can answer");
  }
});

test("an open breaker, a parked account and a provider that is not there let the next model answer, and the record says which it was", () => {
  const cases: [Snapshot, RegExp][] = [
    [away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex"), /gpt-5-mini cannot answer .*openai: its provider is failing for gpt-5-mini/],
    [away({ available: false, away: "its account refuses everything (insufficient_quota)" }, ...OPENAI), /its account refuses everything/],
    [world([lane("anthropic"), lane("anthropic-batch")]), /gpt-5-mini cannot answer \(no lane here serves it\)/],
  ];
  for (const [snapshot, why] of cases) {
    const decision = placed(job(null, [CLAUDE], { interactive: true }), snapshot);
    expect(decision).toMatchObject({ lane: "anthropic", model: "claude-haiku-4-5" });
    expect(decision.fallback).toMatchObject({ name: "claude-haiku-4-5", endpoint: "/v1/messages", notes: ["max_tokens: set to 8192"] });
    expect(decision.fallback?.why).toMatch(why);
    expect(decision.reason).toMatch(/^claude-haiku-4-5 in place of gpt-5-mini: /);
  }
});

test("a breaker that is open in real time alone does not take a patient job from its provider's batches", () => {
  const decision = placed(job(24 * HOUR, [CLAUDE]), away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex"));
  expect(decision).toMatchObject({ lane: "openai-batch", model: "gpt-5-mini" });
});

test("urgent work is not put into the pinned model's batches while another model would answer at once, and is where none would", () => {
  const snapshot = away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex");
  expect(placed(job(null, [CLAUDE]), snapshot)).toMatchObject({ lane: "anthropic", model: "claude-haiku-4-5" });
  expect(placed(job(null, [CLAUDE], { deny: ["anthropic"] }), snapshot)).toMatchObject({ lane: "openai-batch", model: "gpt-5-mini" });
});

test("a deadline that the pinned model cannot make, and the next one can, is accepted and kept by the next one", () => {
  const only = { allow: ["openai-batch", "anthropic"] as LaneId[] };
  expect(admit(job(MINUTE, [], only), world(), NOW)).toMatchObject({ kind: "refuse", code: "deadline-infeasible" });
  const decision = placed(job(MINUTE, [CLAUDE], only), world(), admit);
  expect(decision).toMatchObject({ lane: "anthropic", model: "claude-haiku-4-5" });
  expect(decision.fallback?.why).toContain("openai-batch");
});

test("a deadline that none of them can make leaves the job with the model it asked for, late", () => {
  expect(placed(job(-HOUR, [CLAUDE]), world())).toMatchObject({ lane: "openai", model: "gpt-5-mini" });
});

test("two refusals in real time are an answer, one is chance; what failed one model does not stand against another", () => {
  const tried = (lanesTried: TriedLane[]) => placed(job(null, [CLAUDE], { lanesTried, interactive: true }), world());
  expect(tried(refused(1)).model).toBe("gpt-5-mini");
  expect(tried(refused(2)).model).toBe("claude-haiku-4-5");
  expect(tried(refused(2, { lane: "anthropic", model: "claude-haiku-4-5" })).model).toBe("gpt-5-mini");
  // Without another model nothing changes: it has its four tries.
  const alone = { lanesTried: refused(3), interactive: true, deny: ["openai-flex"] };
  expect(placed(job(null, [], alone), world()).model).toBe("gpt-5-mini");
});

test("a provider that was asked and not heard of is not asked again while another model may answer", () => {
  const unheard: TriedLane[] = [{ lane: "openai", outcome: "unheard" }];
  expect(placed(job(null, [CLAUDE], { lanesTried: unheard }), world())).toMatchObject({ model: "claude-haiku-4-5" });
  expect(placed(job(null, [], { lanesTried: unheard, deny: ["openai-flex", "openai-batch"] }), world())).toMatchObject({ lane: "openai" });
});

test("when every model was refused too often, the asked one is asked again", () => {
  const lanesTried = [...refused(2), ...refused(2, { lane: "anthropic", model: "claude-haiku-4-5" })];
  expect(placed(job(null, [CLAUDE], { lanesTried, interactive: true, deny: ["openai-flex"] }), world())).toMatchObject({ model: "gpt-5-mini" });
});

test("models of one provider follow each other on one lane, each judged, priced and recorded by itself", () => {
  const decision = placed(job(null, [LUNA], { interactive: true }), away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex"));
  expect(decision).toMatchObject({ lane: "openai", model: "gpt-6-luna", fallback: { endpoint: "/v1/chat/completions" } });
  const onLane = decision.candidates.filter((one) => one.lane === "openai");
  expect(onLane.map((one) => [one.model, one.eligible])).toEqual([
    ["gpt-5-mini", false],
    ["gpt-6-luna", true],
  ]);
  expect(onLane[0]?.priceNano).not.toBe(onLane[1]?.priceNano);
});

test("a model that the request cannot be put to is passed over, and the record names the field", () => {
  const first: Fallback = { model: "claude-haiku-4-5", provider: "anthropic", endpoint: "/v1/messages", refused: "n: asks for several answers" };
  const snapshot = away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex");
  const decision = placed(job(null, [first, LUNA], { interactive: true }), snapshot);
  expect(decision.model).toBe("gpt-6-luna");
  const why = "the request cannot be put to it: n: asks for several answers";
  expect(decision.candidates.find((one) => one.model === "claude-haiku-4-5" && one.lane === "anthropic")).toMatchObject({ eligible: false, why });
  expect(decision.fallback?.why).toContain(why);
  expect(decide(job(null, [first], { interactive: true }), snapshot, NOW)).toMatchObject({ kind: "refuse", code: "lane-unavailable" });
});

test("allow, deny and the cost bound hold for the models that stand in as well", () => {
  const snapshot = away({ awayModels: ["gpt-5-mini"] }, "openai", "openai-flex");
  const code = (over: Partial<PlanJob>) => {
    const verdict = decide(job(null, [CLAUDE], { interactive: true, ...over }), snapshot, NOW);
    return verdict.kind === "refuse" ? verdict.code : verdict.decision.model;
  };
  expect(code({ deny: ["anthropic"] })).toBe("lane-unavailable");
  expect(code({ allow: ["openai"] })).toBe("lane-unavailable");
  expect(code({ maxCostNano: 1_000n })).toBe("over-max-cost");
  expect(code({ maxCostNano: 10_000_000n })).toBe("claude-haiku-4-5");
});

test("a rescue runs on the pinned model while it can, and on the next one where it cannot", () => {
  const over = { role: "rescue" as const, lanesTried: [{ lane: "openai-batch", outcome: "missed" as const }] };
  expect(placed(job(5 * MINUTE, [CLAUDE], over), world())).toMatchObject({ lane: "openai", model: "gpt-5-mini", role: "rescue" });
  const down = away({ available: false }, ...OPENAI);
  expect(placed(job(5 * MINUTE, [CLAUDE], over), down)).toMatchObject({ lane: "anthropic", model: "claude-haiku-4-5", role: "rescue" });
});

test("a model that rejected the request itself is not asked again, and when all have, the job says who", () => {
  const rejected: TriedLane = { lane: "anthropic", model: "claude-haiku-4-5", outcome: "rejected" };
  const snapshot = away({ available: false }, ...OPENAI);
  expect(decide(job(null, [CLAUDE], { lanesTried: [rejected] }), snapshot, NOW)).toMatchObject({ kind: "refuse", code: "lane-unavailable" });
  const both = decide(job(null, [CLAUDE], { lanesTried: [rejected, { lane: "openai", outcome: "rejected" }] }), world(), NOW);
  expect(both).toMatchObject({ kind: "refuse", code: "provider-refused" });
  expect(both.kind === "refuse" && both.message).toContain("'gpt-5-mini', 'claude-haiku-4-5'");
});

test("a final refusal ends the job, unless it was one model's alone and another may answer", () => {
  const failed = { kind: "refused" as const, retry: "never" as const, lane: "openai", attempts: 1, laneTries: 1, deadlineAtMs: null };
  const plan = (over: object) => retryPlan({ ...failed, ...over }, NOW, seededRng(1));
  expect(plan({})).toEqual({ kind: "fail", code: "provider-refused" });
  expect(plan({ chain: { code: "invalid_request_error", statusCode: 400 } })).toEqual({ kind: "fail", code: "provider-refused" });
  expect(plan({ chain: { code: "model_not_found", statusCode: 404 } })).toMatchObject({ kind: "again", afterMs: 0, tried: { outcome: "rejected" } });
  const standIn = plan({ lane: "anthropic", model: "claude-haiku-4-5", chain: { code: "invalid_request_error", statusCode: 400 } });
  expect(standIn).toMatchObject({ kind: "again", tried: { lane: "anthropic", model: "claude-haiku-4-5", outcome: "rejected" } });
  expect(isModelsOwn({ fallback: false, code: "context_length_exceeded", statusCode: 400 })).toBe(false);
});

test("a model that routing put first is taken while it can answer in time, and the asked one stands behind it", () => {
  const first = { name: "claude-haiku-4-5", why: "its answer is judged before it stands" };
  for (const slack of [HOUR, 24 * HOUR]) {
    const routed = placed(job(slack, [CLAUDE], { first }), world());
    expect(routed.fallback).toMatchObject({ name: "claude-haiku-4-5", why: "routed: its answer is judged before it stands" });
  }
  const gone = placed(job(24 * HOUR, [CLAUDE], { first }), away({ available: false }, "anthropic", "anthropic-batch"));
  expect(gone.fallback).toBeUndefined();
  expect(gone.lane).toMatch(/^openai/);
  expect(placed(job(HOUR, [CLAUDE], { first: { name: "gpt-0", why: "" } }), world()).fallback).toBeUndefined();
});
